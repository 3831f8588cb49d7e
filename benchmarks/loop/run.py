"""Every stream through every row: first what this package does, stream by stream, then the peers, several at once."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MLOpsError
from airflow_mlops.spec.policy_sections import CommitteePolicy, SinglePolicy
from benchmarks.loop import peers, summary
from benchmarks.loop.arena import Arena, prepared
from benchmarks.loop.neighbours import neighbours
from benchmarks.loop.reference import Reference, reference_of
from benchmarks.loop.rows import Row, looks_of, own_rows, peer_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.loop.sources import Source

# Whatever a table that nobody has seen makes a library raise: the other streams go on.
FAILURES = (
    MLOpsError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
)
LIBRARIES = ("river", "evidently")
CONTROL_RULE = (
    "a stream is a control where training at every batch, with the better of two windows, gains less than 5 % of the "
    "loss of never training, and nothing beyond noise: the one-sided bound at 95 % of its mean gain, from a paired "
    "bootstrap of blocks of batches, is not above zero; its gain kept is a quotient of noise and left out of the means"
)
GAIN_KEPT = (
    "(loss of never - loss) / (loss of never - loss of training at every batch with the better of two windows); never "
    "is the mean of eight draws of the rows that train the first champion, gain_kept_one_draw takes its own alone"
)


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    cache: Path
    json: Path | None
    label_delay: int = 1
    rows_per_batch: int | None = None
    jobs: int = 2
    controls: tuple[str, ...] | None = None
    has_peers: bool = True


@dataclass(frozen=True)
class Measured:
    """A stream with its rows."""

    arena: Arena
    reference: Reference
    rows: dict[str, Row]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return summary.of_stream(self.arena, looks_of(self.arena.board), self.reference, self.rows, self.notes)


class Run:
    """The streams measured so far; the JSON is written after each, so that nothing is lost.

    Parameters
    ----------
    options : Options
        Of the command line.
    say : callable
        Shows a line of progress.
    """

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self.options, self.say = options, say
        self.measured: dict[str, Measured] = {}
        self.failed: dict[str, str] = {}
        self.left_out: list[str] = []
        self.neighbours: dict[str, Any] | None = None

    def all(self, sources: Sequence[Source], *, with_neighbours: bool = False) -> dict[str, Any]:
        """Measure streams, then what peers do on them, and return all of it as JSON."""
        for source in sources:
            self._one(source)
        if with_neighbours:
            self.say("settings beside the defaults")
            self.neighbours = neighbours(self.measured)
            self._write()
        if self.options.has_peers:
            self.left_out += peers.missing()
            self._peers()
        return self.found()

    def found(self) -> dict[str, Any]:
        """Return the JSON."""
        streams = {name: measured.to_dict() for name, measured in self.measured.items()}
        return {
            "settings": _settings(self.options),
            "streams": streams,
            "policies": summary.of_policies(streams),
            "failed": self.failed,
            "left_out": self.left_out,
            **({} if self.neighbours is None else {"neighbours": self.neighbours}),
        }

    def _one(self, source: Source) -> None:
        self.say(f"{source.name}: reading")
        try:
            stream = replace(source.read(), name=source.name)
            arena = prepared(
                stream,
                self.options.cache,
                jobs=self.options.jobs,
                peers=self.options.has_peers,
                progress=lambda done, total: self.say(f"{source.name}: {done} of {total} models"),
            )
            reference = reference_of(arena, self.options.controls)
            self.say(f"{source.name}: replaying")
            self.measured[source.name] = Measured(arena, reference, own_rows(arena, reference))
        except FAILURES as error:
            self.failed[source.name] = _sentence(error)
        self._write()

    def _peers(self) -> None:
        import joblib

        kinds = {name for name in LIBRARIES if find_spec(name)}
        workers = joblib.Parallel(n_jobs=self.options.jobs, return_as="generator_unordered")
        tasks = [
            joblib.delayed(_with_peers)(name, measured, self.options.cache, kinds)
            for name, measured in self.measured.items()
        ]
        self.say(f"peers on {len(tasks)} streams")
        for done, (name, measured) in enumerate(workers(tasks), 1):
            self.measured[name] = measured
            self.say(f"peers: {done} of {len(tasks)} streams")
            self._write()

    def _write(self) -> None:
        path = self.options.json
        if path is not None:
            unfinished = path.with_name(f"{path.name}.part")
            unfinished.write_text(json.dumps(self.found(), indent=2, allow_nan=False) + "\n", "utf-8")
            unfinished.replace(path)


def _with_peers(name: str, measured: Measured, cache: Path, kinds: set[str]) -> tuple[str, Measured]:
    """Add what peers do; a stream that makes them fail keeps its other rows."""
    verdicts = cache / f"{measured.arena.board.matrix.digest[:16]}.evidently.json"
    try:
        rows, notes = peer_rows(measured.arena, verdicts, kinds)
    except FAILURES as error:
        return name, replace(measured, notes=(*measured.notes, f"no peers: {_sentence(error)}"))
    return name, replace(measured, rows={**measured.rows, **rows}, notes=(*measured.notes, *notes))


def _sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, MLOpsError) else f"{type(error).__name__}: {error}"


def _settings(options: Options) -> dict[str, Any]:
    packages = ["scikit-learn", "numpy", "pandas", *(name for name in LIBRARIES if find_spec(name))]
    return {
        "label_delay": options.label_delay,
        "rows_per_batch": options.rows_per_batch,
        "gain_kept": GAIN_KEPT,
        "control": list(options.controls) if options.controls is not None else CONTROL_RULE,
        "committee": CommitteePolicy().model_dump(mode="json"),
        "single": SinglePolicy().model_dump(mode="json"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }
