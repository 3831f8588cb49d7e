"""Is this batch fit for use, judged by rows that are known to be good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.lifecycle.check.aligned import like, plain, span_of, with_times
from airflow_mlops.lifecycle.check.inferred import TIME, infer_spec
from airflow_mlops.lifecycle.check.reasons import Reason
from airflow_mlops.stages.validate import facts_of, validate, worst_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

Verdict = Literal["pass", "warn", "block"]


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on a batch.

    Attributes
    ----------
    verdict : {"pass", "warn", "block"}
    reasons : tuple of Reason
        Worst first.
    rows : int
        Of the batch; 0 where it cannot be read.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    rows: int

    @classmethod
    def of(cls, reasons: Sequence[Reason], rows: int) -> Checked:
        """Sum up reasons."""
        found = {reason.severity for reason in reasons}
        return cls("block" if "block" in found else "warn" if "warn" in found else "pass", tuple(reasons), rows)

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return {"verdict": self.verdict, "reasons": [reason.to_dict() for reason in self.reasons], "rows": self.rows}


def check(
    table: pa.Table,
    reference: pa.Table,
    *,
    spec: ModelSpec | None = None,
    time: str | None = None,
    target: str | None = None,
) -> Checked:
    """Judge a batch.

    Parameters
    ----------
    table, reference : Table
        The batch, and rows that are known to be good. Not modified.
    spec : ModelSpec, optional
        Names of columns and thresholds; default: inferred from the reference.
    time, target : str, optional
        Without a spec: names of these columns; default ``ts`` and ``y`` where the reference has them.

    Raises
    ------
    Permanent
        The reference has no such column.
    """
    moment = spec.data.time if spec else time or TIME
    good = with_times(plain(reference), moment)
    rows = like(with_times(plain(table), moment), good)
    spec = spec or infer_spec(good, span=span_of(rows, moment), time=time, target=target)
    validation = validate(rows, spec, current=facts_of(rows, spec), reference=facts_of(good, spec))
    reasons = [Reason.of(finding) for finding in worst_first(validation.data_check)]
    return Checked.of(reasons, table.num_rows)
