"""The flights, for tests that need a training to stand still: a file holds back whoever reads ten days or more."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.demo import flights

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

HOLD = "MLOPS_TEST_HOLD"


def read_flights(start: datetime, end: datetime) -> pa.Table:
    """Wait until the file is gone, then read; a monitor's window is shorter, and never waits."""
    while end - start >= timedelta(days=10) and Path(os.environ[HOLD]).exists():
        time.sleep(0.1)
    return flights.read_flights(start, end)
