"""What a model server says of itself in ``/status``, and what a deploy waits for in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

Until = Literal["loaded", "serving"]


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that the server holds, or tries to; ``epoch`` is None before its promotion."""

    version: str
    epoch: int | None
    state: str
    digest: str | None
    reason: str | None
    memory_mb: float | None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read one entry of ``loaded``."""
        return cls(
            version=str(value["version"]),
            epoch=value.get("epoch"),
            state=value["state"],
            digest=value.get("digest"),
            reason=value.get("reason"),
            memory_mb=value.get("memory_mb"),
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """What the server has counted of the version that answers, since it began to.

    ``failed`` are requests that it did not answer by its own fault, ``not_finite`` those whose prediction was no finite
    number; they are among the failed ones. ``times`` has pairs of a time in seconds and the number of requests that
    took no longer.
    """

    since: str
    requests: int
    failed: int
    not_finite: int
    times: tuple[tuple[float, int], ...]

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what ``/status`` says of a model's requests."""
        times = tuple((float(limit), int(count)) for limit, count in value["times"])
        return cls(value["since"], value["requests"], value["failed"], value["not_finite"], times)

    def slower_than(self, seconds: float) -> int:
        """Count requests that took longer; a limit between two counted times is taken as the larger of them."""
        return self.requests - next((count for limit, count in self.times if limit >= seconds), self.requests)

    def time_within(self, share: float) -> float | None:
        """Return the counted time, in seconds, in which this share of the requests was answered.

        None where there are no requests, and where it took longer than the longest time that is counted.
        """
        return next((limit for limit, count in self.times if self.requests and count >= share * self.requests), None)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What the server says of one model: what answers, since which epoch, and what else it holds."""

    version: str | None
    epoch: int
    reason: str | None
    loaded: tuple[LoadedVersion, ...]
    answered: Answered | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read one entry of ``models``."""
        version = value.get("version")
        return cls(
            version=None if version is None else str(version),
            epoch=value.get("epoch") or 0,
            reason=value.get("reason"),
            loaded=tuple(LoadedVersion.from_dict(entry) for entry in value["loaded"]),
            answered=Answered.from_dict(value["answered"]) if value.get("answered") else None,
        )

    def find(self, version: str, digest: str) -> LoadedVersion | None:
        """Return the entry of a version with these bytes: MLflow may give a number twice."""
        for entry in self.loaded:
            if entry.version == version and entry.digest in (None, digest):
                return entry
        return None

    def describe(self) -> str:
        """Say what answers now."""
        if self.version is None:
            return "no version" if not self.reason else f"no version ({self.reason.rstrip('.')})"
        return f"version {self.version} at epoch {self.epoch}"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The whole answer; ``ledger`` is ``ok``, or why the server cannot read its ledger."""

    server_version: str
    ledger: str
    models: dict[str, ServedModel]

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read the body of ``/status``.

        Raises
        ------
        KeyError, TypeError, AttributeError
            It is something else.
        """
        return cls(
            server_version=str(value["server"]["version"]),
            ledger=value["server"]["ledger"],
            models={name: ServedModel.from_dict(model) for name, model in value["models"].items()},
        )


@dataclass(frozen=True, slots=True)
class Awaited:
    """What has to be so in ``/status`` before a deploy can go on.

    ``epoch`` is the one that the version serves from once it is promoted; ``until`` is what is waited for now.
    """

    model: str
    version: str
    digest: str
    epoch: int
    until: Until

    def has_ended(self, status: ServerStatus) -> bool:
        """Tell whether waiting is over, well or badly: a further try will say which."""
        served = status.models.get(self.model)
        # Whoever reached the epoch, this version or another one that was promoted before it: nothing more will come.
        if served is None or served.epoch >= self.epoch:
            return True
        entry = served.find(self.version, self.digest)
        ends = ("failed",) if self.until == "serving" else ("loaded", "failed")
        return entry is not None and entry.state in ends
