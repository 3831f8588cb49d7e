"""How far columns have moved between two looks, kept in a file, for a second policy asks the same."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow_mlops.loop.effects import Effect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Effects = dict[str, Effect]


class KeptEffects:
    """Effects by the look whose training rows are the reference, and the look that is judged.

    Parameters
    ----------
    path : Path or None
        A file that grows by a line a pair; None keeps them in memory alone.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._found: dict[tuple[int, int], Effects] = {}
        for line in path.read_text("utf-8").splitlines() if path and path.exists() else ():
            try:
                reference, look, effects = json.loads(line)
            except ValueError:
                # A process that was killed has left half of its line; the pair is measured again.
                continue
            self._found[reference, look] = {each["column"]: Effect(**each) for each in effects}

    def get(self, reference: int, look: int, measure: Callable[[], Effects]) -> Effects:
        """Return the effects of a pair, measured where they are not there yet."""
        if (reference, look) not in self._found:
            self._found[reference, look] = effects = measure()
            self._write([reference, look, [asdict(each) for each in effects.values()]])
        return self._found[reference, look]

    def _write(self, entry: list[object]) -> None:
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The line break comes first: what a killed process left must not swallow this line.
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(f"\n{json.dumps(entry)}")
