"""A committee is served like any other version, as one model of trees or as it is."""

from __future__ import annotations

import pytest

from airflow_mlops.stages.committee import assemble_committee
from airflow_mlops.stages.tree_artifact import as_one_model
from tests.serving.conftest import in_process
from tests.serving.small_models import COLUMNS, ROW, fit, store_model, training_rows
from tests.stages.members import asked, committee_of


def test_a_committee_answers_over_http(place):
    models = {str(seed): fit(seed) for seed in (1, 2, 3)}
    weights = {"1": 0.5, "2": 0.3, "3": 0.2}
    committee = assemble_committee(models, task="binary", weights=weights, correction=0.2)
    place.promote(store_model(place.store, committee))
    frame = training_rows().to_pandas().assign(**ROW)[COLUMNS].head(1)

    with in_process(place) as client:
        answer = client.post("/invocations", json={"dataframe_records": [ROW]}).json()

    assert answer["predictions"] == [pytest.approx(committee.predict_proba(frame)[0].tolist())]


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_trees_of_a_committee_answer_over_http(place, task):
    import pyarrow as pa

    committee, rows = committee_of(task), asked(task).head(40)
    ref = store_model(place.store, as_one_model(committee), rows=pa.Table.from_pandas(rows, preserve_index=False))
    place.promote(ref, rows=None)
    records = rows.head(3).astype(object).where(rows.head(3).notna(), None).to_dict(orient="records")

    with in_process(place) as client:
        answer = client.post("/invocations", json={"dataframe_records": records}).json()

    expected = committee.predict(rows.head(3)) if task == "regression" else committee.predict_proba(rows.head(3))
    assert answer["predictions"] == [pytest.approx(each) for each in expected.tolist()]
