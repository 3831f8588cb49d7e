"""Where rows come from: files, SQL connections, Python functions."""

from airflow_mlops.hooks.source.hook import SourceHook

__all__ = ["SourceHook"]
