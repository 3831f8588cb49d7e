"""What a person wants to know before a spec is deployed, beyond what loading it refuses."""

from __future__ import annotations

import inspect
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_mlops.spec import (
    approval_rules,
    gate_rules,
    ingest_rules,
    loop_rules,
    notify_rules,
    policy_rules,
    source_rules,
)
from airflow_mlops.spec.behaviour_file import lint_behaviour
from airflow_mlops.spec.durations import format_duration
from airflow_mlops.spec.gate_sections import FEWEST_BLOCKS
from airflow_mlops.spec.imports import NotImportable, import_object
from airflow_mlops.spec.load import examine, shown
from airflow_mlops.spec.rules import close_match
from airflow_mlops.spec.suite_file import lint_suite
from airflow_mlops.spec.vocabulary import SHORT_NAMES, estimator_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_mlops.spec.data_sections import Source
    from airflow_mlops.spec.document import Document, Finding
    from airflow_mlops.spec.rules import Location
    from airflow_mlops.spec.sections import ModelSpec

    Found = tuple[str, Location, str]
    Roots = tuple[Path, ...]
    Check = Callable[[ModelSpec, Roots], Iterator[Found]]


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
    examined = examine(path)
    document, spec, findings = examined.document, examined.spec, list(examined.faults)
    if document is None or spec is None:
        return findings
    roots = (document.path.parent.absolute().parent, document.path.parent.absolute())
    for check, needs in _CHECKS:
        if needs <= examined.sound:
            findings += [document.finding(*found) for found in check(spec, roots)]
    if "validate" in examined.sound:
        findings += _suite(document, spec)
    if {"evaluate", "features"} <= examined.sound:
        findings += _behaviour(document, spec)
    return sorted(findings, key=lambda finding: (finding.path, finding.line, finding.column, finding.key))


def _sources(spec: ModelSpec, roots: Roots) -> Iterator[Found]:
    yield from _source(spec.data.source, ("data", "source"), roots)
    if spec.data.labels:
        yield from _source(spec.data.labels.source, ("data", "labels", "source"), roots)


def _source(source: Source, at: Location, roots: Roots) -> Iterator[Found]:
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
    yield from _call(function, source.path, source.params, at, always=("start", "end"))


def _transformer(spec: ModelSpec, roots: Roots) -> Iterator[Found]:
    yield from _made_by(spec.features.transformer, spec.features.params, ("features", "transformer"), roots)


def _estimator(spec: ModelSpec, roots: Roots) -> Iterator[Found]:
    name, at = spec.train.estimator, ("train", "estimator")
    path = estimator_path(name, spec.task)
    if "." not in path:
        known = ", ".join(SHORT_NAMES)
        yield "error", at, f"found {name!r}, expected an import path or one of {known}{close_match(name, SHORT_NAMES)}"
        return
    if name in SHORT_NAMES and not spec.train.params:
        return  # what it stands for exists, takes weights, and takes a second or two to import
    if name in SHORT_NAMES and not _has_sklearn():
        yield "warning", ("train", "params"), "not checked: scikit-learn is not installed here"
        return
    yield from _made_by(path, spec.train.params, at, roots)
    try:
        estimator = import_object(path, roots=roots)
    except NotImportable:
        return  # named just above
    yield from _weighing(spec, estimator, path)
    yield from _saying_how_sure(spec, estimator, path)


def _weighing(spec: ModelSpec, estimator: Any, path: str) -> Iterator[Found]:
    fit = getattr(estimator, "fit", None)
    if fit is None or "sample_weight" in inspect.signature(fit).parameters:
        return
    for at, window in policy_rules.windows_of(spec):
        if window == "mix":
            yield (
                "error",
                at,
                f"'mix' weighs rows, but {path}.fit takes no sample_weight; choose all or recent, or another estimator",
            )


def _saying_how_sure(spec: ModelSpec, estimator: Any, path: str) -> Iterator[Found]:
    """Check that classes come with probabilities, where versions answer together or are corrected."""
    if spec.task == "regression" or not isinstance(estimator, type) or hasattr(estimator, "predict_proba"):
        return
    for key in ("policy", "shadow"):
        policy = getattr(spec.retrain, key)
        if policy is not None and policy.kind in policy_rules.VERSIONS:
            yield (
                "error",
                ("retrain", key, "kind"),
                f"{policy.kind!r} compares, joins and corrects probabilities, but {path} has no predict_proba; choose "
                "another estimator, or kind excess_loss",
            )


def _metrics(spec: ModelSpec, roots: Roots) -> Iterator[Found]:
    if not spec.evaluate.metrics:
        return
    if not _has_sklearn():
        yield "warning", ("evaluate", "metrics"), "not checked: scikit-learn is not installed here"
        return
    from sklearn.metrics import get_scorer_names

    known = get_scorer_names()
    for index, name in enumerate(spec.evaluate.metrics):
        if name not in known:
            at = ("evaluate", "metrics", index)
            yield (
                "error",
                at,
                f"found {name!r}, expected the name of a scorer of scikit-learn{close_match(name, known)}",
            )


def _without_suite(spec: ModelSpec, roots: Roots) -> Iterator[Found]:
    if spec.validate_.suite is None:
        yield "warning", ("validate",), "no suite: only the checks that every model gets; draft one by suggest-suite"


def _holdout_with_labels(spec: ModelSpec, roots: Roots) -> Iterator[Found]:
    """Warn where labels come so late that the holdout has too few blocks of time with any."""
    block, delay = spec.evaluate.gate.block, spec.data.label_delay
    if block and delay and spec.evaluate.holdout - delay <= (FEWEST_BLOCKS - 1) * block:
        yield (
            "warning",
            ("evaluate", "holdout"),
            f"of {format_duration(spec.evaluate.holdout)} held out the last {format_duration(delay)} have no labels "
            f"yet (data.label_delay), and what is left is fewer than {FEWEST_BLOCKS} blocks of "
            f"{format_duration(block)} (evaluate.gate.block): the gate would refuse "
            "every challenger; hold out more, or shorten the block",
        )


def _fixed_moment(spec: ModelSpec, roots: Roots) -> Iterator[Found]:
    if spec.retrain.now:
        moment = spec.retrain.now.isoformat()
        yield (
            "warning",
            ("retrain", "now"),
            f"every run stands at {moment} unless told otherwise; leave it out in production",
        )


# Each with the sections that have to be without faults.
_CHECKS: tuple[tuple[Check, set[str]], ...] = (
    (_sources, {"data"}),
    (source_rules.odd_lakes, {"data", "ingest"}),
    (_transformer, {"features"}),
    (_estimator, {"task", "train", "retrain"}),
    (_metrics, {"evaluate"}),
    (_without_suite, {"validate"}),
    (_holdout_with_labels, {"data", "ingest", "evaluate"}),
    (_fixed_moment, {"retrain"}),
    (ingest_rules.never_late, {"ingest"}),
    (loop_rules.quality_of_what, {"data", "deploy", "monitor"}),
    (loop_rules.rows_between_looks, {"ingest", "monitor"}),
    (loop_rules.overlapping_looks, {"ingest", "monitor", "retrain"}),
    (loop_rules.nobody_looks, {"monitor", "retrain"}),
    (loop_rules.nobody_asks, {"retrain"}),
    (policy_rules.nobody_trains, {"retrain"}),
    (approval_rules.nobody_is_asked, {"approval"}),
    (notify_rules.notifiers, {"notify"}),
    (notify_rules.tells_nobody_of_changes, {"approval", "notify"}),
    (gate_rules.strangers, {"data", "features", "evaluate"}),
)


def _made_by(path: str, params: dict[str, Any], at: Location, roots: Roots) -> Iterator[Found]:
    """Check that a class or function exists and takes the parameters the spec gives it."""
    try:
        maker = import_object(path, roots=roots)
    except NotImportable as error:
        yield "error", at, str(error)
        return
    if not callable(maker):
        yield "error", at, f"{path} is a {type(maker).__name__}, not something that can be called"
        return
    yield from _call(maker, path, params, at[:1])


def _call(
    function: Any, path: str, params: dict[str, Any], section: Location, *, always: tuple[str, ...] = ()
) -> Iterator[Found]:
    if not callable(function):
        yield "error", (*section, "path"), f"{path} is a {type(function).__name__}, not a function"
        return
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:
        return  # written in C without a signature
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in (*always, *params):
        if name in parameters:
            continue
        near = close_match(name, parameters) or f"; it takes {', '.join(parameters) or 'nothing'}"
        if name in params:
            found = shown(params[name], name)
            yield "error", (*section, "params", name), f"{path} takes no {name!r}{near} (found {found})"
        else:
            yield "error", (*section, "path"), f"{path} takes no {name!r}{near}"


def _has_sklearn() -> bool:
    return find_spec("sklearn") is not None


def _suite(document: Document, spec: ModelSpec) -> list[Finding]:
    if spec.validate_.suite is None:
        return []
    file = spec.base_dir / spec.validate_.suite
    return lint_suite(file) if file.is_file() else [_no_file(document, spec, file, ("validate", "suite"))]


def _behaviour(document: Document, spec: ModelSpec) -> list[Finding]:
    if spec.evaluate.gate.behaviour is None:
        return []
    file = spec.base_dir / spec.evaluate.gate.behaviour
    if file.is_file():
        return lint_behaviour(file, spec.features.columns)
    return [_no_file(document, spec, file, ("evaluate", "gate", "behaviour"))]


def _no_file(document: Document, spec: ModelSpec, file: Path, at: Location) -> Finding:
    beside = [item.name for item in sorted(spec.base_dir.iterdir()) if item.is_file() and item != document.path]
    message = f"there is no file {file.name!r} beside the spec{close_match(file.name, beside)}"
    return document.finding("error", at, message)
