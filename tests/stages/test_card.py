"""A card says in plain words who answers, and what the correction does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_mlops.stages.card import MemberFacts, committee_card
from airflow_mlops.stages.committee import assemble_committee
from airflow_mlops.stages.tree_artifact import as_one_model, tree_count
from tests.stages.members import asked, committee_of, members

MEMBERS = [
    MemberFacts("12", 0.62, "mix", datetime(2013, 3, 1, 5, tzinfo=UTC)),
    MemberFacts("9", 0.38, "recent|all"),
]


def test_members_stand_with_weight_and_training():
    card = committee_card(MEMBERS, task="binary", target="late", reasons=["12 at 62%, 9 at 38%"])

    assert card.startswith("## Who answers\n\n2 versions together: the mean of their log-odds by these weights.")
    assert "| 12 | 62 % | 2013-03-01 05:00 | mix |\n| 9 | 38 % | not known | recent\\|all |" in card
    assert "**Correction.** None." in card
    assert card.endswith("**Why.**\n\n- 12 at 62%, 9 at 38%\n")


@pytest.mark.parametrize(
    ("task", "correction", "classes", "sentence"),
    [
        ("regression", -4.5, [], "Every prediction is lowered by 4.5, in the unit of `minutes`."),
        (
            "binary", 0.2, [0, 1],
            "The probability of `minutes` = 1 is raised for every row, from 10 % to 11.9 % and 50 % to 55 % for "
            "instance (+0.2 in log-odds).",
        ),
        (
            "multiclass", [0.3, -0.3], ["early", "late"],
            "equally probable, at 50 % each, they become: early 64.6 % (+0.3), late 35.4 % (-0.3).",
        ),
        ("multiclass", [0.0, 0.0], ["early", "late"], "**Correction.** None."),
    ],
    ids=["minutes", "probability", "shares", "none"],
)  # fmt: skip
def test_the_correction_is_told_in_units(task, correction, classes, sentence):
    assert sentence in committee_card(MEMBERS, task=task, target="minutes", correction=correction, classes=classes)


def test_the_probabilities_told_are_those_that_the_committee_moves_to():
    rows, alone = asked("binary"), members("binary")["5"]
    moved = assemble_committee({"5": alone}, task="binary", weights={"5": 1.0}, correction=0.2)
    nearest = abs(alone.predict_proba(rows)[:, 1] - 0.1).argmin()

    assert moved.predict_proba(rows)[nearest, 1] == pytest.approx(0.119, abs=0.002)


@pytest.mark.parametrize(("task", "trees"), [("binary", 36), ("multiclass", 144)])
def test_the_form_counts_the_trees(task, trees):
    count = tree_count(as_one_model(committee_of(task)))

    assert count == trees
    assert f"One model of {trees} trees" in committee_card(MEMBERS, task=task, target="late", trees=count)


def test_one_corrected_version_is_told_as_one():
    card = committee_card(MEMBERS[:1], task="regression", target="minutes", correction=2.0)

    assert "Version 12 alone." in card
    assert "A committee: the member's pipeline, with the code" in card
