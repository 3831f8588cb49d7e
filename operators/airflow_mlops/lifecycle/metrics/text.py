"""Write samples as Prometheus reads them: its text format, version 0.0.4.

The client library writes the same in four times the time, and a thousand models are read every few seconds.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from airflow_mlops.lifecycle.metrics.listed import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_mlops.lifecycle.metrics.told import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def written(samples: Iterable[Sample]) -> str:
    """Write samples, those of a metric together, in the order of the list of metrics."""
    by_metric = defaultdict(list)
    for sample in samples:
        by_metric[sample.metric].append(sample)
    lines = []
    for name, metric in METRICS.items():
        if found := by_metric.get(name):
            lines += [f"# HELP {name} {metric.meaning}", f"# TYPE {name} {metric.kind}"]
            lines += [f"{name}{_labels(metric.labels, sample.labels)} {sample.value!r}" for sample in found]
    return "\n".join([*lines, ""])


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = [f'{name}="{value.translate(_ESCAPED)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""
