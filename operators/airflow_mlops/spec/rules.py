"""Rules over several keys of a spec: cheap, without I/O, and applied each time a spec is loaded."""

from __future__ import annotations

import ast
import difflib
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from airflow_mlops.spec import (
    approval_rules,
    gate_rules,
    ingest_rules,
    loop_rules,
    notify_rules,
    policy_rules,
    source_rules,
)
from airflow_mlops.spec.durations import format_duration
from airflow_mlops.spec.gate_sections import FEWEST_BLOCKS
from airflow_mlops.spec.vocabulary import LOSSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set

    from airflow_mlops.spec.sections import ModelSpec

Location = tuple[str | int, ...]
Broken = tuple[Location, str]
"""Where, and what is wrong there."""

_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|signature|(api|access|account|private|shared).?key|^sig$|^pwd$",
    re.IGNORECASE,
)

# What `DataFrame.eval` knows besides columns.
_EVAL_FUNCTIONS = {
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
    *("exp", "expm1", "log", "log1p", "log10", "sqrt", "abs", "arctan2", "floor", "ceil", "True", "False", "None"),
}


def broken_rules(spec: ModelSpec, sound: Set[str]) -> Iterator[Broken]:
    """Yield every rule that a spec breaks, each with its place.

    Parameters
    ----------
    spec : ModelSpec
        To be relied on in its sound sections only.
    sound : set of str
        Sections without faults of their own; a rule over any other is left for when that one is mended.
    """
    rules = (
        (_derivations, {"features"}),
        (_columns, {"features"}),
        (_slices, {"features", "evaluate"}),
        (_sensitive, {"data", "evaluate", "drift"}),
        (_thresholds, {"features", "drift"}),
        (_accepted, {"data", "validate", "features", "evaluate"}),
        (_lengths, {"data", "ingest", "evaluate"}),
        (ingest_rules.parts, {"ingest"}),
        (_gate_metric, {"task", "evaluate"}),
        (gate_rules.paired_test, {"task", "evaluate"}),
        (gate_rules.groups, {"task", "evaluate"}),
        (gate_rules.guards, {"task", "evaluate"}),
        (_secrets, {"data"}),
        (source_rules.lakes, {"data", "ingest"}),
        (_secret_params, {"features", "train"}),
        (approval_rules.sensitive_features, {"data", "features", "approval"}),
        (approval_rules.four_eyes, {"approval"}),
        (notify_rules.secrets, {"notify"}),
        (loop_rules.labels, {"data"}),
        (loop_rules.server, {"deploy"}),
        (loop_rules.prediction_log, {"data", "deploy", "monitor"}),
        (loop_rules.scores, {"data"}),
        (loop_rules.looks, {"name", "monitor", "score"}),
        (policy_rules.policies, {"retrain"}),
        (policy_rules.cooldowns, {"ingest", "monitor", "retrain"}),
    )
    for rule, needs in rules:
        if needs <= sound:
            yield from rule(spec)


def close_match(word: str, known: Iterable[str]) -> str:
    """Write ``; did you mean 'x'?``, or nothing when no known word is near."""
    # Case is forgiven first: "Recent" is nearer to "recent" than a ratio of letters says.
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=0.6)
    return f"; did you mean {lower[near[0]]!r}?" if near else ""


def looks_secret(text: str) -> bool:
    """Tell whether any word of a text is one that secrets go by."""
    return any(_SECRET.search(word) for word in re.findall(r"[\w.-]+", text))


def _derivations(spec: ModelSpec) -> Iterator[Broken]:
    columns = spec.features.columns
    for name, expression in spec.features.derive.items():
        at = ("features", "derive", name)
        if name in columns:
            yield at, f"{name!r} is a raw column too; give the derived column a name of its own"
        try:
            used = _names(expression)
        except SyntaxError as error:
            yield at, f"{expression!r} is not an expression ({error.msg}); write one over columns, such as 'a // 100'"
            continue
        for unknown in sorted(used - set(columns)):
            yield (
                at,
                f"{expression!r} uses {unknown!r}, which is not in features.columns{close_match(unknown, columns)}",
            )


def _names(expression: str) -> set[str]:
    """Return the columns an expression reads; a column in backticks counts as its name."""
    quoted = re.findall(r"`([^`]+)`", expression)
    if "@" in expression:
        raise SyntaxError("'@' names a Python variable, and there is none")
    # At a fixed width, so that places in a syntax error stay right.
    tree = ast.parse(re.sub(r"`[^`]+`", lambda match: "_" * len(match[0]), expression), mode="eval")
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id.strip("_")}
    return (names - _EVAL_FUNCTIONS) | set(quoted)


def _columns(spec: ModelSpec) -> Iterator[Broken]:
    columns = spec.features.columns
    for index, name in enumerate(columns):
        if name in columns[:index]:
            yield ("features", "columns", index), f"{name!r} stands in the list twice"


def _slices(spec: ModelSpec) -> Iterator[Broken]:
    columns = spec.features.columns
    for index, name in enumerate(spec.evaluate.slices):
        if name not in columns:
            yield ("evaluate", "slices", index), f"{name!r} is not in features.columns{close_match(name, columns)}"


def _thresholds(spec: ModelSpec) -> Iterator[Broken]:
    columns = spec.drift.columns or spec.features.columns
    for name in spec.drift.thresholds:
        if name not in columns:
            where = "drift.columns" if spec.drift.columns else "features.columns"
            yield ("drift", "thresholds", name), f"{name!r} is not in {where}{close_match(name, columns)}"


def _sensitive(spec: ModelSpec) -> Iterator[Broken]:
    for at, names in ((("evaluate", "slices"), spec.evaluate.slices), (("drift", "columns"), spec.drift.columns)):
        for index, name in enumerate(names):
            if name in spec.data.sensitive:
                yield (
                    (*at, index),
                    f"{name!r} is in data.sensitive: its values would be named in reports; take it out of one of the "
                    "two",
                )


def _accepted(spec: ModelSpec) -> Iterator[Broken]:
    data, columns = spec.data, (*spec.features.columns, *spec.evaluate.slices)
    known = dict.fromkeys((data.time, data.target, *data.key, *columns))
    for index, name in enumerate(spec.validate_.accept):
        if name not in known:
            yield ("validate", "accept", index), f"{name!r} is no column the spec names{close_match(name, known)}"


def _lengths(spec: ModelSpec) -> Iterator[Broken]:
    window = spec.ingest.window
    if window <= timedelta(0):
        yield ("ingest", "window"), "a window of no length holds no rows"
        return
    if spec.evaluate.holdout >= window:
        yield (
            ("evaluate", "holdout"),
            f"{format_duration(spec.evaluate.holdout)} held out of a window of {format_duration(window)} "
            "(ingest.window) leaves nothing to train on",
        )
    if spec.evaluate.holdout <= timedelta(0):
        yield ("evaluate", "holdout"), "nothing held out leaves nothing to judge on"
    block = spec.evaluate.gate.block
    if block and timedelta(0) < spec.evaluate.holdout <= (FEWEST_BLOCKS - 1) * block:
        yield (
            ("evaluate", "holdout"),
            f"{format_duration(spec.evaluate.holdout)} held out are fewer than {FEWEST_BLOCKS} blocks of "
            f"{format_duration(block)} (evaluate.gate.block): the gate would refuse every challenger",
        )
    if spec.data.label_delay >= window:
        yield (
            ("data", "label_delay"),
            f"labels {format_duration(spec.data.label_delay)} late are never known within a window of "
            f"{format_duration(window)} (ingest.window)",
        )


def _gate_metric(spec: ModelSpec) -> Iterator[Broken]:
    metric, kind = spec.evaluate.gate.metric, "regression" if spec.task == "regression" else "classification"
    if metric is not None and metric not in LOSSES[kind]:
        near = close_match(metric, LOSSES[kind])
        yield (
            ("evaluate", "gate", "metric"),
            f"found {metric!r}, expected a loss of a {kind}: {', '.join(LOSSES[kind])}{near}",
        )


def _secrets(spec: ModelSpec) -> Iterator[Broken]:
    yield from _secrets_of(spec.data.source, ("data", "source"))
    if spec.data.labels:
        yield from _secrets_of(spec.data.labels.source, ("data", "labels", "source"))


def _secret_params(spec: ModelSpec) -> Iterator[Broken]:
    advice = "parameters are logged to MLflow; let your own class read it where it is needed"
    yield from _secret_keys(spec.train.params, ("train", "params"), advice)
    yield from _secret_keys(spec.features.params, ("features", "params"), advice)


def _secrets_of(source: Any, at: Location) -> Iterator[Broken]:
    advice = "keep it in an Airflow connection and name that in conn_id"
    catalog = getattr(source, "catalog", {})
    for place, address in (("uri",), getattr(source, "uri", "")), (("catalog", "uri"), catalog.get("uri", "")):
        parts = urlsplit(address)
        # s3://conn_id@bucket names a connection; only a password, or a signed address, is a secret.
        if parts.password:
            yield (*at, *place), f"the address holds a password; {advice}"
        for name, _ in parse_qsl(parts.query):
            if _SECRET.search(name):
                yield (*at, *place), f"the address holds a secret in its parameter {name!r}; {advice}"
    for section in ("options", "params", "catalog"):
        yield from _secret_keys(getattr(source, section, {}), (*at, section), advice)


def _secret_keys(value: Any, at: Location, advice: str) -> Iterator[Broken]:
    """Look through mappings, however deep they lie."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if _SECRET.search(str(name)):
                yield (*at, name), f"{name!r} looks like a secret; {advice}"
            else:
                yield from _secret_keys(inner, (*at, name), advice)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _secret_keys(inner, (*at, index), advice)
