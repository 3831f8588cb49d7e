"""Write the champion's predictions for a snapshot to a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import NoChampion
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import ModelRef, ScoresRef, SnapshotRef
from airflow_mlops.snapshots import read_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.operators.base import RefInput
    from airflow_mlops.spec import ModelSpec


class ScoreOperator(StageOperator):
    """Predict every row of a snapshot with the champion, and store the predictions as Parquet.

    Each row names version and snapshot. One version scores one snapshot once; a second run finds the table.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; sections ``data`` and ``features`` are used here.
    snapshot : SnapshotRef or dict, templated
        The rows.
    """

    stage = "score"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "snapshot")

    def __init__(self, *, spec: ModelSpec | str, snapshot: RefInput, **kwargs: Any) -> None:
        super().__init__(spec=spec, **kwargs)
        self.snapshot = snapshot

    def run_stage(self, context: Context) -> ScoresRef:
        """Find the scores of this version and snapshot, or make and store them; record them.

        Raises
        ------
        NoChampion
            Nothing was promoted yet.
        """
        name, snapshot = self.model_spec.name, SnapshotRef.from_dict(self.snapshot)
        champion = self.ledger.state(name).champion
        if champion is None:
            raise NoChampion(
                f"{name} has no champion that could score snapshot {snapshot.id} of {snapshot.rows} rows; run "
                f"{name}_retrain first, then clear this task."
            )
        folder = self.store.uri(name, "scores", f"{champion.version}-{snapshot.id}")
        manifest = self.store.manifest(folder)
        if manifest is None or not self.store.exists(f"{folder}/data.parquet"):
            manifest = self._make(folder, snapshot, champion.version, ModelRef.from_dict(champion.payload["model"]))
        ref = ScoresRef.from_dict(manifest)
        key = f"{champion.version}:{snapshot.id}"
        if first := self.ledger.find(name, self.stage, key):
            self.log.info("skipped: same as run %s (version %s, snapshot %s)", first.run, ref.version, ref.snapshot)
            return replace(ref, same_as=first.run)
        self.record(context, key, ref.to_dict())
        self.log.info("version %s scored %d rows of snapshot %s in %s", ref.version, ref.rows, ref.snapshot, ref.uri)
        return ref

    def _make(self, folder: str, snapshot: SnapshotRef, version: str, model: ModelRef) -> dict[str, Any]:
        from airflow_mlops.lifecycle.stored_model import load_stored
        from airflow_mlops.stages.score import score

        rows = read_frame(self.store, snapshot)
        estimator = load_stored(self.store, model)
        table = score(rows, estimator, self.model_spec, version=version, snapshot=snapshot.id)
        ref = ScoresRef(
            id=folder.rpartition("/")[2],
            uri=folder,
            digest=self.store.write_table(f"{folder}/data.parquet", table),
            version=version,
            snapshot=snapshot.id,
            rows=table.num_rows,
        )
        # Last: a process killed before this line leaves a folder that nobody reads, and the retry writes it again.
        self.store.complete(folder, {**ref.to_dict(), "model": model.id})
        return ref.to_dict()
