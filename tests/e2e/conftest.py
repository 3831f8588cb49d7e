"""A whole Airflow and MLflow of their own, on free ports, in a folder that goes away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_mlops.demo.airflow_api import AirflowApi
from airflow_mlops.demo.services import Stack
from airflow_mlops.demo.settings import USER, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def start_stack(tmp_path_factory) -> Iterator[Callable[..., Stack]]:
    """Start a stack; what was started is stopped when the module's tests are done."""
    started = []

    def start(*, dags: Path = ROOT / "dags", **options: str) -> Stack:
        settings = Settings.make(tmp_path_factory.mktemp("stack"), dags, preferred=(0, 0, 0), extra=options)
        started.append(Stack(settings))
        started[-1].start(lambda _: None)
        return started[-1]

    yield start
    for stack in started:
        stack.stop()


@pytest.fixture(scope="session")
def api_of() -> Callable[[Stack], AirflowApi]:
    """Log in to a stack's Airflow."""
    return lambda stack: AirflowApi(stack.settings.airflow_url, username=USER, password=stack.settings.password)
