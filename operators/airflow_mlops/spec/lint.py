"""What a person wants to know before a spec is deployed, beyond what loading it refuses."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from airflow_mlops.spec.imports import NotImportable, import_object
from airflow_mlops.spec.load import examine
from airflow_mlops.spec.rules import close_match
from airflow_mlops.spec.suite_file import lint_suite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_mlops.spec.document import Document, Finding
    from airflow_mlops.spec.rules import Location
    from airflow_mlops.spec.sections import ModelSpec, Source

SHORT_NAMES = ("hist_gradient_boosting", "linear", "random_forest")
"""Estimators that *train* knows by a word; each takes ``sample_weight``."""


def lint(path: str | Path) -> list[Finding]:
    """Check a spec file and everything it names.

    Functions and classes the spec names are imported, which loading a spec never does.

    Parameters
    ----------
    path : str or Path
        The YAML file.

    Returns
    -------
    list of Finding
        Errors, which stop the spec from being used, and warnings; by line.
    """
    document, spec, faults = examine(path)
    if document is None or spec is None:
        return faults
    findings = [document.finding(*found) for found in _checks(document, spec)]
    findings += _suite(document, spec)
    return sorted(findings, key=lambda finding: (finding.path, finding.line, finding.column, finding.key))


def _checks(document: Document, spec: ModelSpec) -> Iterator[tuple[str, Location, str]]:
    roots = (document.path.parent.absolute().parent, document.path.parent.absolute())
    yield from _source(spec.data.source, ("data", "source"), roots)
    if spec.data.labels:
        yield from _source(spec.data.labels.source, ("data", "labels", "source"), roots)
    yield from _made_by(spec.features.transformer, spec.features.params, ("features", "transformer"), roots)
    yield from _estimator(spec, roots)
    if spec.validate_.suite is None:
        yield "warning", ("validate",), "no suite: only the checks that every model gets; draft one by suggest-suite"
    if spec.retrain.now:
        at = ("retrain", "now")
        yield (
            "warning",
            at,
            f"every run stands at {spec.retrain.now.isoformat()} unless told otherwise; leave it out in production",
        )


def _source(source: Source, at: Location, roots: tuple[Path, ...]) -> Iterator[tuple[str, Location, str]]:
    if source.kind == "sql":
        for name in ("start", "end"):
            if not re.search(rf":{name}\b", source.query):
                yield (
                    "warning",
                    (*at, "query"),
                    f"':{name}' is not in the query: each run reads more rows than its window",
                )
    if source.kind != "callable":
        return
    try:
        function = import_object(source.path, roots=roots)
    except NotImportable as error:
        yield "error", (*at, "path"), str(error)
        return
    yield from _call(function, source.path, {"start": None, "end": None, **source.params}, (*at, "path"))


def _estimator(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[tuple[str, Location, str]]:
    name, at = spec.train.estimator, ("train", "estimator")
    if "." not in name:
        if name not in SHORT_NAMES:
            known = ", ".join(SHORT_NAMES)
            yield (
                "error",
                at,
                f"found {name!r}, expected an import path or one of {known}{close_match(name, SHORT_NAMES)}",
            )
        return
    yield from _made_by(name, spec.train.params, at, roots)
    try:
        estimator = import_object(name, roots=roots)
    except NotImportable:
        return  # named just above
    fit = getattr(estimator, "fit", None)
    if spec.train.window == "mix" and fit is not None and "sample_weight" not in inspect.signature(fit).parameters:
        yield (
            "error",
            ("train", "window"),
            f"'mix' weighs rows, but {name}.fit takes no sample_weight; choose all or recent, or another estimator",
        )


def _made_by(
    path: str, params: dict[str, Any], at: Location, roots: tuple[Path, ...]
) -> Iterator[tuple[str, Location, str]]:
    """Check that a class or function exists and takes the parameters the spec gives it."""
    try:
        maker = import_object(path, roots=roots)
    except NotImportable as error:
        yield "error", at, str(error)
        return
    if not callable(maker):
        yield "error", at, f"{path} is a {type(maker).__name__}, not something that can be called"
        return
    yield from _call(maker, path, params, (at[0], "params"), each=True)


def _call(
    function: Any, path: str, arguments: dict[str, Any], at: Location, *, each: bool = False
) -> Iterator[tuple[str, Location, str]]:
    if not callable(function):
        yield "error", at, f"{path} is a {type(function).__name__}, not a function"
        return
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in arguments:
        if name not in parameters:
            place = (*at, name) if each else at
            near = close_match(name, parameters) or f"; it takes {', '.join(parameters) or 'nothing'}"
            yield "error", place, f"{path} takes no {name!r}{near}"


def _suite(document: Document, spec: ModelSpec) -> list[Finding]:
    if spec.validate_.suite is None:
        return []
    file = spec.base_dir / spec.validate_.suite
    if file.is_file():
        return lint_suite(file)
    beside = [item.name for item in sorted(spec.base_dir.iterdir()) if item.is_file() and item != document.path]
    message = f"there is no file {file.name!r} beside the spec{close_match(file.name, beside)}"
    return [document.finding("error", ("validate", "suite"), message)]
