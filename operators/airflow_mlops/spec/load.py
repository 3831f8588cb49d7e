"""From a YAML file to a `ModelSpec`, with faults named by file, line, key and value."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from airflow_mlops.errors import SpecError
from airflow_mlops.spec.sections import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_spec(path: str | Path) -> ModelSpec:
    """Load and check one spec file.

    Raises
    ------
    SpecError
        The file is missing, is not YAML, or has faults; all of them are listed, one a line.
    """
    raise NotImplementedError


