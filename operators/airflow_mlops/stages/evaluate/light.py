"""Judge other weights or another correction of versions already trained on what these said of labelled windows."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.correction import unit
from airflow_mlops.loop.light_gate import LightVerdict, judge_light
from airflow_mlops.stages.evaluate.page import STYLE, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from airflow_mlops.loop.scorecard import Card


@dataclass(frozen=True, slots=True)
class Shares:
    """Members that answer together: weights by model id, and a correction, one number for each of ``classes``.

    ``classes`` are only needed where the correction has several numbers.
    """

    weights: Mapping[str, float]
    correction: float | Sequence[float] = 0.0
    classes: Sequence[Any] = ()

    def answers(self, card: Card) -> np.ndarray | None:
        """Return the corrected outputs of a window's rows; None where a member was not asked or trained on some.

        Rows of a class that no version knows are left out.
        """
        import numpy as np

        output, target = card.said(dict(sorted(self.weights.items())))
        if not len(target) or len(target) < np.isfinite(card.target).sum():
            return None
        if not isinstance(self.correction, list | tuple):
            return output + self.correction
        by_class = dict(zip(self.classes, self.correction, strict=True))
        return output + np.array([by_class.get(label, 0.0) for label in card.classes])


def judge_change(
    cards: Sequence[Card], challenger: Shares, champion: Shares, *, metric: str, memory: float, margin: float
) -> LightVerdict:
    """Compare what would serve with what serves.

    Parameters
    ----------
    cards : sequence of Card
        Of the newest labelled windows, oldest first. Those on which a member of either has trained are passed over.
    challenger, champion : Shares
        What would serve, and what serves.
    metric : str
        Loss, as for `losses_of`.
    memory : float
        Weight of a window relative to the one after it.
    margin : float
        Relative increase that still counts as not worse.
    """
    import numpy as np

    from airflow_mlops.stages.links import losses_of

    mine, others, moved, targets = [], [], [], []
    for card in cards:
        new, old = challenger.answers(card), champion.answers(card)
        if new is None or old is None:
            continue
        target = card.target[np.isfinite(card.target)]
        mine.append(losses_of(card.task, target, new, metric))
        others.append(losses_of(card.task, target, old, metric))
        moved.append(np.abs(new - old))
        targets.append(target)
    change = float(np.concatenate(moved).mean()) / unit(cards[-1].task, np.concatenate(targets)) if moved else 0.0
    return judge_light(mine, others, memory=memory, change=change, metric=metric, margin=margin)


def render_change(
    verdict: LightVerdict, challenger: Shares, champion: Shares, *, title: str, facts: Sequence[str]
) -> str:
    """Write the page of a change without training.

    Parameters
    ----------
    verdict : LightVerdict
        What was found.
    challenger, champion : Shares
        What would serve, and what serves.
    title : str
        Which model was judged.
    facts : sequence of str
        Short phrases below the title.
    """
    words = {"pass": "Passed: it may replace what serves", "fail": "Failed: what serves stays"}
    names = sorted({*challenger.weights, *champion.weights})
    members = [
        [name, *(f"{side.weights[name]:.1%}" if name in side.weights else "" for side in (challenger, champion))]
        for name in names
    ]
    corrections = ["correction", _text(challenger.correction), _text(champion.correction)]
    losses = [f"{verdict.metric} there", _number(verdict.challenger_loss), _number(verdict.champion_loss)]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            f'<h1>{escape(title)}</h1><p class="facts">{escape(" · ".join(facts))}</p>',
            f'<div class="verdict {verdict.verdict}"><strong>{words[verdict.verdict]}</strong><ul>',
            *(f"<li>{escape(reason)}</li>" for reason in verdict.reasons),
            "</ul></div>",
            table(["member", "would serve", "serves"], [*members, corrections, losses]),
            f'<p class="facts">Light gate: nothing was trained, so nothing new has to be proved. {verdict.n} labelled '
            f"rows of {verdict.windows} windows that no member has trained on; they are also what the weights were "
            "chosen on, so this shows that the change is not plainly worse, and no more.</p></body></html>",
        ]
    )


def _text(correction: float | Sequence[float]) -> str:
    values = correction if isinstance(correction, list | tuple) else [correction]
    return ", ".join(f"{value:+.4g}" for value in values)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
