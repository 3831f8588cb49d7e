"""The list of models: a row each, of those that the user may see."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, Query

from airflow_mlops.overview import NEEDS_PERSON
from airflow_mlops.overview.curves import none_yet
from airflow_mlops.overview.state import State
from airflow_mlops.ui.access import ReadableDags
from airflow_mlops.ui.dag_models import as_they_are
from airflow_mlops.ui.listing import Sort, in_order, listed, scheduled
from airflow_mlops.ui.rows import ModelList
from airflow_mlops.ui.sources import LedgerDep

if TYPE_CHECKING:
    from collections.abc import Iterable

router = APIRouter(tags=["models"])

# Owners and tags to choose from; a longer menu is no help.
_CHOICES = 200


@router.get("/models")
def list_models(
    dags: ReadableDags,
    session: SessionDep,
    ledger: LedgerDep,
    q: Annotated[str, Query(max_length=200, description="Text in the name, an owner or a tag.")] = "",
    owner: Annotated[str | None, Query(max_length=200)] = None,
    tag: Annotated[str | None, Query(max_length=200)] = None,
    state: Annotated[list[State] | None, Query(max_length=20)] = None,
    sort: Annotated[
        Sort, Query(description="A quality is sorted as a share of its limit; a state by how much it needs a person.")
    ] = "state",
    descending: bool = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ModelList:
    """Return a page of the models that the user may see."""
    found = ledger.overviews(sorted(dags))
    seen = [listed(name, dags[name], found) for name in sorted(dags)]
    matching = [model for model in seen if model.matches(q, owner, tag)]
    states = Counter(model.state for model in matching)
    wanted = [model for model in matching if state is None or model.state in state]
    page = in_order(wanted, sort, descending=descending)[offset : offset + limit]
    curves = ledger.curves([model.name for model in page])
    now = as_they_are(session, {model.name: scheduled(model.dags) for model in page})
    return ModelList(
        models=[replace(model, dags=now[model.name]).row(curves.get(model.name) or none_yet()) for model in page],
        total=len(wanted),
        states=dict(states),
        needs_person=sum(model.state in NEEDS_PERSON for model in matching),
        owners=_choices(owner for model in seen for owner in model.owners),
        tags=_choices(tag for model in seen for tag in model.tags),
    )


def _choices(words: Iterable[str]) -> list[str]:
    """Return the words that are met most often, in the order of the alphabet."""
    return sorted(word for word, _ in Counter(words).most_common(_CHOICES))
