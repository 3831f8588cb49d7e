"""What the plugin costs Airflow's API server when it starts, and when the first page is asked for.

    python -m benchmarks.ui_start [--times N] [--json OUT]

Each time in a process of its own, which has imported what the API server imports without us. Then three things are
timed: loading the plugin, which every process of Airflow does; what it adds to the server's start, which is a thread
that waits; and making the application, which the first request waits for once. The limit holds for the first two.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
LIMIT_S = 0.3
PARTS = {"plugin_s": "loading the plugin", "start_s": "beside the server's start", "app_s": "making the application"}

_ONCE = """
import asyncio, json, sys, time
from airflow.api_fastapi.app import create_app
import airflow.api_fastapi.core_api.app, airflow.api_fastapi.core_api.routes.public
import airflow.api_fastapi.core_api.security

clock = time.perf_counter
begun = clock()
import airflow_mlops_plugin as plugin
loaded = clock()

async def server(scope, receive, send):
    pass

asyncio.run(plugin.RunNotesMiddleware(server)({"type": "lifespan"}, None, None))
started = clock()
plugin.LazyApp().app
made = clock()
print(json.dumps({"plugin_s": loaded - begun, "start_s": started - loaded, "app_s": made - started}))
"""


def measure(times: int) -> dict[str, float]:
    """Return the median of each part in seconds."""
    path = os.pathsep.join(str(ROOT / folder) for folder in ("operators", "plugins"))
    environment = {**os.environ, "PYTHONPATH": path, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    rows = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", _ONCE], env=environment, capture_output=True, text=True, check=True
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    return {part: median(row[part] for row in rows) for part in PARTS}


def main() -> int:
    """Measure, print, and say by the exit code whether the limit holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="processes to start; the median counts")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    found = measure(options.times)
    for part, name in PARTS.items():
        print(f"{name:<28}{found[part]:8.3f} s")
    held = found["plugin_s"] + found["start_s"] <= LIMIT_S
    print(
        f"at the start: {found['plugin_s'] + found['start_s']:.3f} s, limit {LIMIT_S} s: {'held' if held else 'BROKEN'}"
    )
    if options.json:
        options.json.write_text(json.dumps({**found, "limit_s": LIMIT_S, "held": held}, indent=2) + "\n")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
