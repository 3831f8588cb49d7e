"""Train a registered version again from what was recorded of it, and compare what the two predict.

Nothing is written but one event in the ledger: the second model lives in memory only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.artifacts import digest_bytes, digest_json
from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing, NoChampion, ReproductionImpossible
from airflow_mlops.lifecycle.stored_model import StoredModel, load_stored
from airflow_mlops.refs import FeaturesRef, ModelRef, ReproductionRef, SnapshotRef
from airflow_mlops.snapshots import read_frame
from airflow_mlops.stages.reproduce import Reproduction, Retrained, differing, other_versions, train_again

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.spec import ModelSpec

REPRODUCTION = "reproduction"
_DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Reproducer:
    """What a training is repeated with.

    Parameters
    ----------
    store : ArtifactStore
        Holds snapshots and models; nothing is written to it.
    ledger : Ledger
        Says which model a version is.
    spec : ModelSpec or None
        For versions with which no spec was kept; of the others only its tolerance counts.
    base_dir : Path or None
        Where the spec's own modules are; default: beside ``spec``.
    tolerance : float or None
        Largest absolute difference of a prediction; default: ``reproduce.tolerance``.
    """

    store: ArtifactStore
    ledger: Ledger
    spec: ModelSpec | None = None
    base_dir: Path | None = None
    tolerance: float | None = None

    def reproduce(self, name: str, version: str | None = None) -> tuple[str, Reproduction]:
        """Train a version again and compare; the champion where none is named.

        Returns
        -------
        version : str
            Which one it was.
        found : Reproduction
            How the two compare.

        Raises
        ------
        NoChampion
            No version is named, and none serves.
        ReproductionImpossible
            The ledger knows no such version, or what it was trained from is gone or changed.
        """
        version, model = self._model(name, version)
        try:
            found, _ = self._committee(model) if model.members else self._trained(model)
        except (ArtifactMissing, ArtifactCorrupt) as error:
            raise ReproductionImpossible(f"version {version} of {name} cannot be trained again: {error}") from error
        return version, found

    def _model(self, name: str, version: str | None) -> tuple[str, ModelRef]:
        state = self.ledger.state(name)
        if not version:
            if state.champion is None:
                raise NoChampion(f"{name} has no champion to reproduce; name a version.")
            version = state.champion.version
        known = state.versions.get(str(version))
        if known is None:
            listed = ", ".join(state.versions) or "none"
            raise ReproductionImpossible(f"the ledger knows no version {version} of {name}; it knows {listed}.")
        payload = known.payload.get("model") or known.payload
        if not {"uri", "digest", "features"} <= payload.keys():
            raise ReproductionImpossible(
                f"version {version} of {name} was adopted: nothing is recorded of its training, so it cannot be "
                "repeated."
            )
        return str(version), ModelRef.from_dict(payload)

    # A trained version

    def _trained(self, model: ModelRef) -> tuple[Reproduction, Any]:
        manifest = self._complete(model.uri, "model")
        spec, source = self._spec(model, manifest)
        features = FeaturesRef.from_dict(model.features)
        rows, labels = (self._frames(refs) for refs in (features.snapshots, features.label_snapshots))
        window: Any = features.window
        again = train_again(rows, labels, spec=spec, now=datetime.fromisoformat(features.now), window=window)
        recorded = {**self._kept_digests(features), "model": model.digest}
        environment = manifest.get("report", {}).get("environment", {})
        found = self._compare(model, again, recorded, environment, spec, source)
        return found, again.model

    def _compare(
        self,
        model: ModelRef,
        again: Retrained,
        recorded: Mapping[str, str | None],
        environment: Mapping[str, str],
        spec: ModelSpec,
        source: Literal["recorded", "given"],
    ) -> Reproduction:
        gap = self._gaps(model, again.model, spec)
        return Reproduction(
            verdict="same" if gap.is_within else "different",
            largest_difference=gap.largest,
            golden_rows=gap.golden_rows,
            holdout_rows=gap.holdout_rows,
            differs=(*differing(recorded, again.digests), *(() if gap.is_within else ("predictions",))),
            environment=other_versions(environment, again.environment),
            spec=source,
        )

    def _gaps(self, model: ModelRef, again: Any, spec: ModelSpec) -> Gap:
        """Ask both for the golden rows, whose answers were kept, and for the rows held out from the training."""
        from airflow_mlops.stages.deploy import largest_gap
        from airflow_mlops.stages.golden import answers, predict_method

        stored = StoredModel.read(self.store, model)
        gaps = [largest_gap(answers(again, stored.golden.to_pandas()), stored.expected)]
        holdout = self._holdout(FeaturesRef.from_dict(model.features))
        if holdout is not None:
            then, now = load_stored(self.store, model), again
            raw = holdout[spec.features.columns]
            gaps.append(largest_gap(*(getattr(each, predict_method(each))(raw) for each in (now, then))))
        numbers = [gap for gap in gaps if gap is not None]
        tolerance = spec.reproduce.tolerance if self.tolerance is None else self.tolerance
        largest = max(numbers) if len(numbers) == len(gaps) else None
        rows = 0 if holdout is None else len(holdout)
        return Gap(largest, largest is not None and largest <= tolerance, len(stored.expected), rows)

    def _holdout(self, features: FeaturesRef) -> pd.DataFrame | None:
        manifest = self.store.manifest(features.uri)
        if manifest is None:
            return None
        return self.store.read_frame(f"{features.uri}/holdout.parquet", digest=manifest["holdout"])

    def _kept_digests(self, features: FeaturesRef) -> dict[str, str | None]:
        manifest = self.store.manifest(features.uri) or {}
        transformer = manifest.get("transformer") or {}
        kept = {name: manifest.get(name) for name in ("features", "holdout")}
        return {**kept, "transformer": transformer.get("digest")}

    def _frames(self, refs: Sequence[Mapping[str, Any]]) -> list[pd.DataFrame]:
        found = [SnapshotRef.from_dict(ref) for ref in refs]
        for ref in found:
            self._complete(ref.uri, f"snapshot {ref.id}")
        return [read_frame(self.store, ref) for ref in found]

    def _complete(self, folder: str, what: str) -> dict[str, Any]:
        manifest = self.store.manifest(folder)
        if manifest is None:
            raise ArtifactMissing(f"no complete {what} is stored at {folder}; restore it from a backup.")
        return manifest

    def _spec(self, model: ModelRef, manifest: Mapping[str, Any]) -> tuple[ModelSpec, Literal["recorded", "given"]]:
        from airflow_mlops.spec.record import spec_of_record

        record = manifest.get("spec")
        if record is None:
            if self.spec is None:
                raise ReproductionImpossible(
                    f"no spec was kept with model {model.id}, which an earlier release trained; give the spec as it "
                    "was then with --spec FILE."
                )
            return self.spec, "given"
        if digest_bytes(record.encode()) != manifest.get("spec_digest"):
            raise ArtifactCorrupt(f"the spec kept with model {model.id} was changed; restore {model.uri}.")
        base_dir = self.base_dir or (self.spec.base_dir if self.spec else None)
        return spec_of_record(record, base_dir), "recorded"

    # A committee

    def _committee(self, model: ModelRef) -> tuple[Reproduction, Any]:
        """Train each member again, and put the new ones together with the recorded weights and correction."""
        from airflow_mlops.stages.model_file import dump_model
        from airflow_mlops.stages.weigh import weigh

        manifest = self._complete(model.uri, "model")
        # In the order in which `Weighing.make` puts them together: the newest last.
        known = {name: self._member(model, name) for name in model.members}
        members = dict(sorted(known.items(), key=lambda each: (each[1].features["now"], each[0])))
        trained = {name: self._trained(ref) for name, ref in members.items()}
        # The held-out rows of a committee are those of its newest member.
        newest = next(ref for ref in members.values() if ref.features["id"] == model.features["id"])
        spec, source = self._spec(newest, self._complete(newest.uri, "model"))
        made = weigh(
            {name: again for name, (_, again) in trained.items()},
            {name: model.members[name] for name in members},
            task=spec.task,
            correction=0.0 if model.correction is None else model.correction,
            classes=manifest["classes"],
            rows=self.store.read_frame(f"{model.uri}/golden.parquet")[spec.features.columns],
        )
        digests = {"model": digest_bytes(dump_model(made.model)[0])}
        again = Retrained(made.model, digests, {})
        found = self._compare(model, again, {"model": model.digest}, {}, spec, source)
        environment = {key: pair for each, _ in trained.values() for key, pair in each.environment.items()}
        earlier = [part for each, _ in trained.values() for part in each.differs if part not in found.differs]
        return _with_members(found, {name: each for name, (each, _) in trained.items()}, environment, earlier), made

    def _member(self, model: ModelRef, name: str) -> ModelRef:
        folder = f"{model.uri.rpartition('/')[0]}/{name}"
        return ModelRef.from_dict(self._complete(folder, f"member {name}")["ref"])


@dataclass(frozen=True, slots=True)
class Gap:
    """How far predictions lie apart, and on how many rows that was measured."""

    largest: float | None
    is_within: bool
    golden_rows: int
    holdout_rows: int


def _with_members(
    found: Reproduction,
    members: dict[str, Reproduction],
    environment: dict[str, list[str | None]],
    earlier: Sequence[str],
) -> Reproduction:
    differs = (*dict.fromkeys(earlier), *found.differs)
    return replace(found, members=members, environment=environment, differs=differs)


def record_reproduction(
    ledger: Ledger, name: str, version: str, found: Reproduction, *, at: datetime, code_version: str, run: str | None
) -> ReproductionRef:
    """Record what was found, once for a version, a version of the code, an environment and a verdict.

    Raises
    ------
    LedgerUnavailable
        The database did not answer; run it again.
    """
    sentence = found.sentence(f"version {version} of {name}")
    facts = found.to_dict()
    place = digest_json([code_version, facts["environment"], found.verdict])[:_DIGEST_LENGTH]
    ledger.append(
        name,
        REPRODUCTION,
        f"{version}:{place}",
        {"version": version, "code_version": code_version, "sentence": sentence, **facts},
        at=at,
        run=run,
    )
    first = found.differs[0] if found.differs else None
    return ReproductionRef(name, version, found.verdict, sentence, found.largest_difference, first)
