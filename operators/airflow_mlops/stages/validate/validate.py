"""Run both checks on a snapshot and collect the evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.data_check import data_check
from airflow_mlops.stages.validate.facts import facts_by_window, lasting_facts
from airflow_mlops.stages.validate.findings import Finding, Verdict, verdict_of, worst_first
from airflow_mlops.stages.validate.quarantine import quarantine_table
from airflow_mlops.stages.validate.suite import run_suite, run_suite_on
from airflow_mlops.stages.validate.values import most_kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.validate.batch_check import Former
    from airflow_mlops.stages.validate.suite import SqlRows

# A summary travels between tasks: so many findings, and so much of each sentence.
SUMMARY_FINDINGS = 8
SUMMARY_CHARACTERS = 240


@dataclass(frozen=True, slots=True)
class Validation:
    """What both checks found.

    Attributes
    ----------
    verdict : {"passed", "warning", "failed"}
    expectations : tuple of Finding
        One an expectation of the suite, passed or not.
    data_check : tuple of Finding
        What the data check found wrong; nothing when all is well.
    quarantine : Table or None
        Failing rows without sensitive columns, with a column ``_reason``; the first ones, where they are stored.
    rows : int
        Of the snapshot.
    quarantined : int
        Rows in quarantine, with those that are only stored.
    """

    verdict: Verdict
    expectations: tuple[Finding, ...]
    data_check: tuple[Finding, ...]
    quarantine: pa.Table | None
    rows: int
    quarantined: int = 0

    @property
    def findings(self) -> list[Finding]:
        """Everything that failed, worst first."""
        return worst_first([*self.data_check, *self.expectations])

    def summary(self) -> dict[str, Any]:
        """Return counts and the worst findings as JSON of at most about 4 KB."""
        shown = self.findings[:SUMMARY_FINDINGS]
        return {
            "rows": self.rows,
            "expectations": len(self.expectations),
            **{
                severity: sum(finding.severity == severity for finding in self.findings)
                for severity in ("critical", "warning", "info")
            },
            "quarantined": self.quarantined,
            "worst": [
                {
                    "check": finding.check,
                    "column": finding.column,
                    "severity": finding.severity,
                    "message": finding.message[:SUMMARY_CHARACTERS],
                }
                for finding in shown
            ],
        }


def validate(
    table: pa.Table,
    spec: ModelSpec,
    *,
    current: Mapping[str, Any],
    suite: Mapping[str, Any] | None = None,
    reference: Mapping[str, Any] | None = None,
    earlier: Mapping[str, str] | None = None,
    former: Former | None = None,
    rows: SqlRows | pa.Table | None = None,
) -> Validation:
    """Check a snapshot against its suite and against what the champion was trained on.

    Parameters
    ----------
    table : Table
        The snapshot's rows. Not modified.
    spec : ModelSpec
        Thresholds and names of columns.
    current : mapping
        The snapshot's facts, from `facts_of`.
    suite : mapping, optional
        Expectations, each with its severity.
    reference : mapping, optional
        Facts of what the champion was trained on; none before the first champion.
    earlier : mapping, optional
        From the ``content`` of earlier snapshots to their id, to notice an old batch that comes again.
    former : Former, optional
        The look before, to notice that nothing new came, or rows that were there then.
    rows : SqlRows or Table, optional
        All rows, for the suite, where ``table`` is a sample of them. Of `SqlRows` there is no quarantine here: see
        `quarantine_stream`. Default: ``table``.

    Raises
    ------
    SpecError
        The suite has an expectation that does not exist, or with wrong arguments.
    MissingExtra
        There is a suite, and Great Expectations is not installed.
    """
    import pyarrow as pa

    from airflow_mlops.stages.validate.full_size import among_all

    against = dict(reference) if reference else None
    compared = data_check(table, dict(current), spec, reference=against, earlier=earlier, former=former)
    keep, secret = most_kept(spec), spec.data.sensitive
    everything = table if rows is None else rows
    if everything is not table:
        compared = [replace(one, rows=among_all(one.rows, current.get("every", 1))) for one in compared]
    if not suite:
        expectations = []
    elif isinstance(everything, pa.Table):
        expectations = run_suite(everything.to_pandas(), suite, keep_rows=keep, sensitive=secret)
    else:
        expectations = run_suite_on(everything, suite, sensitive=secret)
    findings = [*compared, *expectations]
    kept = None
    if isinstance(everything, pa.Table):
        kept = quarantine_table(everything, findings, keep=keep, sensitive=secret)
    return Validation(
        verdict=verdict_of(findings),
        expectations=tuple(expectations),
        data_check=tuple(compared),
        quarantine=kept,
        rows=int(current["rows"]),
        quarantined=kept.num_rows if kept is not None else 0,
    )


def facts_of(table: pa.Table, spec: ModelSpec, *, lasting: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe a snapshot with the names the spec gives its columns; ``lasting`` is `lasting_facts_of`, where known."""
    by_window = facts_by_window(
        table,
        time=spec.data.time,
        target=spec.data.target,
        window=spec.monitor_window,
        sensitive=spec.data.sensitive,
        is_classification=spec.task != "regression",
    )
    known = lasting or lasting_facts_of(table, spec)
    return {"task": spec.task, "features": spec.features.columns, **known, **by_window}


def lasting_facts_of(table: pa.Table, spec: ModelSpec) -> dict[str, Any]:
    """Describe what is the same whatever the window."""
    return lasting_facts(
        table,
        time=spec.data.time,
        target=spec.data.target,
        key=spec.data.key,
        sensitive=spec.data.sensitive,
        features=spec.features.columns,
        is_classification=spec.task != "regression",
    )
