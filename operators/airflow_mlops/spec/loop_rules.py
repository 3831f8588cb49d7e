"""Rules over the sections that say what happens between trainings, and what lint warns of in them.

Those over policies are in `policy_rules`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_mlops.spec.durations import format_duration
from airflow_mlops.spec.vocabulary import SCORE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_mlops.spec.loop_sections import LandingSpec
    from airflow_mlops.spec.sections import ModelSpec

    Location = tuple[str | int, ...]
    Broken = tuple[Location, str]
    Found = tuple[str, Location, str]

# Two looks of a schedule are taken to be no farther apart than the farthest of so many.
_LOOKS = 60


# The assets of this model or another one, by their names.
_OURS = re.compile(r"[a-z][a-z0-9_]{1,62}/(snapshot|champion|retrain|rollback)")
_SCHEME = "x-mlops://"

# What Airflow lets a connection be called.
_CONNECTION_ID = re.compile(r"[\w.()-]{1,200}")


def server(spec: ModelSpec) -> Iterator[Broken]:
    """Check that the server is named by a connection: an address there is the first thing that people write."""
    named = spec.deploy.server
    if named is not None and not _CONNECTION_ID.fullmatch(named):
        yield (
            ("deploy", "server"),
            f"{named!r} is no id of an Airflow connection; make a connection of type model_server that holds the "
            "address, and give its id here, or null for no server",
        )


def prediction_log(spec: ModelSpec) -> Iterator[Broken]:
    """Labels find their prediction in the log by the row's key."""
    if not spec.reads_prediction_log:
        return
    if not spec.data.key:
        yield (
            ("data", "key"),
            "names no column, so no label finds its prediction in the server's log; name what tells rows apart, or "
            "set monitor.predictions to 'score'",
        )
    for index, name in enumerate(spec.data.key):
        if name in spec.data.sensitive:
            yield (
                ("data", "key", index),
                f"{name!r} is in data.sensitive, and the prediction log names each row by its key; take another key, "
                "or set monitor.predictions to 'score'",
            )


def labels(spec: ModelSpec) -> Iterator[Broken]:
    """Check that a label can find its row: by the row's key, or by an entity and a time."""
    join, at = spec.data.labels, ("data", "labels")
    if join is None:
        return
    if join.time is None and join.tolerance is not None:
        yield (
            (*at, "tolerance"),
            "says how far a label may lie from its row in time, but data.labels.time names no column; name it, or "
            "leave this out",
        )
    if join.time is not None and join.tolerance is None:
        yield (
            (*at, "tolerance"),
            f"is missing: by data.labels.time ({join.time!r}) alone a label would join a row of any age; say how much "
            "older than its label a row may be",
        )
    if join.time is not None and spec.data.time in join.key:
        yield (
            (*at, "time"),
            f"is not needed: data.labels.key holds {spec.data.time!r}, so a label names its row; leave out one of them",
        )
    if join.arrived in join.key:
        yield (*at, "arrived"), f"{join.arrived!r} is in data.labels.key: no row knows when its label will arrive"
    if spec.data.target in join.key:
        yield (*at, "key"), f"holds the target {spec.data.target!r}, which rows do not have before their label joins"


def scores(spec: ModelSpec) -> Iterator[Broken]:
    """Keep the columns that name a row apart from those the scores table adds."""
    for at, name in _named(spec):
        if name in SCORE_COLUMNS:
            yield at, f"{name!r} is a column that the scores table adds; give this one another name in the source"


def _named(spec: ModelSpec) -> Iterator[tuple[Location, str]]:
    yield ("data", "time"), spec.data.time
    for place, name in enumerate(spec.data.key):
        yield ("data", "key", place), name


def looks(spec: ModelSpec) -> Iterator[Broken]:
    """Check when the monitor looks, and how far."""
    monitor = spec.monitor
    for section, window in (("monitor", monitor.window), ("score", spec.score.window)):
        if window is not None and window <= timedelta(0):
            yield (section, "window"), "a window of no length holds no rows"
    if monitor.marker is not None and not PurePath(monitor.marker).is_absolute():
        yield (
            ("monitor", "marker"),
            f"{monitor.marker!r} is no absolute path, and the triggerer has no folder of its own",
        )
    elif monitor.marker is not None and monitor.marker.endswith("/"):
        yield (
            ("monitor", "marker"),
            f"{monitor.marker!r} is a folder, and the triggerer waits for a file; name one in it",
        )
    if monitor.files is not None:
        yield from _landing(monitor.files)
    yield from _waited_for(spec)


def _waited_for(spec: ModelSpec) -> Iterator[Broken]:
    """Check the asset that starts the monitor: of two with one name and two URIs Airflow drops either."""
    asset, at = spec.monitor.asset or "", ("monitor", "asset")
    own = asset.removeprefix(_SCHEME)
    if own in (f"{spec.name}/retrain", f"{spec.name}/rollback"):
        yield at, "the monitor itself rings this asset, and would start itself for ever; name another"
    elif _OURS.fullmatch(asset):
        yield at, f"this asset goes by its URI; write '{_SCHEME}{asset}', or the URI of your own one by that name"
    elif own == f"{spec.name}/landed" and (spec.monitor.marker or spec.monitor.files):
        yield at, "the marker and the files ring this asset already; leave monitor.asset out, or name another"


def _landing(files: LandingSpec) -> Iterator[Broken]:
    at = ("monitor", "files")
    if "://" not in files.uri and not PurePath(files.uri).is_absolute():
        yield (*at, "uri"), f"{files.uri!r} is no absolute path, and the triggerer has no folder of its own"
    if urlsplit(files.uri).password:
        yield (
            (*at, "uri"),
            "the address holds a password; keep it in an Airflow connection and name that in conn_id",
        )
    if files.every < timedelta(seconds=1):
        yield (*at, "every"), "is less than a second between two looks at a store; give 10s or more"


def quality_of_what(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn where what is judged is not what was answered."""
    chosen, at = spec.monitor.predictions, ("monitor", "predictions")
    if spec.deploy.server and chosen == "score":
        yield (
            "warning",
            at,
            "a server answers (deploy.server), but what is judged is what its versions would answer now; leave it out "
            "to read the server's log",
        )
    if chosen == "log" and not spec.deploy.server:
        yield "warning", at, "no server is named (deploy.server), so it has to be seen to that one writes the log"
    if spec.data.labels and not spec.data.label_delay:
        yield (
            "warning",
            ("data", "label_delay"),
            "labels have a source of their own and no delay: each look judges rows whose labels have hardly arrived",
        )


def rows_between_looks(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn where two looks leave rows between them that none of them judges."""
    if spec.monitor.schedule is None:
        return
    from croniter import croniter

    times = croniter(spec.monitor.schedule, datetime(2024, 1, 1, tzinfo=UTC))
    moments = [times.get_next(datetime) for _ in range(_LOOKS)]
    farthest = max(later - before for before, later in pairwise(moments))
    if farthest > spec.monitor_window:
        yield (
            "warning",
            ("monitor", "window"),
            f"{format_duration(spec.monitor_window)} are shorter than what lies between two looks "
            f"({format_duration(farthest)}): the rows between are never judged",
        )


def overlapping_looks(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn where looks fall into one window: of windows that overlap only the newest counts, and nothing adds up."""
    if spec.retrain.policy.kind != "schedule" and spec.monitor.window is None:
        yield (
            "warning",
            ("monitor",),
            f"names no window, so each look judges ingest.window ({format_duration(spec.ingest.window)}), and of "
            "windows that overlap only the newest counts; give the time between two looks",
        )


def nobody_looks(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn where a policy is to decide, and nothing but a person ever starts the monitor that asks it."""
    monitor = spec.monitor
    if spec.retrain.policy.kind != "schedule" and not any(
        (monitor.schedule, monitor.asset, monitor.marker, monitor.files)
    ):
        yield (
            "warning",
            ("monitor",),
            "names no schedule, asset, marker or files: the policy is asked only when a person starts the monitor",
        )


def nobody_asks(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn where nothing but a person ever asks for a training."""
    if spec.retrain.policy.kind == "schedule" and spec.retrain.schedule is None:
        yield (
            "warning",
            ("retrain", "policy"),
            "by schedule, and retrain.schedule is not given: nothing but a person ever asks for a training",
        )
