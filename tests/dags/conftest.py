"""DAGs run in this process, with artifacts, ledger and MLflow in a folder of the session."""

from __future__ import annotations

import pytest

from tests.chain import Chain


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """The folder that DAGs of this session write to."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def airflow_home(airflow_db, home):
    """An Airflow whose artifacts and MLflow are in `home`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", str(home / "artifacts"))
        for name, value in Chain(home).environment.items():
            patch.setenv(name, value)
        yield home
