"""Drift scores against Evidently's own, on real flights; what Evidently cannot score; and the page."""

from __future__ import annotations

import json
import socket

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.errors import MissingColumns, MissingExtra
from airflow_mlops.spec.data_sections import DriftSpec
from airflow_mlops.stages.drift import drift, render_page
from airflow_mlops.stages.profile import profile_table
from airflow_mlops.stages.profile.measure import measure

COLUMNS = [
    "carrier", "origin", "dest", "distance", "sched_dep_time", "sched_arr_time", "weekday", "temp", "dewp", "humid",
    "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib", "late",
]  # fmt: skip


@pytest.fixture(scope="module")
def winter(january):
    return january.select(COLUMNS).to_pandas()


@pytest.fixture(scope="module")
def summer(july):
    return july.select(COLUMNS).to_pandas()


def evidently_scores(reference, current):
    """Run Evidently's own preset; return the score and drift flag of each column, and the share of drifted ones."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    metrics = Report([DataDriftPreset()]).run(current, reference).dict()["metrics"]
    scores = {m["config"]["column"]: m["value"] for m in metrics if "column" in m["config"]}
    return scores, metrics[0]["value"]


def profiled(frame):
    return profile_table(pa.Table.from_pandas(frame, preserve_index=False))


def compare(reference, current, columns=None, *, predictions=None, sensitive=(), **spec):
    answers = predictions and tuple(measure("prediction", pa.array(side)) for side in predictions)
    return drift(
        profiled(reference),
        profiled(current),
        list(reference.columns) if columns is None else columns,
        DriftSpec(**spec),
        predictions=answers,
        sensitive=sensitive,
    )


def by_name(report):
    return {column.column: column for column in report.columns}


@pytest.mark.parametrize(
    ("reference_rows", "current_rows"), [(None, None), (1001, 300), (1000, 3000), (400, 400), (30, 250)]
)
def test_scores_and_share_equal_evidentlys(winter, summer, reference_rows, current_rows):
    reference = winter if reference_rows is None else winter.sample(reference_rows, random_state=1)
    current = summer if current_rows is None else summer.sample(current_rows, random_state=2)
    scores, counts = evidently_scores(reference, current)

    report = compare(reference, current, list(scores))

    assert {c.column: c.score for c in report.columns} == pytest.approx(scores, abs=1e-6)
    assert (len(report.drifted), report.share) == (counts["count"], pytest.approx(counts["share"]))


def test_every_method_of_evidentlys_defaults_is_used(winter, summer):
    large = compare(winter, summer)
    small = compare(winter.head(900), summer.head(900))

    assert {column.method for column in large.columns} == {"wasserstein", "jensenshannon"}
    assert {column.method for column in small.columns} == {"ks", "chisquare", "z"}


def test_rows_without_value_do_not_make_a_reference_large(winter, summer):
    sparse = winter.assign(temp=winter["temp"].where(np.arange(len(winter)) < 500))

    found = by_name(compare(sparse, summer))["temp"]

    assert (found.method, found.reference_rows) == ("ks", sparse["temp"].count())
    assert found.score == pytest.approx(evidently_scores(sparse[["temp"]], summer[["temp"]])[0]["temp"])


def test_infinite_values_are_left_out_as_nulls_are(winter, summer):
    current = summer.assign(temp=summer["temp"].mask(summer.index % 10 == 0, np.inf))

    found = by_name(compare(winter, current))["temp"]

    assert found.score == pytest.approx(evidently_scores(winter[["temp"]], current[["temp"]])[0]["temp"])


@pytest.mark.parametrize("rows", [50, 2000])
def test_constant_columns_are_scored_as_evidently_does(rows):
    reference = pd.DataFrame({"same": [1.0] * rows, "moved": [1.0] * rows, "word": ["a"] * rows, "flag": [True] * rows})
    current = pd.DataFrame({"same": [1.0] * 40, "moved": [2.0] * 40, "word": ["b"] * 40, "flag": [True] * 40})
    scores, _ = evidently_scores(reference, current)

    report = compare(reference, current)

    assert {c.column: c.score for c in report.columns} == pytest.approx(scores, abs=1e-6)
    assert [c.column for c in report.columns if c.drifted] == ["moved", "word"]


def test_the_same_rows_do_not_drift(winter):
    report = compare(winter, winter)

    assert report.verdict == "stable"
    assert report.drifted == ()


def test_the_order_of_rows_does_not_matter(winter, summer):
    shuffled = summer.sample(frac=1, random_state=3)

    scores = {name: column.score for name, column in by_name(compare(winter, summer)).items()}
    assert {name: c.score for name, c in by_name(compare(winter, shuffled)).items()} == pytest.approx(scores)


def test_the_frames_are_left_as_they_were(winter, summer):
    before = winter.copy(), summer.copy()

    compare(winter, summer)

    pd.testing.assert_frame_equal(winter, before[0])
    pd.testing.assert_frame_equal(summer, before[1])


# What Evidently cannot score


@pytest.mark.parametrize("empty", [np.nan, None])
@pytest.mark.parametrize(("side", "words"), [("reference", "in the reference"), ("current", "in the current window")])
def test_a_column_without_values_is_a_finding_and_not_a_crash(winter, summer, empty, side, words):
    frames = {"reference": winter[["temp", "dewp"]], "current": summer[["temp", "dewp"]]}
    frames[side] = frames[side].assign(temp=pd.Series([empty] * len(frames[side]), dtype=float if empty else object))

    report = compare(frames["reference"], frames["current"])

    found = by_name(report)["temp"]
    assert (found.method, found.score, found.drifted) == ("null", None, False)
    assert report.findings == (f"temp has no value {words}",)
    assert [column.column for column in report.compared] == ["dewp"]
    assert report.share == 1.0


def test_free_text_is_not_compared_and_says_so(winter, summer):
    reference = winter[["temp"]].assign(note=[f"note {row}" for row in range(len(winter))])
    current = summer[["temp"]].assign(note=[f"remark {row}" for row in range(len(summer))])

    report = compare(reference, current)

    assert by_name(report)["note"].method == "none"
    assert report.findings == ("note holds text values, which are not compared",)


def test_a_number_that_became_text_is_a_finding(winter, summer):
    report = compare(winter[["temp", "dewp"]].astype({"temp": str}), summer[["temp", "dewp"]])

    assert report.findings == ("temp was string in the reference and is double now",)


def test_names_in_a_window_of_few_rows_are_not_taken_for_text(winter, summer):
    few = summer.drop_duplicates("dest").head(12)

    assert by_name(compare(winter, few))["dest"].method == "jensenshannon"


def test_a_missing_column_is_named(winter, summer):
    with pytest.raises(MissingColumns, match="the current snapshot has no column 'temp'; it has 'carrier'"):
        compare(winter, summer.drop(columns="temp"))


def test_nothing_to_compare_is_not_called_stable(winter, summer):
    empty = winter[["temp"]].assign(temp=np.nan)

    report = compare(empty, summer, ["temp"])

    assert (report.verdict, report.share, report.columns[0].verdict) == ("not enough data", 0.0, "not enough data")


# Verdict


def test_the_verdict_follows_the_share_of_the_spec(winter, summer):
    share = compare(winter, summer).share

    assert compare(winter, summer, share=share).verdict == "drifted"
    assert compare(winter, summer, share=share + 0.01).verdict == "stable"


def test_a_threshold_of_ones_own_leaves_evidentlys_verdict_visible(winter, summer):
    found = by_name(compare(winter, summer, threshold=100.0))["temp"]

    assert (found.drifted, found.threshold, found.exceeds_evidently_default) == (False, 100.0, True)


def test_the_columns_of_the_spec_are_the_ones_compared(winter, summer):
    report = drift(profiled(winter), profiled(summer), COLUMNS, DriftSpec(columns=["temp", "carrier"]))

    assert [column.column for column in report.columns] == ["temp", "carrier"]


def test_predictions_are_scored_beside_the_columns_and_not_in_the_share(winter, summer):
    answers = np.linspace(0, 0.5, len(winter)), np.linspace(0.5, 1, 200)

    alone = compare(winter, summer)
    report = compare(winter, summer, predictions=answers)

    assert (report.prediction.method, report.prediction.drifted) == ("wasserstein", True)
    assert report.share == alone.share
    scores, _ = evidently_scores(pd.DataFrame({"p": answers[0]}), pd.DataFrame({"p": answers[1]}))
    assert report.prediction.score == pytest.approx(scores["p"])


def test_the_farthest_column_comes_first_whatever_its_method(winter, summer):
    severities = [column.severity for column in compare(winter.head(900), summer).worst]

    assert severities == sorted(severities, reverse=True)


def test_a_report_is_json(winter, summer):
    report = compare(winter, summer.assign(temp=np.nan))

    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["verdict"] == report.verdict


# Page


def page(winter, summer, *, sensitive=(), rows=300, columns=COLUMNS, predictions=None):
    report = compare(winter, summer, columns, sensitive=sensitive, predictions=predictions)
    return render_page(report, winter, summer, model="flights", rows=rows, seed=7, predictions=predictions)


def test_the_page_says_what_it_is_drawn_from(winter, summer):
    html = page(winter, summer)

    assert f"Scores and verdict: all {len(winter):,} reference rows and {len(summer):,} current rows" in html
    assert "a random sample of 300 reference rows and 300 current rows" in html


def test_the_page_shows_the_scores_of_all_rows(winter, summer):
    score = by_name(compare(winter, summer))["temp"].score

    assert f'"drift_score": {round(score, 6)}' in page(winter, summer)


def test_the_same_report_gives_the_same_page(winter, summer):
    assert page(winter, summer) == page(winter, summer)


def test_the_page_needs_no_network(winter, summer, monkeypatch):
    def refuse(*_):
        raise AssertionError("the page opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    html = page(winter, summer)

    assert "<script src=" not in html
    assert "<link" not in html


def test_columns_without_values_in_the_sample_are_named_and_not_drawn(winter, summer):
    html = page(winter.assign(temp=np.nan), summer)

    assert "temp has no value in the reference" in html


def test_a_column_whose_few_values_miss_the_sample_is_not_drawn(winter, summer):
    rare = winter.assign(temp=winter["temp"].where(winter.index == winter.index[5]))

    assert "temp" in page(rare, summer, rows=100)


def test_sensitive_columns_are_left_out_of_scores_and_page(winter, summer):
    report = compare(winter, summer, sensitive=["carrier"])
    html = page(winter, summer, sensitive=["carrier"])

    assert "carrier" not in by_name(report)
    assert "Left out as sensitive: carrier" in html
    assert '"UA"' not in html
    assert '"UA"' in page(winter, summer)


def test_a_value_cannot_smuggle_a_script_into_the_page(winter, summer):
    evil = "</script><script>alert('x')</script>"
    html = page(winter.assign(carrier=evil).rename(columns={"dest": "<b>"}), summer.rename(columns={"dest": "<b>"}),
                columns=["carrier", "<b>", "temp"])  # fmt: skip

    assert "alert('x')" in html
    assert "<script>alert" not in html
    assert '"<b>"' not in html


def test_predictions_are_drawn_too(winter, summer):
    answers = np.linspace(0, 1, 50), np.linspace(0, 0.4, 400)

    assert '"column_name": "prediction"' in page(winter, summer, predictions=answers)


def test_the_page_names_the_extra_it_needs(winter, summer, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "evidently", None)

    with pytest.raises(MissingExtra, match=r"needs Evidently, .* install airflow-provider-mlops\[drift\]"):
        page(winter, summer)
