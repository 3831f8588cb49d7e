r"""Patterns of Python in the words of RE2, the engine in DuckDB.

RE2 and Python agree on most of what people write. ``\d``, ``\w`` and ``\s`` are wider in Python, for it knows Unicode,
and ``$`` there also stands before a last line feed. What RE2 has not (looking around, referring back) stays in Python.
"""

from __future__ import annotations

import re

_DIGIT, _WORD = r"\p{Nd}", r"\p{L}\p{N}_"
_SPACE = r"\t-\r\x1c-\x20\x{85}\p{Z}"
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
# Letters after a backslash that mean one and the same in both.
_SAME = set("ntrfv.^$*+?{}[]()|\\/-'\"#&~ @!%,:;<>=`_") | {"A"}


class Untranslatable(ValueError):
    """A pattern with something RE2 does not have, or means otherwise."""


def to_re2(pattern: str) -> str:
    """Translate a pattern of Python's ``re``, used with ``search``.

    Raises
    ------
    Untranslatable
        It looks around or refers back, or means something else in RE2.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise Untranslatable(str(error)) from error
    pieces, place, inside = [], 0, False
    while place < len(pattern):
        piece, place, inside = _piece(pattern, place, inside)
        pieces.append(piece)
    return "".join(pieces)


def _piece(pattern: str, place: int, inside: bool) -> tuple[str, int, bool]:
    """Translate what stands at a place; ``inside`` tells whether that is within brackets."""
    char = pattern[place]
    if char == "\\":
        return _escaped(pattern[place + 1], inside), place + 2, inside
    if inside:
        if char == "[":
            return r"\[", place + 1, True
        return char, place + 1, char != "]"
    if char == "[":
        start = re.match(r"\[\^?\]?", pattern[place:])
        opening = start.group() if start else "["
        return opening.replace("]", r"\]"), place + len(opening), True
    if char == "(" and pattern[place + 1 : place + 2] == "?" and pattern[place + 2] not in ":":
        if not pattern.startswith("(?i)", place) or place:
            raise Untranslatable(pattern)
        return "(?i)", place + 4, False
    if char == "$":
        if place != len(pattern) - 1:
            raise Untranslatable(pattern)
        return r"\n?\z", place + 1, False
    if not char.isascii() and _folds(pattern):
        raise Untranslatable(pattern)
    # A possessive or atomic quantifier is new in Python 3.11, and RE2 has none.
    if char in "*+?}" and pattern[place + 1 : place + 2] == "+":
        raise Untranslatable(pattern)
    return char, place + 1, False


def _folds(pattern: str) -> bool:
    return pattern.startswith("(?i)")


def _escaped(char: str, inside: bool) -> str:
    if char in _CLASSES:
        return _CLASSES[char] if inside else f"[{_CLASSES[char]}]"
    if char.lower() in _CLASSES and not inside:
        return f"[^{_CLASSES[char.lower()]}]"
    if char == "Z":
        return r"\z"
    if char in _SAME:
        return f"\\{char}"
    raise Untranslatable(f"\\{char}")


def like_to_regex(pattern: str) -> str:
    """Write a pattern of SQL's LIKE as one of Python's: ``%`` is any text, ``_`` any character."""
    inner = "".join({"%": r"(?:.|\n)*", "_": r"(?:.|\n)"}.get(char, re.escape(char)) for char in pattern)
    return rf"\A{inner}\Z"
