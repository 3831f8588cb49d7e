"""Train a version a second time, in memory, and hold what comes out against what was recorded of the first time."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.artifacts import digest_bytes, encode_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.sections import Window

# In the order in which one is made of the other: the first that differs is where to look.
PARTS = ("features", "holdout", "transformer", "model", "predictions")


@dataclass(frozen=True, slots=True)
class Retrained:
    """What a training gave: the model, digests of what it went through, and the libraries it ran on."""

    model: Any
    digests: dict[str, str]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How a version compares with the one that was trained again.

    Attributes
    ----------
    verdict : {"same", "different"}
        By the predictions. Bytes may differ where libraries do, and predict the same.
    largest_difference : float or None
        Of a prediction; None where the two answer in other shapes.
    golden_rows, holdout_rows : int
        Rows that were predicted by both.
    differs : tuple of str
        Parts of the chain, out of `PARTS`, that are not the same, in order.
    environment : dict of str to list
        Libraries of another version than then: [then, now]; None where it was not there.
    spec : {"recorded", "given"}
        Whether the spec was kept with the model, or had to be given.
    members : dict of str to Reproduction
        Of a committee, by model id.
    """

    verdict: Literal["same", "different"]
    largest_difference: float | None
    golden_rows: int
    holdout_rows: int
    differs: tuple[str, ...]
    environment: dict[str, list[str | None]]
    spec: Literal["recorded", "given"]
    members: dict[str, Reproduction] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return asdict(self)

    def sentence(self, name: str) -> str:
        """Say what was found of the version ``name``: "version 3 of flights"."""
        libraries = ", ".join(f"{key} {then or 'none'} then, {now or 'none'} now" for key, (then, now) in
                              sorted(self.environment.items()))  # fmt: skip
        beside = f"; {libraries}" if libraries else ""
        rows = f"{self.golden_rows} golden and {self.holdout_rows} held-out rows"
        if self.verdict == "same":
            bytes_too = "every byte" if not self.differs else f"predictions (not the bytes of its {self.differs[0]})"
            return f"{name}, trained again, is the same in {bytes_too}: {rows}, {self._gap()}{beside}."
        return (
            f"{name}, trained again, predicts something else on {rows}: {self._gap()}. The first part that differs is "
            f"its {self.differs[0]}{beside}. See docs/reproduce.md for what can be the cause."
        )

    def _gap(self) -> str:
        if self.largest_difference is None:
            return "the answers cannot be compared"
        return f"largest difference {self.largest_difference:.3g}"


def train_again(
    rows: Sequence[pd.DataFrame],
    labels: Sequence[pd.DataFrame],
    *,
    spec: ModelSpec,
    now: datetime,
    window: Window,
) -> Retrained:
    """Do what *features* and *train* do, without storing anything.

    Tables, transformer and model go through their stored form, as they do between the stages.

    Parameters
    ----------
    rows, labels : sequence of DataFrame
        The snapshots, in order. Not modified.
    spec : ModelSpec
        As it was.
    now : datetime
        The moment the training stood at.
    window : {"all", "recent", "mix"}
        Which rows it took.

    Raises
    ------
    Permanent
        The training cannot be done with this spec or these rows; see `assemble`, `build_features` and `train`.
    """
    from airflow_mlops.stages.features import build_features, fitted_frame
    from airflow_mlops.stages.model_file import dump_model, load_model
    from airflow_mlops.stages.train import train
    from airflow_mlops.stages.training_set import assemble

    chosen = assemble(rows, labels, spec=spec, now=now, window=window)
    matrix = build_features(chosen.training, spec=spec)
    frame = fitted_frame(matrix, chosen.training[spec.data.target], chosen.weights)
    features, holdout = (_stored(each) for each in (frame, chosen.holdout))
    transformer, form = dump_model(matrix.transformer)
    trained = train(
        _read(features), transformer=load_model(transformer, form), spec=spec, categorical=matrix.categorical
    )
    payload, model_form = dump_model(trained.model)
    made = {"features": features, "holdout": holdout, "transformer": transformer, "model": payload}
    digests = {name: digest_bytes(each) for name, each in made.items()}
    return Retrained(load_model(payload, model_form), digests, trained.report.environment)


def differing(recorded: Mapping[str, str | None], found: Mapping[str, str]) -> tuple[str, ...]:
    """Name the parts whose digest is another one now, in order; a part of which none was kept is left out."""
    return tuple(name for name in PARTS if name in found and recorded.get(name) not in (None, found[name]))


def other_versions(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[str | None]]:
    """Return what is of another version in two environments."""
    names = sorted(then.keys() | now.keys()) if then else ()
    return {name: [then.get(name), now.get(name)] for name in names if then.get(name) != now.get(name)}


def _stored(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa

    return encode_table(pa.Table.from_pandas(frame, preserve_index=False))


def _read(payload: bytes) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(payload)).to_pandas()
