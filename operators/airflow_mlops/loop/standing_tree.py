"""Rules drawn from the numbers of a policy that has none written down, so that each policy shows why it decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.rule_tree import TreeNode

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAY = timedelta(days=1)


def standing_trees(decision: Mapping[str, Any], signals: Mapping[str, Any]) -> dict[str, TreeNode]:
    """Give the rules that the policies ``excess_loss`` and ``schedule`` follow, with the values of a look.

    Parameters
    ----------
    decision, signals : mapping
        Payloads of the ledger's events of these kinds, of the same look.
    """
    stands = decision.get("standing") or {}
    metric = (signals.get("quality") or {}).get("metric")
    trees = {"train": _train(stands, decision, metric)}
    if stands.get("champion_version") is not None:
        trees["warn"] = _warn(signals)
    return trees


def _train(stands: Mapping[str, Any], decision: Mapping[str, Any], metric: str | None) -> TreeNode:
    if stands.get("wish") == "retrain" and not stands.get("champion_version"):
        return TreeNode("no version serves", "compare", True, detail="Without a champion a training is asked for.")
    if stands.get("old_at") is None:
        detail = "Trainings come by the schedule of the retrain DAG, or when a person asks."
        return TreeNode("something that is measured asks for a training", "compare", False, detail=detail)
    asks = (_loses(stands, metric), _ages(stands, decision))
    either = TreeNode("at least one of", "any", _any([each.value for each in asks]), of=asks)
    free = _is_free(stands)
    return TreeNode("all of", "all", _all([either.value, free.value]), of=(either, free))


def _loses(stands: Mapping[str, Any], metric: str | None) -> TreeNode:
    excess, limit = stands.get("excess"), stands.get("limit")
    since = _day(stands.get("losing_since"))
    windows = stands.get("windows") or 0
    return TreeNode(
        "lost more than a fresh model, beyond the limit",
        "compare",
        excess > limit if excess is not None and limit is not None else None,
        now=excess,
        bound=limit,
        unit=metric or "loss",
        needs=limit - excess if excess is not None and limit is not None else None,
        detail=(
            f"Added up over {windows} labelled window{'' if windows == 1 else 's'} since the last training"
            f"{f'; above zero since {since}' if since else ''}."
            if excess is not None
            else "No window has enough labels yet, so what a fresh model loses is not known."
        ),
    )


def _ages(stands: Mapping[str, Any], decision: Mapping[str, Any]) -> TreeNode:
    now, since, old_at = (_moment(each) for each in (decision.get("now"), stands.get("since"), stands.get("old_at")))
    if now is None or since is None or old_at is None:
        return TreeNode("older than the policy's maximum age", "compare", None)
    age, most = (now - since) / _DAY, (old_at - since) / _DAY
    return TreeNode(
        "older than the policy's maximum age",
        "compare",
        bool(stands.get("is_old")),
        now=age,
        bound=most,
        unit="days",
        needs=most - age,
        detail=f"Asks for a training after {old_at:%Y-%m-%d}, whatever was lost.",
    )


def _is_free(stands: Mapping[str, Any]) -> TreeNode:
    until = _day(stands.get("cool_at"))
    detail = (
        f"The last training ended {_day(stands.get('trained_at'))}; the cooldown lasts until {until}." if until else ""
    )
    return TreeNode("no cooldown after the last training", "compare", not stands.get("is_cooling_down"), detail=detail)


def _warn(signals: Mapping[str, Any]) -> TreeNode:
    """Draw what makes a look a warning, and asks for no training."""
    drift, answers = signals.get("drift"), signals.get("prediction_drift")
    problems = list(signals.get("problems") or ())
    parts = [
        TreeNode(
            "the drift report calls the data drifted",
            "compare",
            drift["verdict"] == "drifted" if drift else None,
            now=drift["share"] if drift else None,
            unit="share of columns",
            detail=", ".join((drift.get("columns") or ())[:3]) if drift else "Not measured.",
        ),
        TreeNode(
            "the drift report calls the answers drifted",
            "compare",
            answers["verdict"] == "drifted" if answers else None,
            now=answers.get("score") if answers else None,
            bound=answers.get("threshold") if answers else None,
            unit=(answers.get("method") or "") if answers else "",
            detail="" if answers else "Not measured.",
        ),
        TreeNode("something could not be measured", "compare", bool(problems), detail="; ".join(problems)),
    ]
    if burn := (signals.get("measured") or {}).get("slo_burn"):
        spent = None if burn["verdict"] == "unknown" else burn["verdict"] == "drifted"
        parts.append(
            TreeNode(
                "an error budget is spent too fast",
                "compare",
                spent,
                now=burn.get("value"),
                bound=burn.get("limit"),
                unit="times",
                detail=burn.get("detail") or "",
            )
        )
    return TreeNode("at least one of", "any", _any([part.value for part in parts]), of=tuple(parts))


def _any(values: list[bool | None]) -> bool | None:
    """Join as `rules` does: an unknown part decides nothing that the known parts do not."""
    return True if True in values else None if None in values else False


def _all(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _day(text: str | None) -> str | None:
    moment = _moment(text)
    return f"{moment:%Y-%m-%d}" if moment else None
