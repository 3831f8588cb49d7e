"""The plugin, loaded by its entry point in every process of Airflow; so it imports next to nothing."""

from __future__ import annotations

from functools import cached_property
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from fastapi import FastAPI

    Message = MutableMapping[str, Any]

# After the start of a server it has more to do than notes.
_CALM_S = 10.0


class LazyApp:
    """ASGI application that is built once an API server is up, or by its first request; elsewhere it never is."""

    @cached_property
    def app(self) -> FastAPI:
        """The application itself."""
        from airflow_mlops.ui.app import make_app

        return make_app()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        await self.app(scope, receive, send)


class RunNotesMiddleware:
    """Has notes written beside runs for as long as an API server is up.

    Airflow starts and stops only what is a FastAPI application itself, which would have to be imported in every process
    of Airflow. A middleware sees each process of the server start and stop too, and lets everything through.

    Parameters
    ----------
    app : callable
        What answers.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Pass one request on; that of start and stop with the notes being written meanwhile."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        stop = Event()
        Thread(target=_work_beside, args=(stop,), name="mlops-run-notes", daemon=True).start()
        try:
            await self._app(scope, receive, send)
        finally:
            stop.set()


_app = LazyApp()


def _work_beside(stop: Event) -> None:
    # The server's start is not held up by an import, and the first page is not either.
    if stop.wait(_CALM_S):
        return
    from airflow_mlops.ui.run_notes import write_until

    _ = _app.app
    write_until(stop)


class MLOpsPlugin(AirflowPlugin):
    """Pages of airflow-provider-mlops."""

    name = "mlops"
    # Airflow takes these as plain lists, as its base declares them; it asks for them below its own address.
    react_apps = [  # noqa: RUF012
        {
            "name": "Models",
            "bundle_url": "mlops/static/main.js",
            "destination": "nav",
            "url_route": "models",
            "nav_top_level": True,
            "icon": "mlops/static/icon.svg",
            "icon_dark_mode": "mlops/static/icon_dark.svg",
        },
        {
            "name": "Model",
            "bundle_url": "mlops/static/dag_tab.js",
            "destination": "dag",
            "url_route": "model",
            "icon": "mlops/static/icon.svg",
            "icon_dark_mode": "mlops/static/icon_dark.svg",
        },
    ]
    fastapi_apps = [{"app": _app, "url_prefix": "/mlops", "name": "mlops"}]  # noqa: RUF012
    fastapi_root_middlewares = [{"middleware": RunNotesMiddleware, "name": "mlops run notes"}]  # noqa: RUF012
