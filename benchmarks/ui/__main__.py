"""How long the list of models and the page of one take to answer, in a house with a thousand models.

    python -m benchmarks.ui [--models N] [--events N] [--calls N] [--json OUT]

A ledger and Airflow's database (both SQLite) are written in bulk: events with their chain of hashes, the overviews by
the fold, eight DAGs a model with their tags. Then an API server of Airflow is started with the plugin in a process of
its own, and asked over HTTP by an admin: the list in every order and with filters, and every GET route of a model's
page that the application has, for a model with 1,000 events and one with 100,000; the model of a DAG, the health; and
the list again by four at once. Each is asked once, then ``--calls`` times; the first answer, the median, the 95th
percentile and the server's CPU time a call are told. The promise is 300 ms for the list and 500 ms for a call of the
page, by the 95th percentile of somebody who asks alone. ``others`` are two of Airflow's own routes, to compare with.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.ui import world
from benchmarks.ui.server import API, ApiServer

LIST_MS, PAGE_MS = 300, 500
SORTS = ("name", "state", "since", "quality", "drift", "budget", "decision")
FILTERS = ("q=model_01", "owner=team-07", "tag=area-3", "state=healthy&state=watching", "offset=50", "limit=200")
# Pages of the trail beyond its first, and what the page of a DAG and the head of every page ask.
TRAIL = ("/audit?limit=200", "/audit?before=500&limit=200", "/audit?people=true")
BESIDE = (f"{API}/dags/{world.SMALL}_monitor/model", f"{API}/health")
OTHERS = ("/api/v2/version", "/api/v2/dags?limit=50")
TOGETHER = 4


def main() -> int:
    """Build, start, measure, print; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1000, metavar="N")
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N", help="of all models together")
    parser.add_argument("--calls", type=int, default=20, metavar="N", help="of each address")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        figures = measure(Path(folder), options.models, options.events, options.calls)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    _show(figures)
    return 0 if figures["is_kept"] else 1


def measure(folder: Path, models: int, events: int, calls: int) -> dict[str, Any]:
    """Build a house in a folder and time its answers."""
    begun = time.perf_counter()
    (folder / "artifacts").mkdir()
    (folder / "dags").mkdir()
    world.set_airflow_up(folder)
    dags = world.write_dags(models)
    written = world.write_ledger(folder / "artifacts", models, events)
    figures: dict[str, Any] = {"models": models, "events": written, "dags": dags}
    figures["build_s"] = round(time.perf_counter() - begun, 1)
    queries = (*(f"sort={sort}" for sort in SORTS), f"sort={SORTS[-1]}&descending=true", *FILTERS)
    with ApiServer(folder) as server:
        parts = (*server.parts(), *TRAIL)
        pages = [f"{API}/models/{name}{part}" for name in (world.SMALL, world.LARGE) for part in parts]
        lists = [f"{API}/models?{query}" for query in queries]
        for group, addresses in (("list", lists), ("page", [*pages, *BESIDE]), ("others", OTHERS)):
            figures[group] = {address.removeprefix(API): _timed(server, address, calls) for address in addresses}
        figures["together"] = {f"{TOGETHER} at once": _together(server, lists[0], calls)}
    # Where there is no report to read, a part answers 404, and says so.
    figures["is_kept"] = all(
        found["p95_ms"] < limit and found["status"] < 500
        for group, limit in (("list", LIST_MS), ("page", PAGE_MS))
        for found in figures[group].values()
    )
    return figures


def _timed(server: ApiServer, address: str, calls: int) -> dict[str, Any]:
    first = server.ask(address)
    before = server.cpu_s()
    seconds = [server.ask(address)[0] for _ in range(calls)]
    return _told(first, seconds, (server.cpu_s() - before) / calls)


def _together(server: ApiServer, address: str, calls: int) -> dict[str, Any]:
    """Have some people ask at once, each so many times."""
    first = server.ask(address)
    before = server.cpu_s()
    with ThreadPoolExecutor(TOGETHER) as people:
        seconds = list(people.map(lambda _: server.ask(address)[0], range(TOGETHER * calls)))
    return _told(first, seconds, (server.cpu_s() - before) / len(seconds))


def _told(first: tuple[float, int, int], seconds: list[float], cpu: float) -> dict[str, Any]:
    seconds = sorted(seconds)
    return {
        "first_ms": _ms(first[0]),
        "median_ms": _ms(seconds[len(seconds) // 2]),
        "p95_ms": _ms(seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]),
        "cpu_ms": _ms(cpu),
        "status": first[1],
        "bytes": first[2],
    }


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)


def _show(figures: dict[str, Any]) -> None:
    groups = ("list", "page", "others", "together")
    for group in groups:
        print(f"{group:46} {'first':>9} {'median':>9} {'p95':>9} {'cpu':>9}  status    bytes")
        for name, found in figures[group].items():
            times = " ".join(f"{found[key]:9.1f}" for key in ("first_ms", "median_ms", "p95_ms", "cpu_ms"))
            print(f"{name:46} {times}  {found['status']:6} {found['bytes']:8}")
    print({name: value for name, value in figures.items() if name not in groups})


if __name__ == "__main__":
    raise SystemExit(main())
