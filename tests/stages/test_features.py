"""Raw columns become numbers, the same way in training and in serving."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from airflow_mlops.errors import MissingColumns, TransformerUnusable
from airflow_mlops.stages.features import build_features
from airflow_mlops.stages.model_file import dump_model
from airflow_mlops.stages.train import train
from tests.stages.test_training_set import make_spec


class Doubled(TransformerMixin, BaseEstimator):
    """A user's own transformer, which gives an array."""

    def fit(self, x, y=None):
        return self

    def transform(self, x):
        return x[["x"]].to_numpy() * 2


def words(**_):
    """Make a transformer that gives text."""
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer()


def frame(**columns):
    return pd.DataFrame({"y": [0, 1, 0, 1], **columns})


def build(rows, **features):
    columns = [name for name in rows.columns if name != "y"]
    return build_features(rows, spec=make_spec(features={"columns": columns, **features}))


def test_text_becomes_codes_and_numbers_stay():
    made = build(frame(city=["b", "a", None, "b"], x=[1.0, None, 3.0, 4.0]), params={"kind": "trees"})

    assert made.frame["city"].tolist()[:2] == [1.0, 0.0]
    assert np.isnan(made.frame.loc[2, "city"])
    assert made.categorical == ("city",)


def test_an_unknown_category_counts_as_a_null():
    made = build(frame(city=["b", "a", "a", "b"]), params={"kind": "trees"})

    assert np.isnan(made.transformer.transform(pd.DataFrame({"city": ["new"]})).loc[0, "city"])


def test_a_linear_estimator_gets_indicators():
    made = build(frame(city=["b", "a", "c", "b"]))

    assert list(made.frame.columns) == ["city_a", "city_b", "city_c"]


def test_a_column_of_many_levels_becomes_its_encoded_target():
    rows = pd.DataFrame({"y": [0, 1] * 300, "id": [f"n{i // 2}" for i in range(600)]})

    made = build(rows, params={"kind": "trees"})

    assert made.categorical == ()
    assert made.frame["id"].between(0, 1).all()


def test_derivations_are_the_first_step_of_the_fitted_pipeline():
    made = build(frame(x=[100.0, 250.0, 300.0, 400.0]), derive={"hour": "x // 100", "late_hour": "hour > 2"})

    served = made.transformer.transform(pd.DataFrame({"x": [730]}))

    assert made.frame["hour"].tolist() == [1, 2, 3, 4]
    assert (served.loc[0, "hour"], served.loc[0, "late_hour"]) == (7, 1)


def test_a_time_gives_the_numbers_derived_from_it():
    times = pd.to_datetime(["2024-01-01 05:00", "2024-01-02 07:00"] * 2, utc=True)

    made = build(frame(t=times), derive={"hour": "t.dt.hour"})

    assert list(made.frame.columns) == ["hour"]
    assert made.transformer.transform(pd.DataFrame({"t": ["2024-03-01 09:30+00:00"]})).loc[0, "hour"] == 9


@pytest.mark.parametrize("nothing", [[None] * 4, [float("nan")] * 4], ids=["text", "numbers"])
def test_a_column_that_is_always_null_is_left_out_and_may_be_filled_later(nothing):
    made = build(frame(x=[1.0, 2.0, 3.0, 4.0], gust=nothing))

    assert list(made.frame.columns) == ["x"]
    served = pd.DataFrame({"x": [1.0], "gust": [7.0]})
    assert made.transformer.transform(served).shape == (1, 1)


def test_a_served_row_of_other_types_gives_the_same_features():
    rows = frame(x=[1, 2, 3, 4], city=["a", "b", "a", "b"])
    made = build(rows, params={"kind": "trees"})

    from_json = pd.DataFrame([{"city": "b", "x": None, "more": 1}], dtype="object")

    assert made.transformer.transform(from_json)["city"].tolist() == [1.0]
    assert np.isnan(made.transformer.transform(from_json).loc[0, "x"])


def test_decimals_count_as_numbers():
    from decimal import Decimal

    made = build(frame(price=[Decimal("1.5"), None, Decimal("2"), Decimal("3")]))

    assert made.frame["price"].tolist()[0] == 1.5


def test_only_training_rows_are_looked_at():
    rows = frame(city=["a", "b", "a", "b"])
    made = build(rows, params={"kind": "trees"})

    encoder = made.transformer.steps[-1][1].named_transformers_["categories"]

    assert encoder.categories_[0].tolist() == ["a", "b"]


def test_a_users_transformer_by_import_path_is_used():
    made = build(frame(x=[1.0, 2.0, 3.0, 4.0]), transformer="tests.stages.test_features.Doubled")

    assert made.frame.to_numpy().tolist() == [[2.0], [4.0], [6.0], [8.0]]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("airflow_mlops.stages.encoders.target_encoder", {}),
        ("sklearn.preprocessing.OneHotEncoder", {"handle_unknown": "ignore"}),
        ("sklearn.preprocessing.OrdinalEncoder", {}),
    ],
    ids=["target encoder", "sparse", "array"],
)
def test_any_transformer_answers_rows_with_more_columns_as_it_answered_in_training(path, params):
    rows = pd.DataFrame({"y": [0, 1] * 10, "city": ["b", "a", "a", "b"] * 5, "x": [1.0, 2.0, 2.0, 1.0] * 5})
    spec = make_spec(features={"columns": ["city", "x"], "transformer": path, "params": params})
    matrix = build_features(rows, spec=spec.model_copy(update={"task": "binary"}))
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"estimator": "hist_gradient_boosting"})})
    model = train(matrix.frame.assign(y=rows["y"]), transformer=matrix.transformer, spec=spec).model

    more = rows.assign(when="noon")[["when", "x", "y", "city"]]

    assert model.predict_proba(more).tolist() == model.predict_proba(rows[["city", "x"]]).tolist()


@pytest.mark.filterwarnings("error")
def test_a_transformer_that_gives_an_array_is_asked_for_names_too():
    made = build(frame(city=["b", "a", "a", "b"]), transformer="sklearn.preprocessing.OrdinalEncoder")

    assert list(made.transformer.transform(pd.DataFrame({"city": ["a"]})).columns) == ["city"]


@pytest.mark.filterwarnings("error")
def test_target_encoding_is_the_same_for_the_same_seed_and_stored_by_skops():
    rows = pd.DataFrame({"y": [0, 1, 1] * 40, "id": [f"n{i % 7}" for i in range(120)]})
    path = "airflow_mlops.stages.encoders.target_encoder"

    first, second = (build(rows, transformer=path) for _ in range(2))

    assert first.frame.equals(second.frame)
    assert dump_model(first.transformer) == dump_model(second.transformer)
    assert dump_model(first.transformer)[1] == "skops"


def test_rows_are_not_changed():
    rows = frame(x=[1, 2, 3, 4])

    build(rows, derive={"z": "x * 2"})

    assert list(rows.columns) == ["y", "x"]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        pytest.param(
            {"derive": {"z": "x + nothing"}},
            r"features\.derive\.z \('x \+ nothing'\) fails on 4",
            id="a bad derivation",
        ),
        pytest.param(
            {"transformer": "airflow_mlops.stages.features.tabula"},
            r"did you mean 'tabular'",
            id="a near miss of a path",
        ),
        pytest.param({"params": {"knd": 1}}, "cannot be made of", id="an unknown parameter"),
        pytest.param({"transformer": "builtins.dict"}, "gives a dict, which has no fit", id="no transformer"),
        pytest.param(
            {"columns": ["city"], "transformer": "tests.stages.test_features.words"},
            "gives columns that are not numbers: 'city'",
            id="text comes out",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(features, message):
    rows = frame(x=[1, 2, 3, 4], city=["a", "b", "a", "b"])

    # `model_construct` leaves out the lint of derivations, which knows less than the data.
    spec = make_spec(features={"columns": ["x"]})
    spec = spec.model_copy(update={"features": spec.features.model_copy(update=features)})
    with pytest.raises(TransformerUnusable, match=message):
        build_features(rows, spec=spec)


def test_a_missing_raw_column_is_named():
    with pytest.raises(MissingColumns, match="has no column 'x'"):
        build_features(frame(z=[1, 2, 3, 4]), spec=make_spec())
