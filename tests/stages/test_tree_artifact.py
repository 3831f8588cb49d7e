"""A committee of boosted trees is one model that holds all their trees."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import FeatureUnion, Pipeline

from airflow_mlops.stages.committee import assemble_committee, link_of
from airflow_mlops.stages.model_file import dump_model, load_model
from airflow_mlops.stages.tree_artifact import as_one_model
from tests.stages.members import CORRECTIONS, TASKS, WEIGHTS, asked, committee_of, days, fit, members, spec_of

EVERY_TASK = pytest.mark.parametrize("task", TASKS)


def said(model, rows):
    return model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)


@EVERY_TASK
def test_one_model_of_all_trees_answers_as_the_committee_does(task):
    committee, rows = committee_of(task), asked(task)

    joined = as_one_model(committee)

    np.testing.assert_allclose(said(joined, rows), said(committee, rows), rtol=1e-9, atol=1e-9)
    assert (joined.predict(rows) == committee.predict(rows)).mean() == (1 if task != "regression" else pytest.approx(1, abs=1))
    trees = sum(len(member[-1]._predictors) for member in committee.members)
    assert joined[-1].n_iter_ == trees
