"""How long a ledger of a million events of one model takes to answer.

    python -m benchmarks.ledger [--events N] [--ledger URL] [--json OUT]

The events are those of five years: signals and decisions all along, each week a request, a registered version, an
approval and a promotion, each quarter a rollback with its freeze. They are written in bulk, in a chain that
`Ledger.verify` finds whole. Then what is asked of a ledger is timed: what served at a moment, the state of now and of
a moment, the whole history, an append; each time at a moment drawn anew, by a ledger opened anew. Beside
`Ledger.serving` stands the SQL that a script would send for it over a connection of its own, without any check.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from airflow_mlops.events import GENESIS, chain_hash, encode_payload, utc_text
from airflow_mlops.ledger import Ledger, overviews
from airflow_mlops.ledger.database import Database
from airflow_mlops.ledger.tables import events_table, state_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = datetime(2013, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
WEEK = int(timedelta(weeks=1) / STEP)
# A rollback each quarter.
QUARTER = 13 * WEEK
MODEL = "long"
CHUNK = 5000
TIMES = 101
LIMIT_MS = 100


def build(url: str, events: int) -> None:
    """Write a chain of this many events into an empty ledger, in one transaction."""
    state: dict[str, Any] = {"model": MODEL, "seq": 0, "epoch": 0, "champion": None, "hash": GENESIS}
    with Database(url).write() as connection:
        rows = _chained(islice(_facts(), events), state)
        while chunk := list(islice(rows, CHUNK)):
            connection.execute(events_table.insert(), chunk)
        connection.execute(state_table.insert().values(**state))
        overviews.rebuild(connection, MODEL)


def _facts() -> Iterator[tuple[str, str, dict[str, Any], int]]:
    """Yield kind, key, payload and step in time, without end."""
    served: list[str] = []
    step = 0
    while True:
        step += 1
        if step % WEEK == 0:
            yield from _training(len(served) + 1, step)
            served.append(str(len(served) + 1))
        if step % QUARTER == WEEK // 2 and len(served) > 1:
            yield from _rollback(served, step)
        yield "signals", f"s{step}", {"loss": 0.5, "labels": 400, "drift": {"temp": 0.01, "dewp": 0.02}}, step
        yield "decision", f"d{step}", {"action": "wait", "reasons": ["nothing accumulated"], "epoch": len(served)}, step


def _training(number: int, step: int) -> Iterator[tuple[str, str, dict[str, Any], int]]:
    version, run = str(number), {"version": str(number)}
    evaluation = {"id": f"e{number}", "verdict": "pass", "metrics": {"rmse": 20.5}, "uri": f"file:///evaluate/{number}"}
    yield "request", f"r{number}", {"cause": "decision", "reason": "it is due", "decision": f"d{step - 1}"}, step
    yield "register", version, {**run, "id": f"m{number}"}, step
    answer = {"evaluation": f"e{number}", "answer": "automatic", "by": [], "reason": ""}
    yield "approval", f"{version}:e{number}", {**run, **answer}, step
    yield "promotion", version, {**run, "cause": "retrain", "evaluation": evaluation}, step


def _rollback(served: list[str], step: int) -> Iterator[tuple[str, str, dict[str, Any], int]]:
    said = {"replaced": served[-1], "reason": "it got worse", "by": "the loop"}
    yield "promotion", served[-2], {"version": served[-2], "cause": "rollback", "rollback": said}, step
    held = {"scope": "version", "version": served[-1], "frozen": True, "reason": "it got worse", "by": "the loop"}
    yield "freeze", f"{served[-1]}@{step}", held, step


def _chained(facts: Iterator[tuple[str, str, dict[str, Any], int]], state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give each fact its place in the chain; ``state`` moves along."""
    for kind, key, payload, step in facts:
        is_promotion = kind == "promotion"
        if is_promotion:
            state |= {"epoch": state["epoch"] + 1, "champion": payload["version"]}
        moment = utc_text(START + step * STEP)
        row = {
            "model": MODEL,
            "seq": state["seq"] + 1,
            "kind": kind,
            "key": f"{key}@{state['epoch'] - 1}" if is_promotion else key,
            "at": moment,
            "recorded_at": moment,
            "run": f"scheduled__{step}",
            "epoch": state["epoch"] if is_promotion else None,
            "payload": encode_payload(payload),
            "previous_hash": state["hash"],
        }
        row["hash"] = chain_hash(**row)
        state |= {"seq": row["seq"], "hash": row["hash"]}
        yield row


def measure(url: str) -> dict[str, Any]:
    """Time each question at many moments, and the check of the whole chain once."""
    rng = random.Random(0)
    last = Ledger(url).events(MODEL, kind="promotion")[-1].at
    moments = [START + rng.random() * (last - START) for _ in range(TIMES)]
    numbers = iter(range(TIMES))
    questions: dict[str, Callable[[datetime], object]] = {
        "serving_at_ms": lambda moment: Ledger(url).serving(MODEL, at=moment),
        "history_at_ms": lambda moment: Ledger(url).stretch(MODEL, moment),
        "state_at_ms": lambda moment: Ledger(url).state(MODEL, as_of=moment),
        "state_now_ms": lambda _: Ledger(url).state(MODEL),
        "history_ms": lambda _: Ledger(url).history(MODEL),
        "append_ms": lambda moment: Ledger(url).append(MODEL, "signals", f"new{next(numbers)}", {}, at=moment),
        "script_serving_at_ms": lambda moment: _script(url, moment),
    }
    found: dict[str, Any] = {name: _median_ms(ask, moments) for name, ask in questions.items()}
    for moment in moments:
        served = Ledger(url).serving(MODEL, at=moment)
        assert (served.payload["version"] if served else None) == _script(url, moment)
    started = time.perf_counter()
    found["events"] = Ledger(url).verify(MODEL)
    found["verify_s"] = round(time.perf_counter() - started, 1)
    found["serving_over_script"] = round(found["serving_at_ms"] / found["script_serving_at_ms"], 2)
    found["is_under_limit"] = all(
        found[name] < LIMIT_MS for name in ("serving_at_ms", "history_at_ms", "state_at_ms", "history_ms")
    )
    return found


def _script(url: str, moment: datetime) -> str | None:
    """Ask what served by hand-written SQL, as a script would."""
    asked = text(
        f"SELECT payload FROM {events_table.name} WHERE model = :model AND kind = 'promotion' AND at <= :at "
        "ORDER BY epoch DESC LIMIT 1"
    )
    with create_engine(url, poolclass=NullPool).connect() as connection:
        payload = connection.execute(asked, {"model": MODEL, "at": utc_text(moment)}).scalar()
    return json.loads(payload)["version"] if payload else None


def _median_ms(ask: Callable[[datetime], object], moments: list[datetime]) -> float:
    seconds = []
    for moment in moments:
        started = time.perf_counter()
        ask(moment)
        seconds.append(time.perf_counter() - started)
    return round(1000 * median(seconds), 2)


def main() -> int:
    """Build, measure, print; 1 where an answer about the past takes too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--ledger", metavar="URL", help="an empty database; default: a SQLite file, thrown away after")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.ledger or f"sqlite:///{folder}/ledger.db"
        started = time.perf_counter()
        build(url, options.events)
        figures = {"build_s": round(time.perf_counter() - started, 1), "database": url.split(":", 1)[0], **measure(url)}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    for name, value in figures.items():
        print(f"{name}: {value}")
    return 0 if figures["is_under_limit"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
