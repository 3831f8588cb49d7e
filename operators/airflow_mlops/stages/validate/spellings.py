"""What is one and the same text written in another way, and what people and machines write where there is none."""

from __future__ import annotations

import re
from unicodedata import normalize

# What writes nothing as a text: pandas, R, SQL dumps, spreadsheets.
_NOTHING = frozenset({"na", "n/a", "#n/a", "<na>", "nan", "nat", "none", "null", "(null)", "<null>", "nil", r"\n"})
# Spaces that are seen and unseen, and quotes that were to stand around a text in a file.
_AROUND = " \t\r\n\"'\ufeff\u200b"
# A whole number that lost its leading zeros, or became a decimal number.
_WHOLE = re.compile(r"0*(\d+)(\.0+)?")
# Encodings that bytes of UTF-8 are taken for.
_TAKEN_FOR = ("latin-1", "cp1252")


def is_nothing(text: str) -> bool:
    """Tell whether a text is a word for no value."""
    return text.strip().casefold() in _NOTHING


def spelled(text: str) -> str:
    """Return what all spellings of a text have in common.

    Case, space and quotes around it, how letters with accents are composed, another encoding, leading zeros of a
    whole number and decimals behind it make no other text.
    """
    found = normalize("NFKC", _decoded(text)).strip(_AROUND).casefold()
    number = _WHOLE.fullmatch(found)
    return number[1] if number else found


def damaged(text: str) -> str:
    """Return a text in small letters, with one question mark for all letters beyond ASCII that stand together."""
    return re.sub(r"([^\x00-\x7f]|\?)+", "?", normalize("NFC", text).strip(_AROUND).lower())


def is_damaged(text: str) -> bool:
    """Tell whether a text may have lost letters beyond ASCII, which are question marks now."""
    return "?" in text or "\ufffd" in text


def _decoded(text: str) -> str:
    """Undo that UTF-8 was read in another encoding, where it was."""
    if text.isascii():
        return text
    for encoding in _TAKEN_FOR:
        try:
            return text.encode(encoding).decode()
        except UnicodeError:
            continue
    return text
