"""Measure what challenger and champion cost: on this machine, in turn, each in a process of its own."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops import runner
from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing, ModelUnusable, Transient
from airflow_mlops.lifecycle.isolated import has_one_thread, run_isolated
from airflow_mlops.stages.evaluate.evidence import Costs
from airflow_mlops.stages.model_file import model_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import ModelRef

log = logging.getLogger(__name__)

# A second round takes out a hiccup of the machine; after a slow first one it is left out.
_ROUNDS, _ENOUGH_S = 2, 0.5


def measure_costs(
    store: ArtifactStore, challenger: ModelRef, champion: ModelRef, *, timeout_s: float
) -> tuple[dict[str, Costs], str | None]:
    """Load both models in child processes, in turn, and measure them on golden rows.

    Each child is a fork where this process has one thread. Where it has more, nothing may be forked and a fresh
    interpreter would take longer than all else: latency is then measured in this process, and memory not at all.

    Parameters
    ----------
    store : ArtifactStore
        Where they are.
    challenger, champion : ModelRef
        What is compared.
    timeout_s : float
        After this long a child is killed.

    Returns
    -------
    costs : dict of str to Costs
        By "challenger" and "champion"; empty where one of them cannot be measured.
    note : str or None
        Why it cannot.
    """
    sides = {"challenger": challenger, "champion": champion}
    with tempfile.TemporaryDirectory(prefix="mlops-") as place:
        try:
            requests = {name: _request(store, ref, Path(place, name)) for name, ref in sides.items()}
            measured = _in_turn(requests, timeout_s)
            return {name: _costs(requests[name], found) for name, found in measured.items()}, None
        except (ArtifactMissing, ArtifactCorrupt, ModelUnusable, Transient) as error:
            return {}, f"latency, memory and size were not compared: {error}"


def _request(store: ArtifactStore, model: ModelRef, place: Path) -> dict[str, str]:
    """Lay a model and its golden rows where a child finds them; as bytes, for reading a table starts threads."""
    place.mkdir()
    file, golden = place / "model", place / "golden.parquet"
    file.write_bytes(store.read_bytes(model_uri(model), digest=model.digest))
    golden.write_bytes(store.read_bytes(f"{model.uri}/golden.parquet"))
    return {"model": str(file), "serialization": model.serialization, "rows": str(golden)}


def _in_turn(requests: Mapping[str, dict[str, str]], timeout_s: float) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in requests}
    start = time.monotonic()
    for _ in range(_ROUNDS):
        for name, inputs in requests.items():
            found[name].append(_measured({"stage": "cost", "inputs": inputs}, timeout_s))
        if time.monotonic() - start > _ENOUGH_S:
            break
    return found


def _measured(request: Mapping[str, object], timeout_s: float) -> dict[str, float]:
    if has_one_thread():
        return run_isolated(request, timeout_s=timeout_s, fork=True)
    answer = runner.run(request)
    if not answer["ok"]:
        raise ModelUnusable(answer["error"]["message"])
    return {"latency_ms": answer["result"]["latency_ms"]}


def _costs(request: Mapping[str, str], found: list[dict[str, float]]) -> Costs:
    """Keep the best of the rounds: what else runs on the machine only ever adds."""
    memory = [each["memory_mb"] for each in found if "memory_mb" in each]
    return Costs(
        latency_ms=min(each["latency_ms"] for each in found),
        memory_mb=min(memory) if memory else None,
        size_mb=Path(request["model"]).stat().st_size / 1e6,
    )
