"""From a YAML file to a `ModelSpec`, with faults named by file, line, key and value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from airflow_mlops.errors import SpecError
from airflow_mlops.spec.document import Document, Finding, Unreadable, dotted
from airflow_mlops.spec.rules import broken_rules, close_match
from airflow_mlops.spec.schema import choices_at, homes_of, keys_at
from airflow_mlops.spec.sections import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails


def load_spec(path: str | Path) -> ModelSpec:
    """Load and check one spec file.

    Parameters
    ----------
    path : str or Path
        The YAML file; a suite is looked for beside it.

    Raises
    ------
    SpecError
        The file is missing, is not YAML, or has faults; all of them are listed, one a line.
    """
    _, spec, faults = examine(path)
    if spec is None:
        raise SpecError(report(faults), faults=faults)
    return spec


def spec_files(folder: str | Path) -> list[Path]:
    """Return the spec files of a folder by name: ``*.yaml`` and ``*.yml``, without suites (``*.suite.yaml``)."""
    return sorted(
        file for file in Path(folder).iterdir() if file.suffix in (".yaml", ".yml") and ".suite." not in file.name
    )


def examine(path: str | Path) -> tuple[Document | None, ModelSpec | None, list[Finding]]:
    """Read a file as far as it goes: the document, the spec when it has no fault, and the faults."""
    try:
        document = Document.read(path)
    except Unreadable as error:
        return None, None, [Finding("error", str(path), error.place.line, error.place.column, "", str(error))]
    faults = [
        Finding("error", str(path), place.line, place.column, dotted(key), f"given twice, first on line {first.line}")
        for key, place, first in document.duplicates()
    ]
    try:
        spec = ModelSpec.model_validate(document.value)
    except ValidationError as error:
        faults += [_fault(document, detail) for detail in error.errors(include_url=False)]
        return document, None, _sorted(faults)
    faults += [document.finding("error", location, message) for location, message in broken_rules(spec)]
    if faults:
        return document, None, _sorted(faults)
    spec._base_dir = document.path.parent
    return document, spec, []


def report(findings: Sequence[Finding]) -> str:
    """Write findings as one text: a line when there is one, else a heading and a line each."""
    if len(findings) == 1:
        return str(findings[0])
    return "\n".join([f"{findings[0].path} has {len(findings)} faults:", *(f"  {finding}" for finding in findings)])


def shown(value: Any) -> str:
    """Write a value for a message: short, and without the password of a URI."""
    if isinstance(value, dict):
        return f"a mapping of {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", repr(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _fault(document: Document, detail: ErrorDetails) -> Finding:
    """Turn one fault of pydantic's into ours."""
    location, kind = _without_tags(document.value, detail["loc"]), detail["type"]
    if kind == "extra_forbidden":
        return document.finding("error", location, _unknown_key(document, location), at_key=True)
    if kind == "missing":
        return document.finding("error", location, f"missing{_description(document, location)}", at_key=True)
    if kind == "union_tag_not_found":
        kinds = choices_at(document.value, location)
        return document.finding("error", (*location, "kind"), f"missing; one of {', '.join(kinds)} was expected")
    if kind in ("union_tag_invalid", "literal_error"):
        return _wrong_word(document, location, detail)
    message = detail["msg"].removeprefix("Value error, ")
    if not location:  # a rule over several keys: its sentence starts with the key
        named = re.match(r"[a-z_]+(\.[a-z_]+)*", message)
        location = tuple(named[0].split(".")) if named and named[0].split(".")[0] in document.value else ()
        return document.finding("error", location, message.removeprefix(dotted(location)).strip())
    if kind != "value_error":
        expected = re.sub(r"^Input should be", "expected", message)
        message = f"found {shown(detail['input'])}, {expected[0].lower()}{expected[1:]}"
    return document.finding("error", location, message)


def _wrong_word(document: Document, location: tuple[str | int, ...], detail: ErrorDetails) -> Finding:
    if detail["type"] == "union_tag_invalid":
        location, found = (*location, "kind"), detail["ctx"]["tag"]
        known = _quoted(detail["ctx"]["expected_tags"])
    else:
        found = detail["input"]
        known = choices_at(document.value, location) or _quoted(detail["ctx"]["expected"])
    near = close_match(str(found), known)
    return document.finding("error", location, f"found {shown(found)}, expected one of {', '.join(known)}{near}")


def _unknown_key(document: Document, location: tuple[str | int, ...]) -> str:
    key, known = str(location[-1]), keys_at(document.value, location[:-1])
    near = close_match(key, known)
    if near:
        return f"unknown key{near}"
    homes = homes_of(key)
    if homes:
        return f"unknown key here; it belongs to {' or '.join(homes)}"
    return f"unknown key; known here: {', '.join(known)}"


def _description(document: Document, location: tuple[str | int, ...]) -> str:
    known = keys_at(document.value, location[:-1])
    text = known.get(str(location[-1]), "")
    return f"; expected: {text}" if text else "; this key is required"


def _without_tags(value: Any, location: Sequence[str | int]) -> tuple[str | int, ...]:
    """Drop the words that pydantic puts into a path for the chosen member of a union."""
    path: list[str | int] = []
    for index, step in enumerate(location):
        if isinstance(value, dict) and step not in value and value.get("kind") == step and index + 1 < len(location):
            continue
        path.append(step)
        is_there = isinstance(value, dict) and step in value
        is_item = isinstance(value, list) and isinstance(step, int) and step < len(value)
        value = value[step] if is_there or is_item else None
    return tuple(path)


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _sorted(faults: list[Finding]) -> list[Finding]:
    return sorted(faults, key=lambda fault: (fault.line, fault.column, fault.key))
