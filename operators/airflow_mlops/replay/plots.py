"""Plots of a backtest as SVG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from airflow_mlops.replay.report import Entry, Report

# Told apart by people who see no difference between red and green: Okabe, Ito (2008), Color Universal Design.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_GREY, _PALE = "#59636e", "#afb8c1"
# Losses are drawn as means of so many windows: single ones hide what lasts.
SMOOTH = 4
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


def draw(report: Report) -> dict[str, bytes]:
    """Draw a backtest.

    Returns
    -------
    dict of str to bytes
        SVG by name: ``quality``, losses over time with trainings marked; ``gain``, gain kept against trainings, where
        there was a gain to keep.
    """
    rows = len(report.entries)
    drawn = {"quality": _svg(report, (9.6, 1.1 + 1.75 * rows), _quality)}
    if report.kept(0.0) is not None:
        drawn["gain"] = _svg(report, (6.4, 4.2), _gain)
    return drawn


def _svg(report: Report, size: tuple[float, float], plot: Callable[[Figure, Report], None]) -> bytes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        plot(figure, report)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _quality(figure: Figure, report: Report) -> None:
    """Draw one panel a policy, all on one scale, between never training and training at every look."""
    panels = figure.subplots(len(report.entries), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    times: Any = [look.now for look in report.table.board.matrix.looks]
    for place, (axes, entry) in enumerate(zip(panels, report.entries, strict=True)):
        axes.plot(times, smooth(report.never), color=_PALE, linewidth=1, linestyle="--", label="never trained again")
        axes.plot(times, smooth(report.every), color=_GREY, linewidth=1, label="trained at every look")
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(times, smooth(entry.losses), color=colour, linewidth=1.6, label="served")
        _mark(axes, entry, times, colour)
        count = entry.score.trainings
        axes.set_title(
            f"{entry.candidate.name}: {count} training{'' if count == 1 else 's'}", loc="left", fontsize=9, color=colour
        )
    panels[0].legend(frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1, 1), fontsize=8)
    figure.supylabel(f"{report.table.board.matrix.metric}, mean of {SMOOTH} windows", fontsize=9)


def _mark(axes: Axes, entry: Entry, times: Any, colour: str) -> None:
    for served, marker, label in ((True, "^", "training"), (False, "x", "refused training")):
        at = [times[trained.look] for trained in entry.play.trainings if trained.served == served]
        if at:
            # On the lower edge, whatever the losses are.
            low = axes.get_xaxis_transform()
            axes.plot(
                at, [0.04] * len(at), marker, color=colour, markersize=6, transform=low, clip_on=False, label=label
            )


def smooth(losses: np.ndarray) -> np.ndarray:
    """Average each loss with those before it, over four windows; what is not a number counts nowhere."""
    import numpy as np

    known = np.isfinite(losses)
    window = np.ones(SMOOTH)
    sums = np.convolve(np.where(known, losses, 0.0), window)[: len(losses)]
    counts = np.convolve(known, window)[: len(losses)]
    return np.where(known, sums / np.maximum(counts, 1), np.nan)


def _gain(figure: Figure, report: Report) -> None:
    """Draw gain kept against trainings, beside what a clock and hindsight would have kept."""
    axes = figure.add_subplot()

    def kept(losses: list[float]) -> Any:
        return [report.kept(loss) for loss in losses]

    for name, points, style in (
        ("best in hindsight, one version", report.hindsight, "-"),
        ("by the clock, one version", report.periodic, "--"),
    ):
        axes.plot(
            [100 * count / report.looks for count, _ in points],
            kept([loss for _, loss in points]),
            color=_GREY,
            linewidth=1,
            linestyle=style,
            label=name,
        )
    for place, entry in enumerate(report.entries):
        colour, share = COLOURS[place % len(COLOURS)], 100 * entry.score.trainings / report.looks
        axes.plot([share], kept([entry.score.loss]), "o", color=colour, markersize=8, label=entry.candidate.name)
        if entry.clocked is not None:
            axes.plot([share], kept([entry.clocked]), "o", color=colour, markersize=8, fillstyle="none")
    axes.axhline(0, color=_PALE, linewidth=0.8)
    axes.axhline(1, color=_PALE, linewidth=0.8)
    axes.set_xlabel("trainings, % of looks")
    axes.set_ylabel("gain kept (0 never, 1 at every look)")
    if any(entry.clocked is not None for entry in report.entries):
        axes.plot([], [], "o", color=_GREY, fillstyle="none", label="the same, trained by the clock")
    axes.legend(frameon=False, fontsize=8)
