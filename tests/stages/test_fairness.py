"""Groups are compared by fairlearn's measures; a gap fails when it is shown, and is a risk when it only looks wide."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

from airflow_mlops.errors import GateMisuse
from airflow_mlops.spec.gate_sections import Fairness
from airflow_mlops.stages.evaluate.fairness import fairness_checks
from airflow_mlops.stages.evaluate.predictions import Predictions

RATES = {
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
}


def says(labels):
    """Return predictions of a binary classification that gives these labels."""
    return Predictions(np.asarray(labels), (0, 1), np.column_stack([1 - labels, labels]).astype(float))


def checks(group, target, challenger, champion=None, **settings):
    """Compare the groups of one column."""
    predictions = {"challenger": says(challenger)} | ({} if champion is None else {"champion": says(champion)})
    losses = {name: (each.labels != target).astype(float) for name, each in predictions.items()}
    blocks = settings.pop("blocks", None)
    return fairness_checks(
        {"sex": group}, target, predictions, losses, settings=Fairness(columns=["sex"], **settings), blocks=blocks
    )


def rows(n=2000, seed=0):
    """Return groups, a target that they share, and predictions that are right nine times in ten."""
    rng = np.random.default_rng(seed)
    group, target = rng.choice(["f", "m", "x"], n), rng.integers(0, 2, n)
    return group, target, np.where(rng.random(n) < 0.9, target, 1 - target)


def test_the_measures_of_each_group_are_those_of_fairlearn():
    group, target, said = rows()

    for found, (name, rate) in zip(checks(group, target, said, measures=tuple(RATES)), RATES.items(), strict=True):
        frame = MetricFrame(metrics=rate, y_true=target, y_pred=said, sensitive_features=group)
        assert found.name == f"fairness: sex, {name}"
        assert {key: each["challenger"] for key, each in found.detail["groups"].items()} == pytest.approx(
            frame.by_group.to_dict()
        )
        assert found.value == pytest.approx(frame.difference(method="between_groups"))


def test_a_gap_that_the_champion_has_not_fails_and_says_between_whom():
    group, target, said = rows()
    unfair = np.where((group == "f") & (np.arange(2000) % 2 == 0), 0, said)

    (found,) = checks(group, target, unfair, said, measures=("selection_rate",))

    assert found.verdict == "fail"
    assert found.sentence.endswith("shown to be wider by more than 0.05: look at what these rows lack")
    assert ", f 0.2" in found.sentence


def test_the_same_gap_as_the_champions_passes():
    group, target, said = rows()
    unfair = np.where((group == "f") & (np.arange(2000) % 3 == 0), 0, said)

    (found,) = checks(group, target, unfair, unfair, measures=("selection_rate",))

    assert (found.verdict, found.risk) == ("pass", None)
    assert found.value == found.detail["champion_gap"]


def test_a_gap_that_only_looks_wider_is_a_risk():
    group, target, said = rows(240)
    unfair = np.where((group == "f") & (np.arange(240) % 8 == 0), 0, said)

    (found,) = checks(group, target, unfair, said, measures=("selection_rate",), margin=0.0)

    assert (found.verdict, found.risk) == ("pass", "fairness")
    assert "not shown to be" in found.sentence


def test_a_gap_beyond_the_limit_fails_without_a_champion():
    group, target, said = rows()
    unfair = np.where(group == "f", 0, said)

    (found,) = checks(group, target, unfair, measures=("selection_rate",), limit=0.2)

    assert found.verdict == "fail"
    assert "wider than 0.2, the most that is allowed" in found.sentence


def test_small_groups_are_left_out_and_named():
    group, target, said = rows()
    group[:7] = "y"

    (found,) = checks(group, target, said)

    assert found.detail["left_out"] == {"y": 7}
    assert found.sentence.endswith("too small to count: y (7 rows)")


def test_of_many_small_groups_the_largest_are_named():
    group, target, said = rows()
    group = np.where(np.arange(2000) < 900, np.char.add("g", (np.arange(2000) % 60).astype(str)), group.astype("U3"))

    (found,) = checks(group, target, said)

    assert len(found.detail["left_out"]) == 60
    assert found.sentence.count(" rows)") == 8
    assert found.sentence.endswith(" and 52 more")


def test_the_limit_that_is_shown_is_the_narrower_one():
    group, target, said = rows()
    unfair = np.where(group == "f", 0, said)

    (found,) = checks(group, target, unfair, unfair, measures=("selection_rate",), limit=0.2)

    assert (found.verdict, found.limit) == ("fail", 0.2)


def test_one_group_is_said_and_is_no_error():
    group, target, said = rows()

    (found,) = checks(np.where(group == "f", "f", None), target, said)

    assert found.verdict == "pass"
    assert found.sentence == "loss of the groups of sex was not compared: only f has 50 rows"


def test_blocks_that_differ_widen_the_interval():
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(10), 200)
    group, target = rng.choice(["f", "m"], 2000), np.ones(2000, int)
    chance = 0.5 + 0.3 * rng.choice([-1, 1], 10)[block] * np.where(group == "f", 1, -1)
    said = (rng.random(2000) < chance).astype(int)

    alone, together = (checks(group, target, said, blocks=each)[0] for each in (None, block))

    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_rate_of_a_regression_is_refused():
    said = Predictions(np.zeros(200))
    settings = Fairness(columns=["sex"], measures=("true_positive_rate",))

    with pytest.raises(GateMisuse, match="'true_positive_rate', which a regression does not have; take 'loss'"):
        fairness_checks(
            {"sex": np.repeat(["f", "m"], 100)},
            np.zeros(200),
            {"challenger": said},
            {"challenger": np.ones(200)},
            settings=settings,
        )
