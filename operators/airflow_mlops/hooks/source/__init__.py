"""Where rows come from: files, SQL connections, Python functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_mlops.hooks.source.hook import SourceHook

__all__ = ["SourceHook"]


def __getattr__(name: str) -> Any:
    """Import the hook when it is asked for: it needs Airflow, and who only reads files does not."""
    if name == "SourceHook":
        from airflow_mlops.hooks.source.hook import SourceHook

        return SourceHook
    raise AttributeError(name)
