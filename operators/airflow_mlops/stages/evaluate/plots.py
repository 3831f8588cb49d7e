"""Plots of an evaluation as SVG: drawn on figures of their own, so that two threads never share one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.evaluate.evidence_table import draw_checks, drawable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from matplotlib.axes import Axes

    from airflow_mlops.stages.evaluate.evaluation import Evaluation

# More bars than this cannot be read.
MOST_BARS = 20
BINS = 10

COLOURS = {"challenger": "#1f6feb", "champion": "#bf8700", "baseline": "#8c959f"}
_STYLE: Any = {
    # Text stays text: smaller, searchable, and no outlines to compute.
    "svg.fonttype": "none",
    # The same plot gives the same bytes.
    "svg.hashsalt": "airflow-mlops",
    "font.family": ["sans-serif"],
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(evaluation: Evaluation, task: str) -> dict[str, bytes]:
    """Draw what there is to see of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    task : {"binary", "multiclass", "regression"}
        Decides the first plots.

    Returns
    -------
    dict of str to bytes
        SVG by name: ``evidence``; then ``calibration``, or ``reliability`` and ``confusion``, or ``residuals``; then
        ``importance`` and ``slices`` where there are any.
    """
    drawn: dict[str, tuple[Callable[..., None], tuple[float, float]]] = {}
    if checks := drawable(evaluation.gate.checks):
        drawn["evidence"] = (_evidence, (7.2, 1.0 + 0.26 * len(checks)))
    drawn |= _of_answers(evaluation, task) if evaluation.predictions else {}
    return {name: _svg(plot, size, evaluation) for name, (plot, size) in drawn.items()}


def _of_answers(evaluation: Evaluation, task: str) -> dict[str, tuple[Callable[..., None], tuple[float, float]]]:
    drawn: dict[str, tuple[Callable[..., None], tuple[float, float]]] = {}
    if task == "regression":
        drawn["residuals"] = (_residuals, (4.6, 3.4))
    elif evaluation.predictions["challenger"].probabilities is not None:
        drawn["calibration" if task == "binary" else "reliability"] = (_calibration, (4.6, 3.4))
    if task == "multiclass":
        drawn["confusion"] = (_confusion, (4.6, 4.0))
    if evaluation.importance:
        drawn["importance"] = (_importance, (4.6, 0.8 + 0.2 * min(len(evaluation.importance), MOST_BARS)))
    if evaluation.slices:
        drawn["slices"] = (_slices, (4.6, 0.9 + 0.24 * min(len(evaluation.slices), MOST_BARS)))
    return drawn


def _svg(plot: Callable[..., None], size: tuple[float, float], evaluation: Evaluation) -> bytes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure = Figure(figsize=size, layout="tight")
        plot(figure.add_subplot(), evaluation)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _evidence(axes: Axes, evaluation: Evaluation) -> None:
    draw_checks(axes, evaluation.gate.checks)


def _calibration(axes: Axes, evaluation: Evaluation) -> None:
    """Draw how often it happened against how probable it was called, in bins of equal numbers of rows."""
    axes.plot([0, 1], [0, 1], color="#d0d7de", linewidth=1)
    for name in ("champion", "challenger"):
        said = evaluation.predictions.get(name)
        if said is None or said.probabilities is None:
            continue
        if len(said.classes) == 2:
            probability, happened = said.probabilities[:, 1], evaluation.target == said.classes[1]
        else:
            probability, happened = said.probabilities.max(axis=1), evaluation.target == said.labels
        x, y = _binned(probability, happened)
        axes.plot(x, y, marker="o", markersize=4, linewidth=1.2, color=COLOURS[name], label=name)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("share that happened")
    axes.legend(frameon=False)


def _binned(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    import numpy as np

    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return [float(x[part].mean()) for part in parts], [float(y[part].mean()) for part in parts]


def _confusion(axes: Axes, evaluation: Evaluation) -> None:
    import numpy as np

    said = evaluation.predictions["challenger"]
    names = list(said.classes)[:MOST_BARS]
    places = {label: index for index, label in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for happened, label in zip(evaluation.target.tolist(), said.labels.tolist(), strict=True):
        if happened in places and label in places:
            counts[places[happened], places[label]] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{counts[row, column]:.0f}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=45 if len(names) > 5 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("happened")


def _residuals(axes: Axes, evaluation: Evaluation) -> None:
    import numpy as np

    predicted = evaluation.predictions["challenger"].labels
    finite = np.flatnonzero(np.isfinite(predicted))
    # A drawing of more points is slower and shows no more.
    shown = finite[:: max(1, len(finite) // 1500)]
    axes.axhline(0, color="#d0d7de", linewidth=1)
    axes.scatter(
        predicted[shown],
        (predicted - evaluation.target)[shown],
        s=4,
        alpha=0.4,
        color=COLOURS["challenger"],
        rasterized=True,
    )
    axes.set_xlabel("predicted")
    axes.set_ylabel("predicted minus actual")


def _importance(axes: Axes, evaluation: Evaluation) -> None:
    names = list(evaluation.importance)[:MOST_BARS][::-1]
    axes.barh(names, [evaluation.importance[name] for name in names], color=COLOURS["challenger"], height=0.7)
    axes.set_xlabel(f"rise in {evaluation.gate.metric} when shuffled")


def _slices(axes: Axes, evaluation: Evaluation) -> None:
    shown = evaluation.slices[:MOST_BARS][::-1]
    places = list(range(len(shown)))
    for name in ("baseline", "champion", "challenger"):
        values: list[Any] = [each[name] for each in shown if name in each]
        if values:
            axes.plot(values, places, linestyle="none", marker="o", markersize=5, color=COLOURS[name], label=name)
    axes.set_yticks(places, [f"{each['column']} = {each['value']} ({each['rows']})" for each in shown])
    axes.set_xlabel(evaluation.gate.metric)
    axes.legend(frameon=False)
