"""The estimator that answers for several trained models, and the scale on which it adds them up.

A committee is logged with its code, which therefore needs NumPy and scikit-learn and nothing of this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

# A class cannot have its bases imported inside a function; who needs this module imports it inside one.
import numpy as np  # noqa: TID253
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: TID253

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from sklearn.utils import Tags

CLIP = 0.001


def link_of(
    model: Any, frame: pd.DataFrame, task: Literal["binary", "multiclass", "regression"], classes: Sequence[Any] = (),
    clip: float = CLIP,
) -> np.ndarray:  # fmt: skip
    """Ask a model, and put its answers on the scale on which a committee adds.

    Histogram gradient boosting, and a committee, have such a score of their own, and it is taken as it is: only so is a
    committee of boosted trees the very same model as one that holds all the trees. The probabilities of any other model
    are clipped first, for a probability of zero would outvote everybody.

    Parameters
    ----------
    model : estimator
        Fitted; takes raw columns. A classifier has ``predict_proba``.
    frame : DataFrame of shape (n_rows, n_columns)
        Raw rows. Not modified.
    task : {"binary", "multiclass", "regression"}
        What it predicts.
    classes : sequence, optional
        Classes of the task; none for a regression. A class that the model never saw gets the probability ``clip``.
    clip : float, default 0.001
        Probabilities are kept between ``clip`` and ``1 - clip``.

    Returns
    -------
    ndarray of shape (n_rows,) or (n_rows, n_classes)
        Binary: log-odds of the second class. Multiclass: log-probabilities in the order of ``classes``. Regression: the
        predictions.
    """
    if task == "regression":
        return np.asarray(model.predict(frame), dtype="float64")
    scores = _own_scores(model, frame, classes)
    if scores is None:
        clipped = np.clip(_probabilities(model, frame, classes), clip, 1 - clip)
        return np.log(clipped[:, 1] / clipped[:, 0]) if task == "binary" else np.log(clipped)
    if task == "binary":
        return scores
    # Of two classes boosting gives one score, as in a binary task.
    return _log_shares(np.column_stack([np.zeros(len(scores)), scores]) if scores.ndim == 1 else scores)


def _own_scores(model: Any, frame: pd.DataFrame, classes: Sequence[Any]) -> np.ndarray | None:
    """Return log-odds, or log-probabilities up to a constant a row; None where a model has none in these classes."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    # A committee that was loaded is of a class of its own, made from the code in its file.
    is_committee = hasattr(last, "members") and hasattr(last, "link")
    if not is_committee and not isinstance(last, HistGradientBoostingClassifier):
        return None
    if last.classes_.tolist() != list(classes):
        return None
    return np.asarray(model.link(frame) if is_committee else model.decision_function(frame), dtype="float64")


def _probabilities(model: Any, frame: pd.DataFrame, classes: Sequence[Any]) -> np.ndarray:
    given = np.asarray(model.predict_proba(frame), dtype="float64")
    places = {label: place for place, label in enumerate(np.asarray(model.classes_).tolist())}
    columns = [given[:, places[label]] if label in places else np.zeros(len(given)) for label in classes]
    return np.column_stack(columns)


def _log_shares(scores: np.ndarray) -> np.ndarray:
    """Turn scores into the logarithms of shares that sum to one, without overflow."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


class Committee(BaseEstimator):
    """Trained models that answer together: the weighted mean of what they say, plus a correction.

    The mean is taken on the scale of `link_of`. The members are fitted; `fit` leaves everything as it is.

    Parameters
    ----------
    members : list of estimators
        Fitted; each takes raw columns.
    weights : list of float
        One a member, none below zero, their sum 1.
    task : {"binary", "multiclass", "regression"}
        What they predict.
    correction : float or list of float, default 0
        Added on that scale; in a multiclass task one number a class, in the order of ``classes_``.
    versions : list of str, optional
        Names of the members, for people.
    bound : float, optional
        The correction was kept within this; for people too.

    Attributes
    ----------
    feature_names_in_ : ndarray of str
        Raw columns that a member takes.
    n_features_in_ : int
        How many these are.
    """

    def __init__(
        self,
        members: list[Any],
        weights: list[float],
        *,
        task: Literal["binary", "multiclass", "regression"],
        correction: float | list[float] = 0.0,
        versions: list[str] | None = None,
        bound: float | None = None,
    ) -> None:
        self.members = members
        self.weights = weights
        self.task = task
        self.correction = correction
        self.versions = versions
        self.bound = bound

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Return the committee as it is: its members are fitted already."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return len(self.members) > 0

    def __sklearn_clone__(self) -> Self:
        # A clone of an unfitted estimator can be fitted again; a committee cannot, so it stays what it is.
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Raw columns that a member takes, the first member's first."""
        names = [name for member in self.members for name in member.feature_names_in_]
        return np.array(list(dict.fromkeys(names)), dtype=object)

    @property
    def n_features_in_(self) -> int:
        """How many raw columns the members take."""
        return len(self.feature_names_in_)

    def link(self, X: pd.DataFrame) -> np.ndarray:  # noqa: N803
        """Return the weighted mean of what the members say, plus the correction.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Raw rows.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes)
            Binary: log-odds of the second class. Multiclass: log-probabilities up to a constant a row. Regression: the
            predictions.
        """
        classes = [] if self.task == "regression" else self.classes_.tolist()
        said = [link_of(member, X, self.task, classes) for member in self.members]
        return np.tensordot(np.asarray(self.weights), np.asarray(said), axes=1) + np.asarray(self.correction)


class CommitteeClassifier(ClassifierMixin, Committee):
    """A committee of classifiers.

    Attributes
    ----------
    classes_ : ndarray
        Every class that a member knows, sorted.
    """

    @property
    def classes_(self) -> np.ndarray:
        """Every class that a member knows, sorted."""
        return np.unique(np.concatenate([np.asarray(member.classes_) for member in self.members]))

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:  # noqa: N803
        """Return the probability of each class, in the order of ``classes_``.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Raw rows.
        """
        link = self.link(X)
        if self.task == "multiclass":
            return np.exp(_log_shares(link))
        second = np.exp(-np.logaddexp(0, -link))
        return np.column_stack([1 - second, second])

    def predict(self, X: pd.DataFrame) -> np.ndarray:  # noqa: N803
        """Return the most probable class of each row.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Raw rows.
        """
        link = self.link(X)
        return self.classes_[link.argmax(axis=1) if self.task == "multiclass" else (link > 0).astype(int)]


class CommitteeRegressor(RegressorMixin, Committee):
    """A committee of regressions."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:  # noqa: N803
        """Return the predictions.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Raw rows.
        """
        return self.link(X)
