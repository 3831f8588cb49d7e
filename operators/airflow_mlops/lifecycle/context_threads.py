"""Threads that see what their caller has bound."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future


class ContextThreads(ThreadPoolExecutor):
    """Threads that see the context variables of whoever gives them work.

    MLflow downloads a folder in threads of its own, where a connection's credentials would not be bound.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` in a copy of the caller's context."""
        return super().submit(copy_context().run, fn, *args, **kwargs)
