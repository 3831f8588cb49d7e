"""Whatever a model's past was, what its kept versions were trained on can still be opened after retention."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_mlops.artifacts import ArtifactStore, digest_bytes, digest_json, encode_table
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.retention import read_inventory
from airflow_mlops.lifecycle.sweep import Sweep
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.snapshots import open_rows

START = datetime(2013, 1, 1, tzinfo=UTC)
NAME = "flights"
# By the clock that marks files, everything was written long ago.
LATER = datetime.now(UTC) + timedelta(days=3)


class Killed(Exception):
    """The process died."""


@dataclass(frozen=True)
class MortalStore(ArtifactStore):
    """A store whose process dies before its n-th deletion."""

    left: list[int] = field(default_factory=lambda: [10_000])

    def delete(self, uri):
        self.left[0] -= 1
        if self.left[0] < 0:
            raise Killed
        super().delete(uri)


class Past:
    """A model's past, made step by step: what each version was trained on is kept beside, as the test's own record."""

    def __init__(self, folder: Path, spec) -> None:
        self.store = MortalStore(ArtifactStore.local(folder).fs, str(folder / "store"))
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
        self.spec = spec
        self.day = 0
        self.snapshots, self.trained, self.versions = [], {}, {}
        self.served, self.awaited, self.weighed, self.shadow = [], set(), set(), None

    @property
    def now(self):
        return START + timedelta(days=self.day)

    def append(self, kind, payload):
        self.ledger.append(NAME, kind, f"{kind}{self.day}-{len(self.versions)}", payload, at=self.now)

    def ingest(self, days):
        """Store a snapshot: one file, or one part for each of some days, shared with other snapshots."""
        place = self.store.uri(NAME, "snapshots")
        parts = [self._part(place, self.day + back) for back in range(days)] if days else []
        payload = b"" if parts else encode_table(pa.table({"x": [self.day]}))
        digest = digest_json([part["digest"] for part in parts]) if parts else digest_bytes(payload)
        ref = SnapshotRef(
            id=f"s{self.day}-{days}",
            uri=f"{place}/s{self.day}-{days}",
            digest=digest,
            rows=max(days, 1),
            columns=1,
            start="",
            end="",
            parts=parts,
        )
        if not parts:
            self.store.write_bytes(ref.table_uri, payload)
        self.store.complete(ref.uri, ref.to_dict())
        self.append("ingest", ref.to_dict())
        self.snapshots.append(ref)

    def _part(self, place, number):
        payload = encode_table(pa.table({"x": [number]}))
        uri = f"{place}/parts/{number}.parquet"
        self.store.write_bytes(uri, payload)
        self.store.write_json(f"{uri}.profile.json", {})
        return {"uri": uri, "digest": digest_bytes(payload), "rows": 1, "start": "", "end": ""}

    def train(self, back):
        """Train a model on some of the newest snapshots, and register it."""
        if chosen := self.snapshots[-1 - back :][:2]:
            self._register({"features": {"snapshots": [ref.to_dict() for ref in chosen]}}, "train", chosen)

    def weigh(self, back):
        """Make a committee of two trained models, and register it."""
        if members := list(self.trained)[-2 - back :][:2]:
            rows = [ref for member in members for ref in self.trained[member]]
            self._register({"members": dict.fromkeys(members, 0.5)}, "weigh", rows)

    def _register(self, payload, kind, rows):
        number = str(len(self.versions) + 1)
        model = {"id": f"m{number}", "uri": self.store.uri(NAME, "models", f"m{number}"), **payload}
        self.store.complete(model["uri"], {})
        self.append(kind, model)
        self.append("register", {**model, "version": number})
        self.versions[number] = rows
        if kind == "train":
            self.trained[model["id"]] = rows

    def promote(self, back):
        if self.versions:
            number = list(self.versions)[max(-1 - back, -len(self.versions))]
            payload = {"model": {"id": f"m{number}"}}
            self.ledger.promote(NAME, number, expected_epoch=len(self.served), payload=payload, at=self.now)
            self.served.append(number)
            self.awaited.clear()

    def ask(self, back):
        """Leave a version to a person, to the epoch's next deploy, to a shadow or to the last decision, in turn."""
        if not self.versions:
            return
        number = list(self.versions)[max(-1 - back, -len(self.versions))]
        turn = self.day % 4
        if turn == 0:
            self.append("approval", {"version": number, "answer": "first"})
            self.weighed.add(number)  # nobody answers
        elif turn == 1:
            epoch = len(self.served)
            self.append("evaluate", {"id": "e", "model_id": f"m{number}", "verdict": "pass", "epoch": epoch})
            self.awaited.add(number)
        elif turn == 2 and number not in self.served:
            self.append("role", {"version": number, "role": "shadow"})
            self.shadow = number

    @property
    def kept(self):
        return {*self.served, *self.awaited, *self.weighed, *([self.shadow] if self.shadow else [])}

    def sweep(self):
        return Sweep(self.spec, self.store, self.ledger, CLIENT[0], self.now, clock=LATER)

    def files(self):
        return set(read_inventory(self.store, NAME, clock=LATER).files)


CLIENT = []


@pytest.fixture(scope="module", autouse=True)
def client(fresh_mlflow_db):
    """MLflow without the model: what is gone there is no fault."""
    from mlflow import MlflowClient

    CLIENT[:] = [MlflowClient(f"sqlite:///{fresh_mlflow_db}", f"sqlite:///{fresh_mlflow_db}")]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ingest"), st.sampled_from([0, 3, 6])),
        st.tuples(st.sampled_from(["train", "weigh", "promote", "ask"]), st.integers(0, 3)),
        st.tuples(st.just("sweep"), st.integers(0, 12)),
    ),
    min_size=20,
    max_size=40,
)


@given(steps=STEPS, deletions=st.integers(0, 12))
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_kept_versions_were_trained_on_opens_after_any_past(flights_spec, steps, deletions):
    plain = flights_spec.model_dump(mode="json", by_alias=True)
    plain["retention"] = {"versions": 2, "reports": "5d", "predictions": "5d", "snapshots": "5d"}
    # A policy that weighs versions keeps a pool of them; here all but two may go.
    plain["retrain"]["policy"] = {"kind": "committee", "pool": 2}
    with tempfile.TemporaryDirectory() as folder:
        past = Past(Path(folder), type(flights_spec).model_validate(plain))
        for action, number in [("ingest", 3), *steps, ("ingest", 0)]:
            past.day += 1
            if action == "sweep":
                sweep_and_die(past, number)
            else:
                getattr(past, action)(number)
        past.day += 10
        expect_opens(past)

        before, goes = past.files(), {item.uri for item in past.sweep().plan().goes if item.uri}
        sweep_and_die(past, deletions)
        past.sweep().apply(by="me")

        expect_opens(past)
        assert past.files() == {uri for uri in before if not any(is_of(uri, gone) for gone in goes)}
        assert past.sweep().plan().goes == ()


def sweep_and_die(past, deletions):
    past.store.left[0] = deletions
    with suppress(Killed):
        past.sweep().apply(by="me")
    past.store.left[0] = 10_000
    expect_opens(past)


def expect_opens(past):
    for number in past.kept:
        for ref in past.versions[number]:
            assert open_rows(past.store, ref).table().num_rows == ref.rows


def is_of(uri, gone):
    return uri == gone or uri.startswith((f"{gone}/", f"{gone}."))
