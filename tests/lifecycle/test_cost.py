"""What a challenger and a champion cost is measured of both, in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.lifecycle.cost import measure_costs


@pytest.mark.parametrize("is_alone", [True, False], ids=["fork", "this process"])
def test_both_are_measured(store, make_model, monkeypatch, is_alone):
    monkeypatch.setattr("airflow_mlops.lifecycle.cost.has_one_thread", lambda: is_alone)
    model = make_model()

    costs, note = measure_costs(store, model, model, timeout_s=60)

    assert note is None
    assert set(costs) == {"challenger", "champion"}
    for each in costs.values():
        assert each.latency_ms > 0
        assert each.size_mb > 0
        assert (each.memory_mb is not None) is is_alone


def test_a_model_whose_bytes_are_gone_is_not_compared(store, make_model):
    model = make_model()
    Path(store.path(f"{model.uri}/golden.parquet")).unlink()

    costs, note = measure_costs(store, model, model, timeout_s=60)

    assert costs == {}
    assert note.startswith("latency, memory and size were not compared: ")
