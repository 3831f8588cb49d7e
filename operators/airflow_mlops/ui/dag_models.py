"""Which DAGs belong to which model, by what Airflow's database says of them; whoever asks."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow.models.dag import DagModel, DagTag
from airflow.models.team import dag_bundle_team_association_table
from sqlalchemy import func, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

KINDS = ("retrain", "monitor", "score", "actions", "bake", "drill", "ingest", "reproduce", "backtest")
TAG, MODEL_TAG = "mlops", "model:"
# What can stand in an address: of another name there would be a row that nobody can open.
_NAME = re.compile(r"(?!\.{1,2}\Z)[^/\x00-\x1f]{1,200}")

# A house with a thousand models has 7,000 DAGs and 30,000 tags, which take longer to read than a page may take to
# answer. Who owns a DAG and how it is tagged changes when its file is parsed, every half a minute as Airflow comes.
_KEPT_S = 30.0
# Rows held in memory at once.
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class DagFacts:
    """What Airflow knows of a DAG of a model; ``kind`` is None for one written by hand.

    ``team`` is that of its bundle, None where Airflow knows no teams. ``next_run`` is by Airflow's clock, None where it
    has no schedule. It and ``is_paused`` are as `as_they_are` read them.
    """

    dag_id: str
    kind: str | None
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    team: str | None = None
    is_paused: bool = False
    next_run: datetime | None = None


def model_of(dag_id: str, tags: Iterable[str]) -> tuple[str, str | None] | None:
    """Return the model a DAG belongs to and the kind of the DAG; None where it belongs to none.

    A DAG made from a spec belongs to the model of its name, whatever tags of its own the spec has: otherwise a line in
    one team's spec would show another team's model to the readers of its DAGs.
    """
    tags = set(tags)
    if TAG in tags:
        for kind in KINDS:
            if kind in tags and dag_id.endswith(f"_{kind}"):
                return dag_id.removesuffix(f"_{kind}"), kind
    for tag in sorted(tags):
        if tag.startswith(MODEL_TAG) and _NAME.fullmatch(tag.removeprefix(MODEL_TAG)):
            return tag.removeprefix(MODEL_TAG), None
    return None


class DagModels:
    """The DAGs of all models, read again after half a minute; a DAG or tag more or less counts at once.

    Nothing here is about a user: who may read which DAG is asked of Airflow each time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._counted: tuple[object, ...] = ()
        self._found: Mapping[str, Sequence[DagFacts]] = {}

    def by_model(self, session: Session) -> Mapping[str, Sequence[DagFacts]]:
        """Return the DAGs by model, each model's by their ids."""
        counted = (str(session.get_bind().engine.url), *_counts(session))
        with self._lock:
            if counted != self._counted or time.monotonic() > self._read_at + _KEPT_S:
                self._found, self._counted, self._read_at = _read(session), counted, time.monotonic()
            return self._found


def as_they_are(session: Session, models: Mapping[str, Sequence[DagFacts]]) -> dict[str, tuple[DagFacts, ...]]:
    """Read now which of these DAGs are paused and when they run next: both change from one moment to the next."""
    ids = [dag.dag_id for dags in models.values() for dag in dags]
    columns = (DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after)
    now = {row.dag_id: row for row in session.execute(select(*columns).where(DagModel.dag_id.in_(ids)))}
    return {
        name: tuple(
            replace(dag, is_paused=bool(row.is_paused), next_run=row.next_dagrun_create_after)
            for dag in dags
            if (row := now.get(dag.dag_id)) is not None
        )
        for name, dags in models.items()
    }


def _counts(session: Session) -> tuple[int, int]:
    dags = select(func.count()).select_from(DagModel).where(DagModel.is_stale.is_(False))
    return session.execute(dags).scalar_one(), session.execute(select(func.count()).select_from(DagTag)).scalar_one()


def _read(session: Session) -> dict[str, list[DagFacts]]:
    marked = select(DagTag.dag_id).where((DagTag.name == TAG) | DagTag.name.startswith(MODEL_TAG, autoescape=True))
    tags: dict[str, list[str]] = defaultdict(list)
    tagged = select(DagTag.dag_id, DagTag.name).where(DagTag.dag_id.in_(marked))
    for dag_id, tag in session.execute(tagged.execution_options(yield_per=_CHUNK)):
        tags[dag_id].append(tag)
    teams = dag_bundle_team_association_table.c
    query = select(DagModel.dag_id, DagModel.owners, teams.team_name)
    query = query.outerjoin(dag_bundle_team_association_table, DagModel.bundle_name == teams.dag_bundle_name)
    query = query.where(DagModel.dag_id.in_(marked), DagModel.is_stale.is_(False)).order_by(DagModel.dag_id)
    found: dict[str, list[DagFacts]] = defaultdict(list)
    for dag_id, owners, team in session.execute(query.execution_options(yield_per=_CHUNK)):
        belongs = model_of(dag_id, tags[dag_id])
        if belongs is not None:
            name, kind = belongs
            people = tuple(filter(None, (owner.strip() for owner in (owners or "").split(","))))
            found[name].append(DagFacts(dag_id, kind, people, tuple(sorted(tags[dag_id])), team))
    return dict(found)
