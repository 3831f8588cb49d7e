"""Which models of the list match, in which order, and what their rows say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.overview import STATES, begun, state_of
from airflow_mlops.overview.state import State
from airflow_mlops.ui.dag_models import MODEL_TAG, TAG
from airflow_mlops.ui.rows import ModelRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.ledger.overviews import Overviews
    from airflow_mlops.ui.dag_models import DagFacts

Sort = Literal["name", "state", "since", "quality", "drift", "budget", "decision"]
# Kinds of DAGs that run by a schedule of their own.
_SCHEDULED = ("retrain", "monitor")


@dataclass(frozen=True, slots=True)
class Listed:
    """A model before its row is made; ``told`` is its overview without curves."""

    name: str
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    state: State
    why: str
    told: Mapping[str, Any]
    behind: int
    dags: Sequence[DagFacts]

    def matches(self, text: str, owner: str | None, tag: str | None) -> bool:
        """Whether the text is in its name, an owner or a tag, and owner and tag are among its own."""
        wanted = text.casefold()
        is_found = not wanted or any(wanted in word.casefold() for word in (self.name, *self.owners, *self.tags))
        return is_found and (owner is None or owner in self.owners) and (tag is None or tag in self.tags)

    def value(self, sort: Sort) -> Any:
        """Return what it is sorted by; None where it has no such thing."""
        told = self.told
        if sort == "name":
            return self.name
        if sort == "state":
            return STATES.index(self.state)
        if sort == "quality":
            return _of_limit(told["quality"])
        found = {
            "since": (told["serving"], "since"),
            "drift": (told["drift"], "value"),
            "budget": (told["budget"], "left"),
            "decision": (told["decision"], "at"),
        }
        place, field = found[sort]
        return place and place[field]

    def row(self, curves: Mapping[str, Any]) -> ModelRow:
        """Make the row."""
        told = self.told
        return ModelRow.model_validate(
            {
                "name": self.name,
                "owners": self.owners,
                "tags": self.tags,
                "state": self.state,
                "why": self.why,
                "quality": curves["quality"],
                "drift": curves["drift"],
                "retrains": curves["retrains"],
                "next_run": _next_run(self.dags),
                "behind": self.behind,
                **{key: told[key] for key in ("serving", "challenger", "maturity", "budget", "freshness")},
                **{key: told[key] for key in ("decision", "approval")},
            }
        )


def listed(name: str, dags: Sequence[DagFacts], found: Overviews) -> Listed:
    """Put together what Airflow and the ledger know of a model."""
    told = found.told.get(name) or begun()
    fault = found.faults.get(name)
    state, why = ("out of order", fault) if fault else state_of(told)
    return Listed(
        name,
        tuple(sorted({owner for dag in dags for owner in dag.owners})),
        tuple(sorted({tag for dag in dags for tag in dag.tags if tag not in (TAG, dag.kind, f"{MODEL_TAG}{name}")})),
        state,  # type: ignore[arg-type]
        why,
        told,
        found.behind.get(name, 0),
        dags,
    )


def in_order(models: Sequence[Listed], sort: Sort, *, descending: bool) -> list[Listed]:
    """Sort by a value and then by name; those without the value come last both ways."""
    by_name = sorted(models, key=lambda model: model.name)
    valued = [model for model in by_name if model.value(sort) is not None]
    without = [model for model in by_name if model.value(sort) is None]
    return sorted(valued, key=lambda model: model.value(sort), reverse=descending) + without


def _of_limit(quality: Mapping[str, Any] | None) -> float | None:
    """Return a loss as a share of its limit, for losses of several metrics cannot be compared."""
    return quality["value"] / quality["limit"] if quality and quality["limit"] else None


def scheduled(dags: Sequence[DagFacts]) -> list[DagFacts]:
    """Return those of a model's DAGs that run by a schedule of their own."""
    return [dag for dag in dags if dag.kind in _SCHEDULED]


def _next_run(dags: Sequence[DagFacts]) -> dict[str, Any] | None:
    coming = [(dag.next_run, dag) for dag in scheduled(dags) if dag.next_run is not None and not dag.is_paused]
    if not coming:
        return None
    at, first = min(coming, key=lambda each: each[0])
    return {"at": at, "kind": first.kind, "dag_id": first.dag_id}
