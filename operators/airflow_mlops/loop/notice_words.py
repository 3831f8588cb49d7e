"""The words of a message, in the forms that mail, chat and plain text take; bounded, however much went wrong.

A pure function of what is told. What comes from rows and people is escaped, so that it can neither be markup nor call
the people of a channel.
"""

from __future__ import annotations

import html
from collections import Counter
from typing import TYPE_CHECKING

from airflow_mlops.loop.notices import CLOSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_mlops.loop.notices import Item, Message

WORDS = ("title", "text", "html", "slack", "url")
# Things that one message tells in full; of the rest it says how many there are. All of them are told.
_IN_FULL = 20
# Characters of a line: a reason may be as long as whoever gave it liked.
_LINE = 500
# Slack refuses a block whose text is longer than 3,000 characters.
_SLACK = 2_900


def words_of(model: str, message: Message, url: str) -> dict[str, str]:
    """Return the words that a target's templates may use: ``title``, ``text``, ``html``, ``slack`` and ``url``.

    Parameters
    ----------
    model : str
        Its name.
    message : Message
        What is told.
    url : str
        Of the model's page.
    """
    # What is still wrong stands before what is over.
    items = sorted(message.items, key=lambda item: CLOSED in item.marks)
    full, left = items[:_IN_FULL], _left(items[_IN_FULL:])
    lines = [line for item in full for line in _lines(item)] + left
    told = [f"<li>{'<br>'.join(html.escape(line.strip()) for line in _lines(item))}</li>" for item in full]
    told += [f"<li>{html.escape(line)}</li>" for line in left]
    link = f'<p><a href="{html.escape(url)}">{html.escape(model)}</a></p>'
    return {
        "title": _title(model, message),
        "text": "\n".join([*lines, url]),
        "html": f"<ul>{''.join(told)}</ul>{link}",
        "slack": _slack(lines, f"<{_escaped(url)}|{_escaped(model)}>"),
        "url": url,
    }


def _title(model: str, message: Message) -> str:
    count = len(message.items)
    if message.why == "question":
        return f"{model}: a person's approval is asked for"
    if message.why == "digest":
        return f"{model}: digest of {message.day}, {count} {'incident' if count == 1 else 'incidents'}"
    return f"{model}: {message.items[0].kind}" if count == 1 else f"{model}: {count} incidents"


def _lines(item: Item) -> Iterator[str]:
    yield _cut(item.sentence)
    for line in item.lines:
        yield f"  {_cut(line)}"


def _left(items: Sequence[Item]) -> list[str]:
    """Say how many of each kind there are that have no line of their own."""
    if not items:
        return []
    kinds = Counter(item.kind for item in items).most_common()
    return [f"and {len(items)} more: {', '.join(f'{count} {kind}' for kind, count in kinds)}"]


def _cut(line: str) -> str:
    """Make one line of a sentence, which may hold breaks where a person wrote it."""
    line = " ".join(line.split())
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"


def _slack(lines: Sequence[str], link: str) -> str:
    """Write Slack's markup, no longer than a block may be: whole lines, and then the link that has all of them."""
    found, room = [], _SLACK - len(link)
    for line in map(_escaped, lines):
        room -= len(line) + 1
        if room < len("…\n"):
            found.append("…")
            break
        found.append(line)
    return "\n".join([*found, link])


def _escaped(text: str) -> str:
    """Escape what Slack asks for, and no more: https://docs.slack.dev/messaging/formatting-message-text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
