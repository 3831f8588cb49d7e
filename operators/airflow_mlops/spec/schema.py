"""The JSON Schema of a spec: for editors, and for what an error message proposes."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_mlops.spec.sections import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Sequence


@cache
def spec_schema() -> dict[str, Any]:
    """Return the schema, draft 2020-12."""
    schema = ModelSpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Model spec", **schema}


def schema_text() -> str:
    """Write the schema as the file beside the specs holds it."""
    return json.dumps(spec_schema(), indent=2) + "\n"


def keys_at(value: Any, location: Sequence[str | int]) -> dict[str, str]:
    """Return the keys a section may hold, each with its description.

    Parameters
    ----------
    value : dict
        The whole document: a section that is a choice among kinds is told by its ``kind``.
    location : sequence
        Path of the section.
    """
    properties = _section_at(value, location).get("properties", {})
    return {name: _resolve(item).get("description", "") for name, item in properties.items()}


def choices_at(value: Any, location: Sequence[str | int]) -> list[str]:
    """Return the words a key may have, or the kinds a section may be, or nothing where there is no choice."""
    node = _section_at(value, location)
    return [str(word) for word in node.get("enum", node.get("discriminator", {}).get("mapping", []))]


def kinds_with(location: Sequence[str | int], key: str) -> list[str]:
    """Return the kinds of a section that take a key, where the section is a choice among kinds."""
    mapping = _section_at({}, location).get("discriminator", {}).get("mapping", {})
    return [kind for kind, reference in mapping.items() if key in _definition(reference).get("properties", {})]


def homes_of(key: str) -> list[str]:
    """Return the sections that hold a key, in the order of the spec."""
    found = []
    for section, node in spec_schema()["properties"].items():
        if key in _resolve(node).get("properties", {}):
            found.append(f"{section}.{key}")
    return found


def _section_at(value: Any, location: Sequence[str | int]) -> dict[str, Any]:
    node: dict[str, Any] = spec_schema()
    for step in location:
        is_there = isinstance(value, dict) or (isinstance(value, list) and isinstance(step, int) and step < len(value))
        value = (value.get(step) if isinstance(value, dict) else value[step]) if is_there else None
        inner = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
        node = _chosen(_resolve(inner), value)
    return node


def _chosen(node: dict[str, Any], value: Any) -> dict[str, Any]:
    """Follow a choice among kinds to the one that is written, and one among rules to the form that is."""
    mapping = node.get("discriminator", {}).get("mapping", {})
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind in mapping:
        return _definition(mapping[kind])
    forms = [_definition(form["$ref"]) for form in node.get("oneOf", []) if not mapping]
    return next((form for form in forms if isinstance(value, dict) and form["properties"].keys() & value), node)


def _resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, also through ``anyOf [x, null]``; the description of the key stays."""
    target = node
    if "anyOf" in node:
        target = next((item for item in node["anyOf"] if item.get("type") != "null"), node)
    if "$ref" in target:
        target = _definition(target["$ref"])
    described = {"description": node["description"]} if "description" in node else {}
    return {**target, **described}


def _definition(reference: str) -> dict[str, Any]:
    return spec_schema()["$defs"][reference.removeprefix("#/$defs/")]
