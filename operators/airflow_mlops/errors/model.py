"""Errors about models: made, judged, put together."""

from __future__ import annotations

from airflow_mlops.errors.base import Permanent


class TransformerUnusable(Permanent):
    """Derivations or transformer fail on the training rows, or give something no estimator takes."""


class EstimatorUnusable(Permanent):
    """The estimator of a spec cannot be made, or refuses the data."""


class ModelUnusable(Permanent):
    """A stored model cannot be loaded, or does not predict what it predicted when it was trained."""


class GateMisuse(Permanent):
    """The gate was asked for a loss it does not know, or for rows that do not belong together."""


class NothingToCompare(Permanent):
    """Two windows have no column that can be compared, or there is no window to compare with."""


class SignalsUnusable(Permanent):
    """Signals, or what they are measured from, are not what the loop can decide on."""


class HistoryUnusable(Permanent):
    """A history cannot be replayed, or what was made of it is not there or not complete."""


class CommitteeUnusable(Permanent):
    """Trained versions cannot be put together into one committee."""


class CalibrationUnusable(Permanent):
    """Past windows give no thresholds; the sentence says why, and what would."""


class ReproductionImpossible(Permanent):
    """What a version was trained from is gone or changed, so nothing can be said of its training."""


class ReproductionDiffers(Permanent):
    """A version was trained again from what was recorded, and predicts something else."""
