"""The data check: is this snapshot like what the champion was trained on, but for what the world may change.

It compares the facts of both, so a reference of any size costs the same. It blocks what a changing world does not do: a
column that vanishes, a number that becomes text, a value times a thousand, a code for "unknown". It does not block what
it may do: a new station, a crisis, another season. That is for the drift stage to see.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.batch_check import Former, batch_check, counted, repeated
from airflow_mlops.stages.validate.findings import Finding, Severity, failed
from airflow_mlops.stages.validate.spellings import is_nothing
from airflow_mlops.stages.validate.stretches import new_stretches
from airflow_mlops.stages.validate.target_check import target_check
from airflow_mlops.stages.validate.value_check import value_check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

# A third of the increase that blocks is worth a look.
NULLS_WARN = 1 / 3
# Beyond the window of the reference that had most nulls: so much of what was known there must be missing too.
NULLS_BEYOND = 0.25
# From this share of nulls on a column is null by nature.
NULL_BY_NATURE = 0.5
# A column that was null in nearly all rows of a window of the reference may be so again.
NULLS_ALL = 0.9
# Of a column whose share of nulls is steady: so much of the known values is left, where so many are expected.
NULLS_STEADY, KNOWN_LEFT, LEAST_KNOWN, NULLS_WINDOWS = 0.1, 0.65, 50, 10
# Nulls that come one by one: no window of so many is more standard errors beyond all rows; then nothing but nulls has
# no more than this chance.
NULLS_ERRORS, NULLS_CHANCE = 4.0, 1e-4
# Words that stand where nulls stood: of nulls that are expected, so many in a batch, no more than this share is left.
LEAST_REPLACED, REPLACED = 20, 0.02

Facts = dict[str, Any]


def data_check(
    table: pa.Table,
    current: Facts,
    spec: ModelSpec,
    *,
    reference: Facts | None = None,
    earlier: Mapping[str, str] | None = None,
    former: Former | None = None,
) -> list[Finding]:
    """Compare a snapshot with a reference, and with itself where there is none yet.

    Parameters
    ----------
    table : Table
        The snapshot's rows, for the positions of failing ones.
    current, reference : dict
        Facts of the snapshot and of what the champion was trained on.
    spec : ModelSpec
        Thresholds from ``validate``; the words for columns from ``data`` and ``features``.
    earlier : mapping, optional
        From the ``content`` of earlier snapshots to their id.
    former : Former, optional
        The look before.

    Returns
    -------
    list of Finding
        Only what failed, in the order: schema, rows, nulls, values, target, stretches of the newest rows.
    """
    findings = [*_schema(current, spec, reference)]
    findings += batch_check(table, current, spec, reference, earlier or {}, former)
    findings += _nulls(current, spec, reference)
    findings += value_check(table, current, spec, reference)
    if spec.data.target in current["columns"]:
        findings += target_check(table, current, spec, reference)
    findings += _stretches(table, current, spec, reference, findings)
    return [_accepted(finding) if finding.column in spec.validate_.accept else finding for finding in findings]


def _accepted(finding: Finding) -> Finding:
    return replace(finding, severity="warning") if finding.severity == "critical" else finding


def _schema(current: Facts, spec: ModelSpec, reference: Facts | None) -> Iterator[Finding]:
    if reference is None:
        return
    now, then = current["columns"], reference["columns"]
    gone = [name for name in then if name not in now]
    new = [name for name in now if name not in then]
    used = _used_columns(spec)
    for name in gone:
        near = get_close_matches(name, new, n=1, cutoff=0.6) or [other for other in new if name in other]
        hint = f"; {near[0]!r} is new: was it renamed?" if near else ""
        severity: Severity = "critical" if name in used else "warning"
        yield failed("column is there", name, severity, f"column {name!r} is gone{hint}")
    for name in new:
        yield failed("column is known", name, "warning", f"column {name!r} is new and was not there at training")
    for name in then:
        kinds = (then[name]["kind"], now[name]["kind"]) if name in now else ("", "")
        if kinds[0] != kinds[1] and "nothing" not in kinds:
            found = (
                f"column {name!r} holds {kinds[1]} ({now[name]['type']}), but held {kinds[0]} ({then[name]['type']})"
            )
            yield failed("type is kept", name, "critical", f"{found} at training")


def _used_columns(spec: ModelSpec) -> set[str]:
    return {spec.data.time, spec.data.target, *spec.data.key, *spec.features.columns, *spec.evaluate.slices}


def _nulls(current: Facts, spec: ModelSpec, reference: Facts | None, *, is_stretch: bool = False) -> Iterator[Finding]:
    limit = spec.validate_.max_null_increase
    if is_stretch:  # what is missing comes in clusters: for a week or a day nearly all of it must be
        limit = (1 + limit) / 2
    for name, column in current["columns"].items():
        usual = _null_share(reference, name)
        words = _words_for_null(column, (reference or {"columns": {}})["columns"].get(name, {}))
        share = (_null_share(current, name) or 0.0) + sum(words.values()) / max(1, current["rows"])
        # Labels may still be on their way; features and train leave such rows out.
        severity: Severity = "warning" if name == spec.data.target else "critical"
        if usual is None:
            if share == 1 and name in spec.features.columns:
                severity = "warning" if reference else severity
                yield failed("column has values", name, severity, f"column {name!r} is null in every row", observed=1.0)
            continue
        most = _most_nulls(reference, name, usual)
        text = f"{share:.0%} of {name!r} is null, {usual:.0%} at training"
        text += f" and never more than {most:.0%} in a window of this length" if most > usual else ""
        text += f", counting {sum(words.values())} rows that are {next(iter(words))!r}" if words else ""
        facts = {"observed": round(share, 4), "failing": column["nulls"] + sum(words.values())}
        is_beyond = share - most > _reach(usual, most) or share == 1
        is_far = share - usual > limit and is_beyond and most < NULLS_ALL
        is_gone = (
            share == 1 and usual < 1 and (most < NULLS_ALL or _is_no_chance(current["rows"], usual, reference, name))
        )
        is_rare = _is_rarely_known(current, column, usual, most) and _windows(reference) >= NULLS_WINDOWS
        is_replaced = _is_replaced(current, column, usual, words)
        if is_far or (not is_stretch and (is_gone or is_rare or is_replaced)):
            yield failed("nulls", name, severity, text, **facts)
        elif share - usual > limit * NULLS_WARN:
            yield failed("nulls", name, "warning", text, **facts)


def _words_for_null(now: Facts, then: Facts) -> dict[str, int]:
    """Count the rows of a text column that hold a word for no value which none had at training."""
    if now["kind"] != "text" or "values" not in now or then.get("kind") != "text" or "values" not in then:
        return {}
    return {word: rows for word, rows in now["values"].items() if is_nothing(word) and word not in then["values"]}


def _is_replaced(current: Facts, column: Facts, usual: float, words: dict[str, int]) -> bool:
    """Tell whether hardly a row is null any more, where such words stand now."""
    expected = usual * current["rows"]
    return expected >= LEAST_REPLACED and column["nulls"] <= REPLACED * expected and sum(words.values()) >= expected / 2


def _is_no_chance(rows: int, usual: float, reference: Facts | None, name: str) -> bool:
    """Tell whether a column that is null in all rows would have a value by now, where nulls come one by one.

    They do where the shares of windows differ no more than those of rows drawn at random; else they come in clusters,
    and the next may be as long as these rows.
    """
    windows = (reference or {}).get("by_window") or {}
    length = sum((reference or {}).get("windows") or []) / max(1, len((reference or {}).get("windows") or []))
    if windows.get("number", 0) < NULLS_WINDOWS or not length:
        return False
    error = (usual * (1 - usual) / length) ** 0.5
    return (
        windows.get("nulls", {}).get(name, 0.0) <= min(usual + NULLS_ERRORS * error, 1) and usual**rows < NULLS_CHANCE
    )


def _reach(usual: float, most: float) -> float:
    """Return how far beyond the window with most nulls the next may go by itself.

    Of a column that is null by nature as far again as that window went: nulls come in clusters, and in few windows the
    longest was not among them.
    """
    return max((1 - most) * NULLS_BEYOND, most - usual if usual >= NULL_BY_NATURE else 0.0)


def _windows(reference: Facts | None) -> int:
    return ((reference or {}).get("by_window") or {}).get("number", 0)


def _most_nulls(reference: Facts | None, name: str, usual: float) -> float:
    """Return the largest share of nulls in a window of the reference."""
    windows = (reference or {}).get("by_window") or {}
    return max(usual, windows.get("nulls", {}).get(name, 0.0))


def _is_rarely_known(current: Facts, column: dict[str, Any], usual: float, most: float) -> bool:
    """Tell whether a column that is null by nature lost much of the little it had, whatever the window."""
    known = current["rows"] - column["nulls"]
    expected = current["rows"] * (1 - most)
    return most - usual < NULLS_STEADY and expected >= LEAST_KNOWN and known < KNOWN_LEFT * expected


def _null_share(facts: Facts | None, name: str) -> float | None:
    if facts is None or name not in facts["columns"] or not facts["rows"]:
        return None
    return facts["columns"][name]["nulls"] / facts["rows"]


def _stretches(
    table: pa.Table, current: Facts, spec: ModelSpec, reference: Facts | None, findings: Iterable[Finding]
) -> Iterator[Finding]:
    """Find what must stop in a stretch of the newest rows, of columns that do not stop as a whole; the newest of each.

    What is only marked is not asked for: a stretch is not to say again what the whole snapshot says.
    """
    stopped = {finding.column for finding in findings if finding.severity == "critical"}
    for stretch in new_stretches(table, spec, reference):
        every = {**stretch.facts, "every": current.get("every", 1)}
        found = [
            *_nulls(stretch.facts, spec, reference, is_stretch=True),
            *value_check(stretch.rows, stretch.facts, spec, reference),
            *repeated(stretch.facts, spec, reference),
            *counted(stretch.rows, every, spec, reference, span=max(stretch.span, spec.monitor_window)),
        ]
        for finding in found:
            if finding.severity != "critical" or finding.column in stopped:
                continue
            stopped.add(finding.column)
            rows = tuple(stretch.positions[list(finding.rows)].tolist())
            message, since = f"{stretch}: {finding.message}", finding.since or stretch.facts["start"]
            condition = finding.condition and f"{finding.condition} AND {stretch.condition(spec.data.time)}"
            yield replace(finding, message=message, rows=rows, since=since, condition=condition)
