"""Arrays of numbers as text, for JSON."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def encoded(values: np.ndarray, kind: str, *, is_random: bool = False) -> str:
    """Write an array as base64 of its compressed bytes; random ones only take time, and stay as they are."""
    return b64encode(zlib.compress(values.astype(kind).tobytes(), 0 if is_random else 1)).decode()


def decoded(text: str, kind: str) -> np.ndarray:
    """Read what `encoded` wrote."""
    import numpy as np

    return np.frombuffer(zlib.decompress(b64decode(text)), dtype=kind)
