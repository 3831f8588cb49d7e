"""A policy in a file of its own, to be compared with a spec's: checked as the spec's own would be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from airflow_mlops.errors import SpecError
from airflow_mlops.spec.document import Document, Finding, Unreadable
from airflow_mlops.spec.load import examine_document, load_spec, report
from airflow_mlops.spec.rules import close_match

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import Policy


def load_policy(path: str | Path, spec: ModelSpec) -> Policy:
    """Load a policy: a file with the one key ``policy``, or a whole spec, whose ``retrain.policy`` is taken.

    Parameters
    ----------
    path : str or Path
        The YAML file.
    spec : ModelSpec
        The model it is for: rules over several sections are checked with it.

    Raises
    ------
    SpecError
        The file is missing, is not YAML, holds something else, or has faults; all of them are listed, one a line.
    """
    try:
        document = Document.read(path)
    except Unreadable as error:
        raise _unreadable(str(path), error) from error
    if {"retrain", "name", "data"} & document.value.keys() and "policy" not in document.value:
        return load_spec(path).retrain.policy
    return _policy_of(document, spec)


def parse_policy(text: str, spec: ModelSpec, *, name: str = "policy") -> Policy:
    """Read a policy off a text with the one key ``policy``.

    Raises
    ------
    SpecError
        As `load_policy`.
    """
    try:
        return _policy_of(Document.parse(text, Path(name)), spec)
    except Unreadable as error:
        raise _unreadable(name, error) from error


def _policy_of(document: Document, spec: ModelSpec) -> Policy:
    faults = [
        document.finding("error", (key,), _unknown(key), at_key=True) for key in document.value if key != "policy"
    ]
    if "policy" not in document.value:
        faults.append(document.finding("error", (), "has no key 'policy'; write policy: {kind: ..}, or name a spec"))
    if faults:
        raise SpecError(report(faults), faults=faults)
    examined = examine_document(_in_place(document, spec))
    if examined.spec is None or examined.faults:
        raise SpecError(report(examined.faults), faults=examined.faults)
    return examined.spec.retrain.policy


def _in_place(document: Document, spec: ModelSpec) -> Document:
    """Put the policy where the spec has its own, with the lines of its file."""
    plain: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    # Without the spec's shadow: that one may be compared with as well.
    around = {key: value for key, value in plain.get("retrain", {}).items() if key != "shadow"}
    plain["retrain"] = {**around, "policy": document.value["policy"]}
    root = document.root
    key = yaml.ScalarNode("tag:yaml.org,2002:str", "retrain", root.start_mark, root.start_mark)
    inside = yaml.MappingNode("tag:yaml.org,2002:map", root.value, root.start_mark, root.end_mark)
    return Document(
        document.path,
        plain,
        yaml.MappingNode("tag:yaml.org,2002:map", [(key, inside)], root.start_mark, root.end_mark),
    )


def _unknown(key: str) -> str:
    near = close_match(key, ["policy"])
    return f"unknown key{near}; a policy file has the one key 'policy', or is a whole spec"


def _unreadable(path: str, error: Unreadable) -> SpecError:
    fault = Finding("error", path, error.place.line, error.place.column, "", str(error))
    return SpecError(str(fault), faults=[fault])
