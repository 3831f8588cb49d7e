"""How the texts of a column are written, and whether new ones come all the time."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.values import hashes

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# The newest part of a column, whose texts are looked for in the rest.
NEWEST = 0.25
# Fingerprints kept of a column with many texts: the smallest.
KEPT = 512
# Lengths of texts that are told.
MOST_LENGTHS = 8


def text_facts(column: pa.ChunkedArray, order: np.ndarray) -> dict[str, Any]:
    """Describe the texts of a column.

    Parameters
    ----------
    column : ChunkedArray
        The texts.
    order : ndarray
        Positions in the order of time; all positions where there is no time.

    Returns
    -------
    dict
        ``novelty``: share of the newest quarter whose text the older rows do not have; ``changes``: how often a row has
        another text than the row before; ``writing``: shares of texts with space around, in quotes, in capitals, in
        small letters, beyond ASCII, with decimals; ``lengths``: the share of each length, of at most eight;
        ``sketch``: fingerprints of texts, the smallest.
    """
    import numpy as np

    codes, texts = _factorized(column)
    codes = codes[order]
    codes = codes[codes >= 0]
    cut = int((1 - NEWEST) * len(codes))
    prints = np.unique(hashes(texts))
    counts = np.bincount(codes, minlength=len(texts))
    return {
        "novelty": round(float(1 - np.isin(codes[cut:], codes[:cut]).mean()), 4) if cut else None,
        "changes": int((codes[1:] != codes[:-1]).sum()),
        "writing": _writing(texts, counts),
        "lengths": _lengths(texts, counts),
        "sketch": {"kept": b64encode(prints[:KEPT].astype("<u8").tobytes()).decode(), "is_all": len(prints) < KEPT},
    }


def _factorized(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    coded = column.combine_chunks().dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False)
    return np.nan_to_num(codes, nan=-1).astype("int64"), np.array(coded.dictionary.to_pylist(), dtype=object)


def _writing(texts: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    import numpy as np

    total = counts.sum()
    if not total:
        return {}
    habits = {
        "with space around": lambda text: text != text.strip(),
        "in capitals": lambda text: text.isupper(),
        "in small letters": lambda text: text.islower(),
        "beyond ASCII": lambda text: not text.isascii(),
        "in quotes": lambda text: len(text) > 1 and text[0] == text[-1] and text[0] in "\"'",
        "with .0 behind": lambda text: text.endswith(".0"),
    }
    return {
        name: round(float(counts[np.fromiter(map(is_so, texts), bool, len(texts))].sum() / total), 4)
        for name, is_so in habits.items()
    }


def _lengths(texts: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """Give the share of each length, none where there are many."""
    import numpy as np

    found, places = np.unique(np.fromiter(map(len, texts), int, len(texts)), return_inverse=True)
    if not counts.sum() or len(found) > MOST_LENGTHS:
        return {}
    shares = np.bincount(places, weights=counts) / counts.sum()
    return {str(length): round(float(share), 4) for length, share in zip(found, shares, strict=True)}
