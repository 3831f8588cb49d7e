"""A card says in plain words who answers, and what the correction does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_mlops.stages.card import (
    Approval,
    CardFacts,
    Judgement,
    MemberFacts,
    Training,
    VersionFacts,
    committee_card,
    render_card,
    short_card,
    write_card,
)
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


# The whole card


def spec_of(*columns, **params):
    features = {"columns": list(columns), "sensitive": {"sex": "the law asks for it"} if "sex" in columns else {}}
    data = {"target": "late", "sensitive": ["sex"]}
    return {"task": "binary", "owner": "us", "data": data, "features": features, "train": {"params": params}}


def version_of(number, *columns, rows=100, seed=1, members=None, checks=(), champion=None, **params):
    training = Training("a.Forest", rows, {"now": f"2013-0{number}-01"}, params, seed, {}, spec_of(*columns, **params))
    ref = {"verdict": "pass", "reasons": [each["sentence"] for each in checks], "champion_version": champion}
    scores = {"challenger": {"log_loss": 0.3}, "champion": {"log_loss": 0.4}} if champion else {}
    judged = Judgement(ref, {"gate": {"checks": list(checks), "metric": "log_loss"}, "scores": scores})
    return VersionFacts(number, f"m{number}", "ab" * 32, training, members or {}, judged)


def check(name, verdict="pass", sentence="it is so", group="fairness"):
    return {"name": name, "group": group, "verdict": verdict, "sentence": sentence, "value": 0.1, "low": -0.2,
            "high": 0.3, "limit": 0.05, "rows": 50}  # fmt: skip


@pytest.fixture
def facts():
    before = version_of("1", "temp", "wind", depth=2, checks=[check("coverage"), check("leak")])
    found = [
        check("coverage", "fail"),
        check("leak"),
        check("fairness: sex, loss", sentence="sex = F loses more than M"),
    ]
    now = version_of("2", "temp", "sex", rows=250, depth=3, members={"m1": 0.6, "m2": 0.4}, checks=found, champion="1")
    return CardFacts("flights", now, before, approval=Approval("approved", ("anna", "bo"), "as agreed", ("fairness",)))


def test_it_says_what_changed_since_the_champion(facts):
    card = write_card(facts)

    assert "## What changed since version 1" in card
    for line in (
        "columns added: sex",
        "columns removed: wind",
        "parameter depth: 2 before, 3 now",
        "rows trained on: 100 before, 250 now",
        "trained as of: 2013-01-01 before, 2013-02-01 now",
        "weight of model m2: 0 % before, 40 % now",
        "log_loss on the same rows: 0.4 before, 0.3 now",
        "check coverage: pass before, fail now",
    ):
        assert f"- {line}\n" in card
    assert "check leak" not in card


def test_values_of_a_sensitive_column_are_nowhere_in_it(facts):
    card = write_card(facts)

    assert "sex = F" not in card
    assert "fairness: sex, loss | fairness | pass | 0.1 (-0.2 to 0.3) | 0.05 | 50 | about a sensitive column" in card
    assert "| sex | yes | the law asks for it |" in card


def test_it_says_who_approved_and_why(facts):
    assert "Approved (anna, bo): as agreed. Risks: fairness." in write_card(facts)


def test_of_what_is_not_known_it_says_so(facts):
    plain = VersionFacts("3", "m3", "not known", Training("not known", 0, {}))
    card = write_card(CardFacts("flights", plain))

    assert "Nothing is recorded of how it was judged." in card
    assert "Not known: nothing is recorded of what it was judged against." in card
    lost = write_card(CardFacts("flights", facts.subject))
    assert "Not known: nothing is recorded of version 1." in lost


def test_its_start_fits_mlflow_in_whole_sections(facts):
    many = [check(f"guard {number}", sentence="words " * 60, group="guard") for number in range(60)]
    short = short_card(CardFacts("flights", version_of("2", "temp", checks=many)), "2-abc")

    assert len(write_card(CardFacts("flights", version_of("2", "temp", checks=many)))) > 5000
    assert len(short) <= 5000
    assert short.endswith("The whole card, 2-abc, is `model_card.md` and `model_card.html` of the run.\n")
    assert "## What it is" in short


def test_what_people_wrote_is_neither_a_tag_nor_a_picture_nor_a_cell_of_its_own(facts):
    facts.subject.training.spec["description"] = "<script>x</script> ![p](http://a/b.png) a|b [l](javascript:x) __d__"
    markdown = write_card(facts)
    page = render_card(markdown, b"<svg/>")

    assert "<script" not in page
    assert page.count("<img") == 1
    assert "<a " not in page
    assert "&lt;script&gt;x&lt;/script&gt; ![p](http://a/b.png) a|b [l](javascript:x) __d__</td>" in page
    picture = page.index("data:image/svg+xml;base64,PHN2Zy8+")
    assert page.index("<h2>Checks</h2>") < picture < page.index("<h2>Metrics</h2>")
