"""Every trained version of the pool, asked about the rows whose labels have arrived: who would have served how well."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_bytes, encode_table
from airflow_mlops.errors import ArtifactMissing, SignalsUnusable
from airflow_mlops.lifecycle.stored_model import load_stored
from airflow_mlops.loop.scorecard import Card
from airflow_mlops.loop.signals import VersionLoss
from airflow_mlops.refs import ModelRef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.loop.history import Member
    from airflow_mlops.loop.signals import Quality
    from airflow_mlops.spec import ModelSpec

OUTPUT = "output:"
_KEY_LENGTH = 16


@dataclass(frozen=True)
class Judged:
    """The labelled answers of a window, in the order of ``rows``.

    ``rows`` are raw; ``target`` is what happened, as from `usable_target`; ``losses`` are those of what was served, and
    ``versions`` who answered.
    """

    quality: Quality
    rows: pd.DataFrame
    times: pd.Series
    target: np.ndarray
    losses: np.ndarray
    versions: np.ndarray


@dataclass
class Models:
    """Trained versions, each loaded once.

    Parameters
    ----------
    store : ArtifactStore
        Where they are.
    """

    store: ArtifactStore
    _loaded: dict[str, Any] = field(default_factory=dict)

    def load(self, model: Mapping[str, Any]) -> Any:
        """Load a version.

        Raises
        ------
        ArtifactMissing, ArtifactCorrupt
            It is gone or changed.
        """
        digest = str(model["digest"])
        if digest not in self._loaded:
            self._loaded[digest] = load_stored(self.store, ModelRef.from_dict(model))
        return self._loaded[digest]


@dataclass
class Scorecards:
    """Makes and reads the scorecards of a model.

    Parameters
    ----------
    spec : ModelSpec
        What the model is.
    store : ArtifactStore
        Where scorecards go.
    models : Models
        Loads the members.
    """

    spec: ModelSpec
    store: ArtifactStore
    models: Models

    def score(self, judged: Judged, members: Sequence[Member]) -> Quality:
        """Ask members about the rows of a window that they have not trained on, and store what they say.

        Parameters
        ----------
        judged : Judged
            What was served; at least one row.
        members : sequence of Member
            Who is asked.

        Returns
        -------
        Quality
            With the loss of each member that has trained on no row of the window, and the scorecard's place. The losses
            of a bounded sample differ by chance from those of all rows; so each is the loss of what was served on all
            of them, plus the difference on the sample.

        Raises
        ------
        SignalsUnusable
            A classifier gives labels only, or the rows are of other types than those it was trained on.
        """
        quality = judged.quality
        places = self._places(judged)
        classes = self._classes(members)
        times = judged.times.iloc[places]
        rows, target = judged.rows.iloc[places], judged.target[places]
        known = coded(target, classes)
        outputs = {member.id: self._ask(member, rows, times, classes) for member in members}
        new = [member for member in members if member.holdout_start <= quality.start]
        by_member = {
            member.id: loss
            for member in new
            if (loss := self._loss(quality, known, outputs[member.id], judged.losses[places])) is not None
        }
        scorecard = self._store(quality, rows, times, target, outputs, classes)
        return replace(quality, by_member=by_member, scorecard=scorecard)

    def read(self, scorecard: Mapping[str, Any]) -> Card:
        """Read a scorecard.

        Raises
        ------
        ArtifactMissing, ArtifactCorrupt
            It is gone or changed.
        """
        manifest = self.store.manifest(scorecard["uri"])
        if manifest is None:
            raise ArtifactMissing(f"no complete scorecard is stored at {scorecard['uri']}; restore it from a backup.")
        frame = self.store.read_frame(f"{scorecard['uri']}/data.parquet", digest=scorecard["digest"])
        classes = tuple(manifest["classes"])
        columns = {name: _columns(name, classes, self.spec.task) for name in manifest["members"]}
        return Card(
            task=self.spec.task,
            classes=classes,
            times=frame["time"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(),
            target=coded(frame["target"].to_numpy(), classes),
            outputs={
                name: frame[each].to_numpy() if self.spec.task == "multiclass" else frame[each[0]].to_numpy()
                for name, each in columns.items()
            },
        )

    def _places(self, judged: Judged) -> np.ndarray:
        """Draw a bounded sample of rows, the same for the same window."""
        import numpy as np

        most, rows = self.spec.monitor.scorecard_rows, len(judged.rows)
        if rows <= most:
            return np.arange(rows)
        seed = [self.spec.train.seed, int(judged.quality.start.timestamp())]
        return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))

    def _classes(self, members: Sequence[Member]) -> tuple[Any, ...]:
        import numpy as np

        if self.spec.task == "regression" or not members:
            return ()
        known = [np.asarray(self.models.load(member.model).classes_) for member in members]
        return tuple(np.unique(np.concatenate(known)).tolist())

    def _ask(self, member: Member, rows: pd.DataFrame, times: pd.Series, classes: tuple[Any, ...]) -> np.ndarray:
        """Return a member's outputs; not a number for rows that it may have trained on."""
        import numpy as np

        from airflow_mlops.stages.committee import link_of

        model = self.models.load(member.model)
        if classes and not hasattr(model, "predict_proba"):
            raise SignalsUnusable(
                f"model {member.id} gives labels only, and versions are weighed by their probabilities; name an "
                "estimator with predict_proba in train.estimator."
            )
        said = np.full((len(rows), len(classes)) if self.spec.task == "multiclass" else len(rows), np.nan)
        new = (times >= member.holdout_start).to_numpy()
        if new.any():
            try:
                said[new] = link_of(model, rows.loc[new, self.spec.features.columns], self.spec.task, classes)
            except (ValueError, TypeError) as error:
                raise SignalsUnusable(
                    f"model {member.id} cannot answer {int(new.sum())} labelled rows ({type(error).__name__}: {error})."
                ) from error
        return said

    def _loss(self, quality: Quality, target: np.ndarray, output: np.ndarray, served: np.ndarray) -> VersionLoss | None:
        import numpy as np

        from airflow_mlops.stages.links import losses_of

        losses = losses_of(self.spec.task, target, output, quality.metric)
        counted = np.isfinite(losses)
        if not counted.any() or quality.loss is None:
            return None
        if len(losses) == quality.labelled and counted.all():
            return VersionLoss(float(losses.mean()), len(losses))
        return VersionLoss(quality.loss + float((losses - served)[counted].mean()), int(counted.sum()))

    def _store(
        self,
        quality: Quality,
        rows: pd.DataFrame,
        times: pd.Series,
        target: np.ndarray,
        outputs: Mapping[str, np.ndarray],
        classes: tuple[Any, ...],
    ) -> dict[str, Any]:
        import pyarrow as pa

        frame = self._frame(rows, times, target, outputs, classes)
        payload = encode_table(pa.Table.from_pandas(frame, preserve_index=False))
        digest = digest_bytes(payload)
        folder = self.store.uri(self.spec.name, "scorecards", digest[:_KEY_LENGTH])
        if self.store.manifest(folder) is None:
            self.store.write_bytes(f"{folder}/data.parquet", payload)
            facts = {
                "start": quality.start.isoformat(),
                "end": quality.end.isoformat(),
                "members": list(outputs),
                "classes": list(classes),
                "rows": len(frame),
                "labelled": quality.labelled,
                "maturity": quality.maturity,
                "digest": digest,
            }
            self.store.complete(folder, facts)
        return {"uri": folder, "digest": digest, "members": list(outputs), "rows": len(frame)}

    def _frame(
        self,
        rows: pd.DataFrame,
        times: pd.Series,
        target: np.ndarray,
        outputs: Mapping[str, np.ndarray],
        classes: tuple[Any, ...],
    ) -> pd.DataFrame:
        import pandas as pd

        from airflow_mlops.loop.labels import row_ids

        data = self.spec.data
        table: dict[str, Any] = {
            "id": row_ids(rows, [name for name in data.key if name not in data.sensitive], data.time),
            "time": times.dt.tz_convert("UTC").array,
            "target": target,
        }
        for name, said in outputs.items():
            for place, column in enumerate(_columns(name, classes, self.spec.task)):
                table[column] = said[:, place] if said.ndim == 2 else said
        return pd.DataFrame(table)


def coded(target: np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """Give classes their places as numbers; not a number for one that is not among them. A regression's stay."""
    import numpy as np

    if not classes:
        return target.astype("float64")
    places = {label: place for place, label in enumerate(classes)}
    return np.array([places.get(label, np.nan) for label in target.tolist()], dtype="float64")


def _columns(member: str, classes: Sequence[Any], task: str) -> list[str]:
    return [f"{OUTPUT}{member}:{label}" for label in classes] if task == "multiclass" else [f"{OUTPUT}{member}"]
