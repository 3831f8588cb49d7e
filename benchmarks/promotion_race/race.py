"""A race of processes for one epoch of one model."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import PromotionConflict
from airflow_mlops.events import FREEZE, PROMOTION
from airflow_mlops.ledger import Fact, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_mlops.events import Event, ModelState

# How long all processes of a round may take to get to the start, and then to an answer.
PATIENCE_S = 120
MOMENT = datetime(2013, 3, 1, tzinfo=UTC)

_processes = multiprocessing.get_context("fork")


def run_race(url: str, *, model: str, processes: int, rounds: int) -> dict[str, Any]:
    """Run some rounds, each from the epoch where the last one ended.

    Parameters
    ----------
    url : str
        Of the ledger.
    model : str
        A name that the ledger does not know yet.
    processes, rounds : int
        How many start at once, and how often.

    Returns
    -------
    dict
        Figures of each round; ``is_right``: whether each came out as it must.
    """
    ledger = Ledger(url)
    # Each rollback freezes what it replaces, so as many served before as rounds may ask for.
    for epoch, version in enumerate(f"start-{number}" for number in range(rounds + 1)):
        ledger.append(model, "register", version, {"version": version}, at=MOMENT)
        ledger.promote(model, version, expected_epoch=epoch, payload={"cause": "retrain"}, at=MOMENT)
    found = [_round(ledger, url, model=model, number=number, processes=processes) for number in range(1, rounds + 1)]
    return {
        "processes": processes,
        "database": url.split(":", 1)[0],
        "rounds": found,
        "is_right": all(_is_right(each, processes) for each in found),
    }


def _is_right(found: dict[str, Any], processes: int) -> bool:
    answers = found["same_as_winner"] + found["conflicts"]
    return (found["winners"], found["other_errors"], answers) == (1, 0, processes - 1) and (
        found["promotion_events"],
        found["chain_verified"],
    ) == (1, True)


def _round(ledger: Ledger, url: str, *, model: str, number: int, processes: int) -> dict[str, Any]:
    state = ledger.state(model)
    tries = [_try_of(each, state, number) for each in range(processes)]
    started = time.perf_counter()
    answers = _at_once(lambda each: tries[each](Ledger(url), model), processes)
    seconds = time.perf_counter() - started
    events = [answer for answer in answers if isinstance(answer, tuple)]
    conflicts = [answer for answer in answers if isinstance(answer, PromotionConflict)]
    errors = [f"{type(answer).__name__}: {answer}" for answer in answers if answer not in events + conflicts]
    after = ledger.state(model)
    promoted = [event for event in ledger.events(model, kind=PROMOTION) if (event.epoch or 0) > state.epoch]
    frozen = [event for event in ledger.events(model, kind=FREEZE) if event.seq > state.seq]
    return {
        "epoch": after.epoch,
        "winners": len(set(events)),
        "same_as_winner": len(events) - len(set(events)),
        "conflicts": len(conflicts),
        "other_errors": len(errors),
        "promotion_events": len(promoted),
        "freeze_events": len(frozen),
        "won_by": str(promoted[-1].payload["cause"]) if promoted else None,
        "chain_verified": ledger.verify(model) == after.seq,
        "tries": dict(Counter(each.__name__ for each in tries)),
        "seconds": round(seconds, 2),
        "errors": errors,
    }


def _try_of(each: int, state: ModelState, number: int) -> Callable[[Ledger, str], tuple[int, str]]:
    """Say what one process tries: of ten, seven promote their own version, two a shared one, one rolls back."""
    version = f"{number}-{each if each % 10 < 7 else 'shared'}"

    def promotion(ledger: Ledger, model: str) -> tuple[int, str]:
        payload = {"cause": "retrain"}
        return _told(ledger.promote(model, version, expected_epoch=state.epoch, payload=payload, at=MOMENT))

    def rollback(ledger: Ledger, model: str) -> tuple[int, str]:
        assert state.champion is not None
        bad = state.champion.version
        # The freeze of a version that serves is a fact of this epoch; it is recorded with the promotion or not at all.
        held = {"scope": "version", "version": bad, "frozen": True, "reason": "the race", "by": "the race"}
        return _told(
            ledger.promote(
                model,
                _last_good(state),
                expected_epoch=state.epoch,
                payload={"cause": "rollback", "rollback": {"replaced": bad, "reason": "the race", "by": "the race"}},
                at=MOMENT,
                beside=[Fact(FREEZE, f"{bad}@{state.epoch}", held)],
            )
        )

    return rollback if each % 10 == 9 else promotion


def _last_good(state: ModelState) -> str:
    served = [each for each in state.versions.values() if each.served and each.role == "retired"]
    return served[-1].version


def _told(event: Event) -> tuple[int, str]:
    return event.seq, event.hash


def _at_once(work: Callable[[int], tuple[int, str]], count: int) -> list[Any]:
    """Call ``work(number)`` in that many processes at the same moment; return what each gave or raised."""
    start, answers = _processes.Barrier(count), _processes.Queue()

    def run(number: int) -> None:
        start.wait(PATIENCE_S)
        try:
            answers.put(work(number))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            answers.put(error)

    running = [_processes.Process(target=run, args=(number,)) for number in range(count)]
    for process in running:
        process.start()
    found = [answers.get(timeout=PATIENCE_S) for _ in running]
    for process in running:
        process.join()
    return found
