"""A stored model is bytes that load anywhere, and nothing that was not reviewed is loaded."""

from __future__ import annotations

import subprocess
import sys
from operator import methodcaller

import pytest
import skops.io
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from airflow_mlops.errors import ModelUnusable
from airflow_mlops.stages.features import build_features
from airflow_mlops.stages.model_file import describe, dump_model, load_model
from airflow_mlops.stages.train import train
from tests.stages.test_train import fit, rows_of

WITHOUT_US = """
import sys
from pathlib import Path

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("airflow", "airflow_mlops", "tests"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
import pandas as pd
folder, form, types = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
if form == "skops":
    import skops.io
    model = skops.io.loads((folder / "model").read_bytes(), trusted=types)
else:
    import cloudpickle
    model = cloudpickle.loads((folder / "model").read_bytes())
rows = pd.read_parquet(folder / "rows.parquet")
print([round(value, 9) for value in model.predict_proba(rows)[:, 1]])
assert not {"airflow", "airflow_mlops"} & {name.partition(".")[0] for name in sys.modules}
"""


@pytest.fixture(scope="module")
def flights_model(january):
    from airflow_mlops.spec import load_spec
    from tests.conftest import ROOT

    spec = load_spec(ROOT / "dags" / "specs" / "flights.yaml")
    rows = january.to_pandas().dropna(subset=["late"]).reset_index(drop=True).head(3000)
    matrix = build_features(rows, spec=spec)
    features = matrix.frame.assign(late=rows["late"])
    made = train(features, transformer=matrix.transformer, spec=spec, categorical=matrix.categorical)
    return made.model, rows[spec.features.columns].head(20)


def predicted_elsewhere(folder, model, rows):
    """Load the model in a Python that has neither this package nor Airflow, and return what it prints."""
    payload, form = dump_model(model)
    (folder / "model").write_bytes(payload)
    rows.to_parquet(folder / "rows.parquet")
    types = ",".join(describe("model", payload, form)["trusted_types"])
    script = [sys.executable, "-c", WITHOUT_US, str(folder), form, types]
    return form, subprocess.run(script, capture_output=True, text=True, check=True, cwd=folder).stdout.strip()


def test_the_flights_model_needs_neither_this_package_nor_airflow(flights_model, tmp_path):
    model, rows = flights_model

    form, printed = predicted_elsewhere(tmp_path, model, rows)

    assert form == "skops"
    assert printed == str([round(value, 9) for value in model.predict_proba(rows)[:, 1]])


def test_a_users_own_classes_travel_inside_the_file(tmp_path):
    from tests.stages.test_features import Doubled

    rows = rows_of("binary")[["x", "city"]]
    inner = fit(rows_of("binary").assign(city="a"), estimator="linear").model[-1]
    model = Pipeline([("own", Doubled()), ("estimator", inner)])
    inner.fit(Doubled().transform(rows), rows_of("binary")["y"])

    form, printed = predicted_elsewhere(tmp_path, model, rows)

    assert form == "cloudpickle"
    assert printed == str([round(value, 9) for value in model.predict_proba(rows)[:, 1]])


@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "random_forest", "linear"])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_models_of_short_names_are_stored_with_skops_and_come_back(estimator, task):
    rows = rows_of(task)
    model = fit(rows, task, estimator=estimator).model

    payload, form = dump_model(model)

    assert form == "skops"
    assert (load_model(payload, form).predict(rows) == model.predict(rows)).all()


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (FunctionTransformer(methodcaller("to_pickle", "stolen")), "method to_pickle"),
        (FunctionTransformer(methodcaller("eval", "x = @__builtins__")), "method eval with @"),
        (FunctionTransformer(print), "print"),
    ],
    ids=["a method that writes", "an expression that reaches out", "a function"],
)
def test_what_was_not_reviewed_is_not_loaded(step, named):
    with pytest.raises(ModelUnusable, match=f"not reviewed: .*{named}"):
        load_model(skops.io.dumps(step), "skops")


def test_the_same_fit_gives_the_same_bytes():
    first, second = (dump_model(fit(rows_of("binary"), "binary").model) for _ in range(2))

    assert first == second


def test_a_model_of_unreviewed_types_is_stored_with_cloudpickle():
    payload, form = dump_model(FunctionTransformer(methodcaller("head", 1)))

    assert form == "cloudpickle"
    assert len(load_model(payload, form).transform(rows_of("binary"))) == 1


@pytest.mark.parametrize("form", ["skops", "cloudpickle"])
def test_bytes_that_are_no_model_are_refused(form):
    with pytest.raises(ModelUnusable, match="cannot be read"):
        load_model(b"nothing of the kind", form)


def test_an_unknown_form_is_refused():
    with pytest.raises(ModelUnusable, match=r"stored as 'joblib'.*reads skops and cloudpickle"):
        load_model(b"", "joblib")
