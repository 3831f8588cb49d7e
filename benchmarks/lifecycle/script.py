"""The plain script: ``python -m benchmarks.lifecycle.script FOLDER TRACKING_URI NAME PASSES``.

The first pass is cold: it pays for every import. A second pass in the same process is warm. Each pass works afresh, in
a folder and under a model name of its own. The last line of the output is JSON: seconds of each pass, and of each step.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.lifecycle import work

if TYPE_CHECKING:
    from collections.abc import Callable


def one_pass(folder: str, tracking_uri: str, name: str) -> dict[str, float]:
    """Run the eight steps; return the seconds each took."""
    seconds: dict[str, float] = {}

    def step(function: Callable[..., Any], *arguments: Any) -> Any:
        begun = time.perf_counter()
        result = function(folder, *arguments)
        seconds[function.__name__] = time.perf_counter() - begun
        return result

    paths = step(work.ingest)
    step(work.validate, paths["reference"])
    made = step(work.features, paths["reference"])
    model = step(work.train, made)
    metrics = step(work.evaluate, made, model)
    version = step(work.register, name, tracking_uri, model, paths["reference"], metrics)
    step(work.deploy, name, tracking_uri, version)
    step(work.drift, name, tracking_uri, paths)
    return seconds


def main() -> None:
    """Run as many passes as asked and print what they took."""
    folder, tracking_uri, name, passes = sys.argv[1:]
    timed = [one_pass(f"{folder}/{number}", tracking_uri, f"{name}_{number}") for number in range(int(passes))]
    print(json.dumps([{"seconds": sum(steps.values()), "steps": steps} for steps in timed]))


if __name__ == "__main__":
    main()
