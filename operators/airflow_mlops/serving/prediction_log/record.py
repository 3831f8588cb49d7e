"""One answered prediction, as a line that can be told from a torn one, and back.

A line is a JSON object whose last member is the CRC-32 of all bytes before it, so that DuckDB and jq read a segment as
it lies there, and a reader of ours notices a line that was cut or overwritten.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SEAL = b',"crc":"%08x"}'
_SEAL_LENGTH = len(_SEAL % 0)


@dataclass(slots=True)
class Record:
    """One prediction.

    Parameters
    ----------
    id : str
        The row's identity, as labels will name it.
    time : datetime
        Event time of the row. Without a zone it counts as UTC.
    received_at : datetime
        When the request came in, by the server's clock.
    model, version : str
        Who answered.
    epoch : int
        The promotion by which the version serves.
    features : mapping of str to JSON value
        The row as it was given. Whoever makes the record leaves out what must not be stored.
    output : float or str or list of float
        A number, a label, or probabilities.
    """

    id: str
    time: datetime
    received_at: datetime
    model: str
    version: str
    epoch: int
    features: Mapping[str, Any]
    output: Any


def line_encoder() -> Callable[[Record], bytes]:
    """Return what turns a record into a sealed line.

    NaN and infinities, for which JSON has no word, become null.
    """
    import msgspec

    encode = msgspec.json.Encoder(enc_hook=_plain).encode

    def line(record: Record) -> bytes:
        members = {
            "id": record.id,
            "time": _utc_text(record.time),
            "received_at": _utc_text(record.received_at),
            "model": record.model,
            "version": record.version,
            "epoch": record.epoch,
            "features": record.features,
            "output": record.output,
        }
        try:
            body = encode(members)
        except UnicodeEncodeError:
            # Half of a surrogate pair has no UTF-8; the escape of JSON holds it.
            body = json.dumps(members, default=_plain, separators=(",", ":")).encode()
        return body[:-1] + _SEAL % crc32(body) + b"\n"

    return line


def _plain(value: Any) -> Any:
    """Return what JSON can hold for a value of NumPy or pandas; anything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _utc_text(moment: datetime) -> str:
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat(timespec="microseconds")


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Return the row of a whole line (without its newline), or None where the line is torn or foreign.

    The answer comes back in two columns, so that one schema holds every model: ``output`` for a number (a list of one)
    or probabilities, ``label`` for a label. An answer that is neither is its own JSON text in ``label``.
    """
    body, seal = line[:-_SEAL_LENGTH] + b"}", line[-_SEAL_LENGTH:]
    if seal != _SEAL % crc32(body):
        return None
    try:
        return _row(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def _row(members: dict[str, Any]) -> dict[str, Any]:
    output, label = _answer(members["output"])
    return {
        "id": _utf8(members["id"]),
        "time": datetime.fromisoformat(members["time"]),
        "received_at": datetime.fromisoformat(members["received_at"]),
        "model": _utf8(members["model"]),
        "version": _utf8(members["version"]),
        "epoch": int(members["epoch"]),
        "output": output,
        "label": label,
        "features": _json_text(members["features"]),
    }


def _answer(output: Any) -> tuple[list[float | None] | None, str | None]:
    if isinstance(output, str):
        return None, _utf8(output)
    try:
        return [_number(item) for item in (output if isinstance(output, list) else [output])], None
    except (ValueError, TypeError, OverflowError):
        # Lists of labels, for example. What was answered stays on record in any case.
        return None, _json_text(output)


def _number(item: Any) -> float | None:
    if isinstance(item, str):
        raise TypeError("a text is no number, whatever it says")
    return None if item is None else float(item)


def _json_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if _utf8(text) == text else json.dumps(value, separators=(",", ":"))


def _utf8(value: Any) -> str:
    """Return text that Arrow can hold: half of a surrogate pair becomes its escape."""
    text = value if isinstance(value, str) else _json_text(value)
    return text.encode("utf-8", "backslashreplace").decode()
