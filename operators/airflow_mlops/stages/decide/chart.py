"""Loss by window as a small SVG, written by hand: every look draws one, too often to wait for a plotting library."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.loop.history import History

WIDTH, HEIGHT = 760, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 28, 28
# Older windows than the last so many make the line too dense to read.
MOST_WINDOWS = 60


@dataclass(frozen=True, slots=True)
class Frame:
    """Where times and losses lie in the drawing."""

    first: datetime
    last: datetime
    low: float
    high: float

    def x(self, moment: datetime) -> float:
        """Return the place of a time, kept inside the drawing."""
        span = (self.last - self.first).total_seconds() or 1.0
        share = min(max((moment - self.first).total_seconds() / span, 0.0), 1.0)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, loss: float) -> float:
        """Return the place of a loss."""
        share = (loss - self.low) / ((self.high - self.low) or 1.0)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def draw(history: History, *, lines: dict[str, float]) -> str:
    """Draw the loss of each labelled window, the promotions, and level lines.

    Parameters
    ----------
    history : History
        Windows and promotions.
    lines : dict of str to float
        Losses to draw as level lines, by what they mean.

    Returns
    -------
    str
        One ``svg`` element; empty where no window has a loss yet.
    """
    windows = history.windows[-MOST_WINDOWS:]
    if not windows:
        return ""
    values = [window.loss for window in windows] + list(lines.values())
    margin = 0.08 * ((max(values) - min(values)) or abs(values[0]) or 1.0)
    frame = Frame(windows[0].start, windows[-1].end, min(values) - margin, max(values) + margin)
    points = [(frame.x(window.end), frame.y(window.loss)) for window in windows]
    path = " ".join(f"{x},{y}" for x, y in points)
    return "".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Loss by labelled window">',
            *(_level(frame, name, loss, index) for index, (name, loss) in enumerate(lines.items())),
            *(_promotion(frame, each.version, each.at) for each in history.promotions if each.at >= frame.first),
            f'<polyline points="{path}" class="loss"/>',
            *(
                f'<circle cx="{x}" cy="{y}" r="3.5" class="{"loss-point" if window.is_sound else "unsound"}">'
                f"<title>{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}: {window.loss:.4f} over {window.labelled:,} "
                f"labelled, version {escape(', '.join(window.by_version))}</title></circle>"
                for (x, y), window in zip(points, windows, strict=True)
            ),
            *_axes(frame),
            "</svg>",
        ]
    )


def _level(frame: Frame, name: str, loss: float, index: int) -> str:
    y = frame.y(loss)
    kind = "level" if index == 0 else "limit"
    return (
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}" class="{kind}"/>'
        f'<text x="{WIDTH - _RIGHT}" y="{y - 4}" class="{kind}-text" text-anchor="end">{escape(name)} {loss:.4g}</text>'
    )


def _promotion(frame: Frame, version: str, at: datetime) -> str:
    x = frame.x(at)
    return (
        f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" class="promotion"/>'
        f'<text x="{x}" y="{_TOP - 8}" class="promotion-text" text-anchor="middle">v{escape(version)}</text>'
    )


def _axes(frame: Frame) -> list[str]:
    bottom = HEIGHT - _BOTTOM
    ends = ((frame.first, _LEFT, "start"), (frame.last, WIDTH - _RIGHT, "end"))
    return [
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}" class="axis"/>',
        *(
            f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="{anchor}">{moment:%Y-%m-%d}</text>'
            for moment, x, anchor in ends
        ),
        *(
            f'<text x="{_LEFT - 6}" y="{frame.y(loss) + 4}" text-anchor="end">{loss:.3g}</text>'
            for loss in (frame.low, (frame.low + frame.high) / 2, frame.high)
        ),
    ]
