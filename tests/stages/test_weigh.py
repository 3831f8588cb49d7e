"""One model of several: what it is made of, and that it answers as they do together."""

from __future__ import annotations

import numpy as np
import pytest

from airflow_mlops.errors import CommitteeUnusable
from airflow_mlops.stages.committee import assemble_committee, link_of
from airflow_mlops.stages.weigh import weigh
from tests.stages.members import CORRECTIONS, WEIGHTS, asked, members


def test_one_version_alone_is_that_version():
    models = members("binary")

    found = weigh(models, {"3": 1.0, "5": 0.0}, task="binary")

    assert found.model is models["3"]
    assert (found.kind, found.weights, found.correction, found.trees) == ("trained", {"3": 1.0}, 0.0, None)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_committee_of_boosted_trees_is_one_model_that_answers_as_its_members_do(task):
    models, rows = members(task), asked(task)
    classes = () if task == "regression" else assemble_committee(models, task=task, weights=WEIGHTS).classes_.tolist()

    found = weigh(models, WEIGHTS, task=task, correction=CORRECTIONS[task], classes=classes, rows=rows.head(50))

    said = sum(WEIGHTS[name] * link_of(model, rows, task, classes) for name, model in models.items())
    together = said + np.array(CORRECTIONS[task])
    shift = np.log(np.exp(together).sum(axis=1, keepdims=True)) if task == "multiclass" else 0.0
    np.testing.assert_allclose(link_of(found.model, rows, task, classes), together - shift, atol=1e-6)
    assert (found.kind, found.weights, found.trees is not None) == ("committee", WEIGHTS, True)


def test_one_version_with_a_correction_is_a_version_of_its_own():
    models, rows = members("regression"), asked("regression")

    found = weigh(models, {"5": 1.0}, task="regression", correction=-4.5)

    assert (found.kind, found.correction) == ("corrected", -4.5)
    np.testing.assert_allclose(found.model.predict(rows), models["5"].predict(rows) - 4.5, atol=1e-6)


def test_a_correction_keeps_to_the_classes_of_the_members():
    models = {"3": members("multiclass")["3"]}
    own = models["3"].classes_.tolist()

    found = weigh(models, {"3": 1.0}, task="multiclass", correction=(0.4, *[0.0] * len(own)), classes=("new", *own))

    assert found.correction == [0.0] * len(own)


def test_a_correction_without_a_number_for_a_class_is_refused():
    models = {"3": members("multiclass")["3"]}
    own = models["3"].classes_.tolist()

    with pytest.raises(CommitteeUnusable, match=f"has no number for the class '{own[0]}'"):
        weigh(models, {"3": 1.0}, task="multiclass", correction=(0.0,) * (len(own) - 1), classes=own[1:])
