"""One thing that a challenger was asked to show, and what it showed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_mlops.spec.vocabulary import Risk

Verdict = Literal["pass", "fail", "not enough labels"]
# Groups of checks, in the order in which pages show them.
Group = Literal["loss", "guard", "slice", "fairness", "behaviour", "sanity", "provenance", "cost"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the gate.

    Attributes
    ----------
    name : str
        Which check: "baseline", "champion", "guard: carrier = UA", "worst slice", "fairness: sex", "latency", "leak".
    group : str
        What sort of check.
    verdict : {"pass", "fail", "not enough labels"}
        One that could not be made and need not be is left out, not passed.
    sentence : str
        What was found, with the numbers, and on failure what to do.
    value, low, high : float or None
        What was measured, with its interval; None where there is none.
    limit : float or None
        Beyond this value it fails; None where no number decides.
    rows : int or None
        How many rows it was measured on.
    risk : str or None
        What a person may want to see before the version serves, though it passed.
    detail : dict
        Further facts, JSON.
    """

    name: str
    group: Group
    verdict: Verdict
    sentence: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    rows: int | None = None
    risk: Risk | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return asdict(self)


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """Put the verdicts of checks together: all have to pass, and one failure outweighs labels that are missing."""
    found = {check.verdict for check in checks}
    return "fail" if "fail" in found else "not enough labels" if "not enough labels" in found else "pass"
