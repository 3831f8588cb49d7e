"""Who may ask: a token in every request, compared without telling how much of it was right."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from airflow_mlops.errors import RequestRefused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# A proxy or an orchestrator asks these, and they tell nothing.
OPEN_ROUTES = frozenset({"/health", "/ready"})


class TokenRequired:
    """Let a request pass that brings ``Authorization: Bearer`` with the token.

    Parameters
    ----------
    app : ASGI application
        What is behind.
    token : str
        What a request has to bring.
    """

    def __init__(self, app: ASGIApp, *, token: str) -> None:
        self._app, self._wanted = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 401."""
        if scope["type"] != "http" or scope["path"] in OPEN_ROUTES:
            await self._app(scope, receive, send)
            return
        given = b"".join(value for name, value in scope["headers"] if name == b"authorization")
        scheme, _, brought = given.partition(b" ")
        # The name of the scheme may be written in any case; the token may not.
        if scheme.lower() == b"bearer" and hmac.compare_digest(brought.strip(), self._wanted):
            await self._app(scope, receive, send)
            return
        from airflow_mlops.serving.answers import refusal

        wrong = RequestRefused(
            "this server needs a token: send the header 'Authorization: Bearer TOKEN'.", status=401, kind="no_token"
        )
        await refusal(wrong, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)
