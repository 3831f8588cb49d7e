"""Encoders of categories: codes, indicators, and the average target of each value."""

from __future__ import annotations

from typing import Any

# Histogram gradient boosting keeps at most this many categories apart.
MAX_CATEGORIES = 254


def target_encoder(*, task: str, seed: int = 0) -> Any:
    """Make a transformer for columns of many categories: each value becomes what its rows' target was on average.

    A rare value is drawn towards the average of all rows, and an unknown one is that average. In a classification of
    several classes a column becomes one number a class. A training row is encoded by the four fifths of the rows that
    it is not among, or it would tell its own target. Numbers count as categories too.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
        Given by `build_features`.
    seed : int
        Given by `build_features`; seeds the fifths.

    Returns
    -------
    TargetEncoder
        Not fitted; gives a pandas frame.

    References
    ----------
    scikit-learn User Guide, "Target Encoder": smoothing and cross fitting.
    """
    import sklearn
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    target_type = {"binary": "binary", "multiclass": "multiclass", "regression": "continuous"}[task]
    make = KFold if task == "regression" else StratifiedKFold
    # Since 1.9 scikit-learn wants folds in place of their seed.
    takes_folds = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)
    folds = {"cv": make(5, shuffle=True, random_state=seed)} if takes_folds else {"random_state": seed}
    return TargetEncoder(target_type=target_type, **folds).set_output(transform="pandas")


def codes() -> Any:
    """Make an encoder for trees: each value becomes a number of its own, an unknown one and a null become NaN."""
    import numpy as np
    from sklearn.preprocessing import OrdinalEncoder

    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)


def indicators() -> Any:
    """Make an encoder for linear models: a column for each of the 50 most frequent values, and one for all others."""
    from sklearn.preprocessing import OneHotEncoder

    return OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=50, sparse_output=False)
