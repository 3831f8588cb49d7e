"""The plugin, loaded by its entry point in every process of Airflow; so it imports next to nothing."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from fastapi import FastAPI

    Message = MutableMapping[str, Any]


class LazyApp:
    """ASGI application that is built by its first request, which only an API server ever gets."""

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


class MLOpsPlugin(AirflowPlugin):
    """Pages of airflow-provider-mlops."""

    name = "mlops"
    # Airflow takes these as plain lists, as its base declares them.
    react_apps = [  # noqa: RUF012
        {
            "name": "Models",
            "bundle_url": "/mlops/static/main.js",
            "destination": "nav",
            "url_route": "models",
            "nav_top_level": True,
            "icon": "/mlops/static/icon.svg",
            "icon_dark_mode": "/mlops/static/icon_dark.svg",
        },
        {
            "name": "Model",
            "bundle_url": "/mlops/static/dag_tab.js",
            "destination": "dag",
            "url_route": "model",
            "icon": "/mlops/static/icon.svg",
            "icon_dark_mode": "/mlops/static/icon_dark.svg",
        },
    ]
    fastapi_apps = [{"app": LazyApp(), "url_prefix": "/mlops", "name": "mlops"}]  # noqa: RUF012
