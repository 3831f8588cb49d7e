"""Words a spec may use to which a stage gives the meaning; here, so that the linter knows them too."""

from __future__ import annotations

from typing import Literal, get_args

# A short name stands for a classifier and a regressor.
SHORT_NAMES = {
    "hist_gradient_boosting": (
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.ensemble.HistGradientBoostingRegressor",
    ),
    "linear": ("sklearn.linear_model.LogisticRegression", "sklearn.linear_model.Ridge"),
    "random_forest": ("sklearn.ensemble.RandomForestClassifier", "sklearn.ensemble.RandomForestRegressor"),
}

# What the scores table has beside key and time; classes add probability_<class>.
SCORE_COLUMNS = ("prediction", "version", "snapshot")

# Losses that have a value for each row, which the gate's bootstrap needs.
LOSSES = {
    "classification": ("log_loss", "brier", "zero_one"),
    "regression": ("mean_absolute_error", "mean_squared_error"),
}

# What of a challenger a person may want to see before it serves; docs/approval.md says how each is found.
Risk = Literal[
    "every_change",
    "every_training",
    "first_version",
    "new_columns",
    "new_estimator",
    "sensitive_columns",
    "fairness",
    "slice_drop",
    "budget_spent",
]

# What may go wrong with a model; docs/notifications.md says how each is noticed.
IncidentKind = Literal[
    "data blocked",
    "data missing",
    "stale data",
    "drift",
    "excess loss",
    "budget burn",
    "budget spent",
    "late run",
    "bake broken",
    "rolled back",
    "circuit open",
    "call",
    "hand change",
]

# Of what people may be told: incidents, and that somebody is asked.
Told = IncidentKind | Literal["approval"]

# What a rule of a policy may ask for; docs/signals.md says what each is.
SignalName = Literal[
    "age",
    "bake",
    "data_drift",
    "data_quality",
    "estimated_quality",
    "excess_loss",
    "freshness",
    "prediction_drift",
    "promotions_lately",
    "quality",
    "relative_age",
    "slo_burn",
    "trainings_without_gain",
]
SIGNALS: tuple[str, ...] = get_args(SignalName)


# How two samples of a column are compared, under Evidently's names for the methods.
DriftMethod = Literal[
    "wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "TVD", "ks", "chisquare", "z", "g_test"
]


def estimator_path(name: str, task: str) -> str:
    """Return the import path that ``train.estimator`` stands for: that of a short name, or what is written."""
    return SHORT_NAMES[name][task == "regression"] if name in SHORT_NAMES else name
