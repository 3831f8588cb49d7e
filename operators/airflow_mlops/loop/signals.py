"""What the monitor measured of a served model at one moment: the facts a decision rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.loop.bake import Against
from airflow_mlops.loop.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from airflow_mlops.loop.labels import Labelled

# "missing": ingest or validate ended before there was a verdict.
DataCheck = Literal["passed", "warning", "failed", "missing"]


@dataclass(frozen=True, slots=True)
class VersionLoss:
    """Mean loss of one version in a window, over so many labelled predictions."""

    loss: float
    rows: int


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the served predictions of one labelled window were.

    ``start`` is included, ``end`` is not. ``rows`` counts predictions, ``labelled`` those whose label was known, and
    ``maturity`` is their share, 0 where there are no predictions. ``loss`` is the mean over the labelled ones and
    ``error`` its standard error; None where there are none. ``by_member`` has what each trained version would have lost
    in place of what was served, by model id: of those that have trained on none of these rows. ``scorecard`` names the
    artifact with their answers: uri, digest, members. ``against`` has what the version before would have lost, within
    the bake window of a promotion.
    """

    start: datetime
    end: datetime
    metric: str
    rows: int
    labelled: int
    maturity: float
    loss: float | None
    by_version: dict[str, VersionLoss]
    error: float | None = None
    by_member: dict[str, VersionLoss] = field(default_factory=dict)
    scorecard: dict[str, Any] | None = None
    against: Against | None = None

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON; times are ISO 8601."""
        plain = asdict(self) | {"start": self.start.isoformat(), "end": self.end.isoformat()}
        if self.against is not None:
            plain["against"]["days"] = list(plain["against"]["days"])
        return plain

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote; an older one has no members."""
        losses = {
            name: {key: VersionLoss(**found) for key, found in value.get(name, {}).items()}
            for name in ("by_version", "by_member")
        }
        times = {name: datetime.fromisoformat(value[name]) for name in ("start", "end")}
        against = Against.from_dict(value["against"]) if value.get("against") else None
        return cls(**{**value, **times, **losses, "against": against})


@dataclass(frozen=True, slots=True)
class Drift:
    """What the drift stage said: ``share`` of compared columns, and the ``columns`` that moved, the farthest first."""

    verdict: Literal["drifted", "stable"]
    share: float
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictionDrift:
    """What the drift stage said of the predictions; ``method`` and ``score`` as in its `ColumnDrift`."""

    verdict: Literal["drifted", "stable"]
    method: str
    score: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Signals:
    """Everything one look of the monitor measured.

    Attributes
    ----------
    now : datetime
        The moment the look is made at, event time, with a zone.
    epoch : int
        How often the champion had moved; 0 before the first.
    champion_version : str or None
        Who serves.
    data_check : {"passed", "warning", "failed", "missing"}
        Verdict on the look's rows; ``missing`` where ingest or validate ended without one.
    data_check_reasons : tuple of str
        What failed, as sentences.
    drift, prediction_drift
        None where they were not measured.
    quality : Quality or None
        Of the window whose labels have become due; None where there was nothing to measure.
    age_days : float or None
        Since the champion's promotion.
    problems : tuple of str
        What could not be measured, and why, as sentences.
    reopened : tuple of Quality
        Earlier windows that were measured again, oldest first: more of their labels may have arrived, or a version was
        trained that had not been asked about them.
    measured : dict of str to Signal
        The facts of this look with the verdict on each, by name.
    """

    now: datetime
    epoch: int
    champion_version: str | None
    data_check: DataCheck
    data_check_reasons: tuple[str, ...] = ()
    drift: Drift | None = None
    prediction_drift: PredictionDrift | None = None
    quality: Quality | None = None
    age_days: float | None = None
    problems: tuple[str, ...] = ()
    reopened: tuple[Quality, ...] = ()
    measured: dict[str, Signal] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON; times are ISO 8601."""
        plain = asdict(self) | {"now": self.now.isoformat(), "data_check_reasons": list(self.data_check_reasons)}
        plain["problems"] = list(self.problems)
        plain["reopened"] = [quality.to_dict() for quality in self.reopened]
        plain["measured"] = {name: signal.to_dict() for name, signal in self.measured.items()}
        if self.drift is not None:
            plain["drift"]["columns"] = list(self.drift.columns)
        if self.quality is not None:
            plain["quality"] = self.quality.to_dict()
        return plain

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote, exactly; facts that an older event does not have are taken as not measured.

        Raises
        ------
        SignalsUnusable
            It is something else.
        """
        try:
            drift, prediction, quality = (value.get(name) for name in ("drift", "prediction_drift", "quality"))
            return cls(
                now=datetime.fromisoformat(value["now"]),
                epoch=value["epoch"],
                champion_version=value.get("champion_version"),
                data_check=value.get("data_check", "missing"),
                data_check_reasons=tuple(value.get("data_check_reasons", ())),
                drift=Drift(**{**drift, "columns": tuple(drift["columns"])}) if drift else None,
                prediction_drift=PredictionDrift(**prediction) if prediction else None,
                quality=Quality.from_dict(quality) if quality else None,
                age_days=value.get("age_days"),
                problems=tuple(value.get("problems", ())),
                reopened=tuple(Quality.from_dict(each) for each in value.get("reopened", ())),
                measured={name: Signal.from_dict(each) for name, each in value.get("measured", {}).items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SignalsUnusable(
                f"these are no signals as the monitor writes them ({type(error).__name__}: {error}); pass what "
                "Signals.to_dict returned."
            ) from error


def measure_quality(
    labelled: Labelled, losses: Sequence[float] | np.ndarray, *, metric: str, days: np.ndarray | None = None
) -> Quality:
    """Average the losses of a window's labelled predictions, over all and for each version that answered.

    Parameters
    ----------
    labelled : Labelled
        From `labels.join_labels`.
    losses : sequence of float of shape (labelled.labelled,)
        The loss of each row of ``labelled.frame``, in its order.
    metric : str
        Name of that loss.
    days : ndarray of int of shape (labelled.labelled,), optional
        The day of each row: rows of a day resemble each other, which the error of the loss takes into account.

    Raises
    ------
    SignalsUnusable
        There is not one loss for each labelled prediction, or one of them is no finite number.
    """
    import numpy as np

    from airflow_mlops.loop.clusters import mean_error

    each = np.asarray(losses, dtype="float64")
    if each.shape != (labelled.labelled,):
        raise SignalsUnusable(f"{each.size} losses for {labelled.labelled} labelled predictions; pass one for each.")
    if not np.isfinite(each).all():
        raise SignalsUnusable(
            f"{int((~np.isfinite(each)).sum())} of {each.size} losses ({metric}) are no finite numbers: the model "
            "predicted something that cannot be judged. Look at its predictions in this window."
        )
    versions = labelled.frame["version"].astype(str).to_numpy()
    return Quality(
        start=labelled.start,
        end=labelled.end,
        metric=metric,
        rows=labelled.rows,
        labelled=labelled.labelled,
        maturity=labelled.maturity,
        loss=float(each.mean()) if each.size else None,
        by_version={
            str(version): VersionLoss(float(each[versions == version].mean()), int((versions == version).sum()))
            for version in np.unique(versions)
        },
        error=mean_error(each, days) if each.size > 1 else None,
    )
