"""Texts that a changing world does not give: ids where names were, another spelling, another name."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.findings import Finding, failed
from airflow_mlops.stages.validate.renamed import renamed
from airflow_mlops.stages.validate.spellings import damaged, is_damaged, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

# Ids instead of names: share of rows with texts never seen before; how many times as many texts as there were; and so
# many of them, or so few rows of each, for months and other short lists grow by any factor.
UNSEEN_BLOCK, UNSEEN_FACTOR, MANY, ROWS_OF_ID = 0.5, 5, 50, 3
# Share of rows whose text differs from a known one by spaces or case only.
SPELLING_SHARE = 0.01
# A category this common at training that is missing now points at a filter.
COMMON = 0.1
# The way of writing: what hardly any row had, many have now; or what nearly all had, few have.
HARDLY, MANY_ROWS = 0.01, 0.15
NO_NAMES = frozenset({"with space around", "in quotes"})
# Of a column with many texts: share of them that is known when the column holds something else now, where new texts
# are no more than so many of the rows.
KNOWN_TEXTS, MOST_NOVELTY, LEAST_TEXTS = 0.1, 0.3, 10
# Of a column with few texts: what all that are steady make up together in any part of the reference, changes of the
# text that show them to come one by one, share of rows that still have a known one, and the chance of so few.
STEADY, LEAST_CHANGES, KNOWN_ROWS, CHANCE = 0.5, 30, 0.02, 1e-3
# Rows that have texts shorter than any at training: ids grow, and get shorter only by loss.
SHORTER = 0.05


def text_check(name: str, now: dict[str, Any], then: dict[str, Any], rows_then: int) -> Iterator[Finding]:
    """Compare the texts of a column with those at training."""
    if then["distinct"] != len(then["values"]):
        yield from _of_many(name, now, then)
        return
    asked = (_spelling, _explosion, _renames, _all_new)
    found = next((finding for check in asked if (finding := check(name, now, then))), None)
    if found:
        yield found
        return
    rows = _rows(now)
    unseen = {value: count for value, count in now["values"].items() if value not in then["values"]}
    if unseen:
        share = sum(unseen.values()) / rows
        text = f"{len(unseen)} new values of {name!r} in {share:.1%} of rows, such as {next(iter(unseen))!r}"
        yield failed("categories", name, "info", text, observed=round(share, 4))
    lost = [
        value for value, count in then["values"].items() if count > COMMON * rows_then and value not in now["values"]
    ]
    if lost:
        text = (
            f"{name!r} has no {', '.join(map(repr, lost))} any more, each more than {COMMON:.0%} at training: a filter?"
        )
        yield failed("categories are kept", name, "warning", text)


def _rows(now: dict[str, Any]) -> int:
    """Return the rows that have a text, also those whose text is not among the most frequent."""
    return now.get("known") or sum(now["values"].values())


def _spelling(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    rows = _rows(now)
    unseen = {value: count for value, count in now["values"].items() if value not in then["values"]}
    # Values that are new themselves may come in two spellings too.
    spellings = Counter(map(spelled, {*then["values"], *now["values"]}))
    whole = {damaged(value) for value in then["values"] if not value.isascii()}
    respelled = {
        value: count
        for value, count in unseen.items()
        if spellings[spelled(value)] > 1 or (is_damaged(value) and damaged(value) in whole)
    }
    share = sum(respelled.values()) / rows
    if share <= SPELLING_SHARE:
        return _writing(name, now, then, is_few=now["distinct"] == len(now["values"]))
    text = f"{share:.0%} of {name!r} are known values in another spelling, such as {next(iter(respelled))!r}"
    return failed("spelling", name, "critical", text, observed=round(share, 4))


def _explosion(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    rows = _rows(now)
    seen = sum(count for value, count in now["values"].items() if value in then["values"])
    share, new = 1 - seen / rows, now["distinct"] - sum(value in then["values"] for value in now["values"])
    is_many = now["distinct"] >= UNSEEN_FACTOR * then["distinct"] and now["distinct"] >= MANY
    # New texts come all the time where there were many; of a few, one that was new then makes no ids of the next.
    usual = (then.get("novelty") or 0.0) if then["distinct"] >= MANY else 0.0
    if share <= max(UNSEEN_BLOCK, usual + MOST_NOVELTY):
        return None
    if not is_many and share * rows > ROWS_OF_ID * new:
        return None
    text = f"{share:.0%} of {name!r} were never seen: {now['distinct']} values, {then['distinct']} at training"
    return failed("categories", name, "critical", f"{text}; ids instead of names?", observed=round(share, 4))


def _renames(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    renames = renamed(now, then)
    if not renames:
        return None
    more = f"; and {len(renames) - 1} more" if len(renames) > 1 else ""
    text = f"a value of {name!r} seems renamed: {renames[0]}{more}"
    return failed("renamed", name, "critical", text, observed=len(renames))


def _all_new(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    """Find a column of which no text is left, where each came again and again and new ones did not."""
    steady = sum(min(shares) for shares in then.get("shares", {}).values() if shares)
    if (then.get("novelty") or 0.0) > MOST_NOVELTY or then.get("changes", 0) < LEAST_CHANGES or steady < STEADY:
        return None
    rows, seen = _rows(now), sum(count for value, count in now["values"].items() if value in then["values"])
    if seen > KNOWN_ROWS * rows or (1 - STEADY) ** rows > CHANCE:
        return None
    example = next(iter(now["values"]))
    text = f"{rows - seen} of {rows} texts of {name!r} were never seen at training, such as {example!r}"
    facts = {"observed": round(1 - seen / rows, 4), "failing": rows - seen}
    return failed("categories", name, "critical", f"{text}: does it hold something else?", **facts)


def _of_many(name: str, now: dict[str, Any], then: dict[str, Any]) -> Iterator[Finding]:
    """Compare a column with more texts than are kept: how they are written, and whether a sample of them is known."""
    written = _writing(name, now, then)
    if written:
        yield written
        return
    novelty, known = then.get("novelty"), _known_share(now, then)
    if novelty is None or known is None or novelty > MOST_NOVELTY or known >= KNOWN_TEXTS:
        return
    text = f"only {known:.0%} of the texts of {name!r} were there at training, and {novelty:.0%} of rows had new ones"
    yield failed("categories", name, "critical", f"{text}: does it hold something else?", observed=round(known, 4))


def _known_share(now: dict[str, Any], then: dict[str, Any]) -> float | None:
    """Estimate the share of texts that are also in the reference, from fingerprints of both."""
    import numpy as np

    if "sketch" not in now or "sketch" not in then:
        return None
    kept, of = (np.frombuffer(b64decode(facts["sketch"]["kept"]), dtype="<u8") for facts in (now, then))
    judged = kept if then["sketch"]["is_all"] else kept[kept <= of.max(initial=np.uint64(0))]
    return float(np.isin(judged, of).mean()) if len(judged) >= LEAST_TEXTS else None


def _writing(name: str, now: dict[str, Any], then: dict[str, Any], *, is_few: bool = False) -> Finding | None:
    """Find another way of writing; of few texts only one that no new name has by itself."""
    for habit, share in now.get("writing", {}).items():
        if is_few and habit not in NO_NAMES:
            continue
        before = then.get("writing", {}).get(habit)
        if before is not None and before <= HARDLY and share >= MANY_ROWS:
            text = f"{share:.0%} of {name!r} are written {habit}, {before:.0%} at training: another spelling?"
            return failed("spelling", name, "critical", text, observed=share)
    return None if is_few else _shortened(name, now, then)


def _shortened(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    """Find texts shorter than all at training, which had one length: leading zeros that were lost."""
    before = then.get("lengths") or {}
    if len(before) != 1:
        return None
    (length,) = map(int, before)
    share = sum(part for found, part in now.get("lengths", {}).items() if int(found) < length)
    if share < SHORTER:
        return None
    text = f"{share:.0%} of {name!r} are shorter than {length} letters, the length of all at training"
    return failed("spelling", name, "critical", f"{text}: are leading zeros lost?", observed=round(share, 4))
