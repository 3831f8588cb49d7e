"""A spec as it is kept with what was made by it: all of it, without anything that looks like a secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from airflow_mlops.spec.rules import looks_secret
from airflow_mlops.spec.sections import ModelSpec

HIDDEN = "***"


def spec_record(spec: ModelSpec) -> str:
    """Return a spec as JSON, to be kept and read back by `spec_of_record`.

    It is a text, because the order of its keys counts: derived columns are made, and seen by the estimator, in it. A
    spec with a secret in it is refused where it is read from a file; one made in code has gone by nobody.
    """
    return json.dumps(_without_secrets(spec.model_dump(mode="json", by_alias=True)))


def spec_of_record(record: str, base_dir: Path | None = None) -> ModelSpec:
    """Read a kept spec back; its own modules are looked for in ``base_dir``."""
    spec = ModelSpec.model_validate_json(record)
    spec._base_dir = base_dir or Path()
    return spec


def _without_secrets(record: dict[str, Any]) -> dict[str, Any]:
    """Look where a secret can stand: in where rows come from, and in parameters. Column names may be any words."""
    data = record["data"]
    sections = [data["source"], *([data["labels"]["source"]] if data.get("labels") else [])]
    for source in sections:
        source.update({key: _hidden(value) for key, value in source.items() if key in ("uri", "options", "params")})
    for section in ("features", "train"):
        record[section]["params"] = _hidden(record[section]["params"])
    return record


def _hidden(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _hidden(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item, key) for item in value]
    if key and looks_secret(key):
        return HIDDEN
    if not isinstance(value, str) or "://" not in value:
        return value
    plain = re.sub(r"(://[^:/@\s]*):[^@\s]*@", rf"\1:{HIDDEN}@", value)
    return re.sub(r"([?&])([^=&]+)=[^&]*", lambda part: part[0] if not looks_secret(part[2]) else _masked(part), plain)


def _masked(part: re.Match[str]) -> str:
    return f"{part[1]}{part[2]}={HIDDEN}"
