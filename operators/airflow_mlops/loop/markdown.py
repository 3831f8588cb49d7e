"""Text of unknown making on pages read as Markdown: values of the data, reasons of people, names of columns."""

from __future__ import annotations

import re

# What makes a link or a picture of words: a reader would be led elsewhere, or their browser would ask there by itself.
_LEADS_AWAY = re.compile(r"(?P<before>\\*)(?P<sign>\](?=[(:\[])|!(?=\[))")
_END_OF_LINE = re.compile(r"\s*[\r\n\u2028\u2029]\s*")


def inert(text: str) -> str:
    """Return the text as one line that links to nothing and shows no picture; it reads as it did."""
    # A backslash that stands there already would take its meaning from ours.
    return _LEADS_AWAY.sub(r"\g<before>\g<before>\\\g<sign>", _END_OF_LINE.sub(" ", text))
