"""From a YAML file to a `ModelSpec`, with faults named by file, line, key and value."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from airflow_mlops.errors import SpecError
from airflow_mlops.spec.document import Document, Finding, Unreadable, dotted
from airflow_mlops.spec.rule_sections import form_of
from airflow_mlops.spec.rules import broken_rules, close_match, looks_secret
from airflow_mlops.spec.schema import choices_at, homes_of, keys_at, kinds_with
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
    examined = examine(path)
    if examined.spec is None or examined.faults:
        raise SpecError(report(examined.faults), faults=examined.faults)
    return examined.spec


def spec_files(folder: str | Path) -> list[Path]:
    """Return the spec files of a folder by name: ``*.yaml`` and ``*.yml``, without suites (``*.suite.yaml``)."""
    return sorted(
        file for file in Path(folder).iterdir() if file.suffix in (".yaml", ".yml") and ".suite." not in file.name
    )


@dataclass(frozen=True, slots=True)
class Examined:
    """A file as far as it could be read.

    Attributes
    ----------
    document : Document or None
        None where the file is no YAML mapping.
    spec : ModelSpec or None
        To be relied on in its sound sections only.
    sound : frozenset of str
        Top-level keys without faults of their own, those left out included.
    faults : list of Finding
        By line; without any, the whole spec is sound.
    """

    document: Document | None
    spec: ModelSpec | None
    sound: frozenset[str]
    faults: list[Finding]


def examine(path: str | Path) -> Examined:
    """Read a file as far as it goes, so that one run names the faults of every section."""
    try:
        document = Document.read(path)
    except Unreadable as error:
        fault = Finding("error", str(path), error.place.line, error.place.column, "", str(error))
        return Examined(None, None, frozenset(), [fault])
    return examine_document(document)


def examine_document(document: Document) -> Examined:
    """Do what `examine` does with what was read already."""
    path = document.path
    faults = [
        Finding("error", str(path), place.line, place.column, dotted(key), f"given twice, first on line {first.line}")
        for key, place, first in document.duplicates()
    ]
    unsound: set[str | int] = set()
    try:
        spec = ModelSpec.model_validate(document.value)
    except ValidationError as error:
        details = [detail for detail in error.errors(include_url=False) if not _follows(detail)]
        faults += [_fault(document, detail) for detail in details]
        spec, unsound = _sound_part(document.value, details)
    spec._base_dir, spec._file_name = document.path.parent, document.path.name
    sound = frozenset(_section_types().keys() - unsound)
    faults += [document.finding("error", location, message) for location, message in broken_rules(spec, sound)]
    return Examined(document, spec, sound, _sorted(faults))


def report(findings: Sequence[Finding]) -> str:
    """Write findings as one text: a line when there is one, else a heading and a line each."""
    if len(findings) == 1:
        return str(findings[0])
    return "\n".join([f"{findings[0].path} has {len(findings)} faults:", *(f"  {finding}" for finding in findings)])


def shown(value: Any, key: str = "") -> str:
    """Write a value for a message: short, and not where it, or its key, looks like a secret."""
    if isinstance(value, dict):
        return f"a mapping of {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", repr(value))
    if looks_secret(key) or looks_secret(text):
        return "what looks like a secret"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _sound_part(value: dict[str, Any], details: Sequence[ErrorDetails]) -> tuple[ModelSpec, set[str | int]]:
    """Make a spec of the sections without faults, and name the others; an unknown key is left out and harms none."""
    kept, unsound = deepcopy(value), set[str | int]()
    for detail in details:
        location = _without_tags(value, detail["loc"])
        if detail["type"] == "extra_forbidden":
            _value_at(kept, location[:-1]).pop(location[-1], None)  # by a YAML alias it may be gone already
        else:
            unsound.update(location[:1])
    sections = {}
    for key in _section_types().keys() & kept.keys() - unsound:
        try:
            sections[key] = TypeAdapter(_section_types()[key]).validate_python(kept[key])
        except ValidationError:  # without the unknown key another one is missing
            unsound.add(key)
    return ModelSpec.model_construct(**sections), unsound


def _section_types() -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in ModelSpec.model_fields.items()}


def _value_at(value: Any, location: Sequence[str | int]) -> Any:
    for step in location:
        value = value[step]
    return value


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
    if kind in ("model_type", "model_attributes_type"):
        found = shown(detail["input"], str(location[-1]) if location else "")
        return document.finding(
            "error", location, f"found {found}, expected a mapping of keys{_kinds(document, location)}"
        )
    message = detail["msg"].removeprefix("Value error, ")
    if not location:  # a rule over several keys: its sentence starts with the key
        named = re.match(r"[a-z_]+(\.[a-z_]+)*", message)
        location = tuple(named[0].split(".")) if named and named[0].split(".")[0] in document.value else ()
        return document.finding("error", location, message.removeprefix(dotted(location)).strip())
    if kind != "value_error":
        expected = re.sub(r"^Input should be", "expected", message)
        message = f"found {shown(detail['input'], str(location[-1]))}, {expected[0].lower()}{expected[1:]}"
    return document.finding("error", location, message)


def _kinds(document: Document, location: tuple[str | int, ...]) -> str:
    """Name the kinds of a section that is a choice among them."""
    kinds = choices_at(document.value, location)
    return f", such as {{kind: {kinds[0]}}}" if kinds else ""


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
    found = f" (found {shown(_value_at(document.value, location), key)})"
    near = close_match(key, known)
    if near:
        return f"unknown key{near}{found}"
    kinds = kinds_with(location[:-1], key)
    if kinds:
        return f"unknown key of this kind; kind {' or '.join(map(repr, kinds))} takes it{found}"
    homes = homes_of(key)
    if homes:
        return f"unknown key here; it belongs to {' or '.join(homes)}{found}"
    return f"unknown key; known here: {', '.join(known)}{found}"


def _description(document: Document, location: tuple[str | int, ...]) -> str:
    known = keys_at(document.value, location[:-1])
    text = known.get(str(location[-1]), "")
    return f"; expected: {text}" if text else "; this key is required"


def _without_tags(value: Any, location: Sequence[str | int]) -> tuple[str | int, ...]:
    """Drop the words that pydantic puts into a path for the chosen member of a union."""
    path: list[str | int] = []
    is_entered = False
    for index, step in enumerate(location):
        is_last = index + 1 == len(location)
        if isinstance(value, dict) and step not in value and value.get("kind") == step and not is_last:
            continue
        # A form of a rule and its key may be one word: the first is the form.
        if not is_entered and form_of(value) == step and not (is_last and step in value):
            is_entered = True
            continue
        path.append(step)
        is_there = isinstance(value, dict) and step in value
        is_item = isinstance(value, list) and isinstance(step, int) and step < len(value)
        value, is_entered = (value[step] if is_there or is_item else None), False
    return tuple(path)


def _follows(detail: ErrorDetails) -> bool:
    """Tell whether a fault only follows from another: a list of which pydantic took out what was wrong in it."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _sorted(faults: list[Finding]) -> list[Finding]:
    return sorted(faults, key=lambda fault: (fault.line, fault.column, fault.key))
