"""Which held-out rows a model has trained on: those say how well it remembers, not how well it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.loop.gate import Check

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from airflow_mlops.stages.evaluate.evidence import Evidence, Origin, TrainedOn


@dataclass(frozen=True, slots=True)
class Seen:
    """Held-out rows that may be judged on, and how many may not.

    Attributes
    ----------
    keep : ndarray of bool, shape (n_rows,)
        Rows that neither model has trained on.
    challenger, champion : int
        Rows that it has trained on.
    is_known : bool
        Whether there was a record of the challenger's rows.
    by_time : tuple of str
        Whose rows were told by their times alone.
    """

    keep: np.ndarray
    challenger: int
    champion: int
    is_known: bool
    by_time: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, int]:
        """Turn into JSON."""
        return {"held_out": len(self.keep), "challenger": self.challenger, "champion": self.champion}

    def notes(self) -> list[str]:
        """Say what was left out, and what rests on times."""
        said = []
        if self.champion:
            said.append(
                f"{self.champion} of {len(self.keep)} held-out rows were left out, because the champion has trained on "
                "them"
            )
        said += [
            f"which rows the {name} has trained on is told by their times alone: no fingerprints of them are stored"
            for name in self.by_time
        ]
        return said


def find_seen(holdout: pd.DataFrame, evidence: Evidence, *, time: str) -> Seen:
    """Tell which held-out rows challenger or champion has trained on.

    Parameters
    ----------
    holdout : DataFrame of shape (n_rows, n_columns)
        Raw rows. Not modified.
    evidence : Evidence
        What each was trained on.
    time : str
        The column of time.
    """
    sides = {"challenger": evidence.challenger, "champion": evidence.champion}
    masks = {name: _seen_by(holdout, origin, time) for name, origin in sides.items()}
    return Seen(
        keep=~(masks["challenger"] | masks["champion"]),
        challenger=int(masks["challenger"].sum()),
        champion=int(masks["champion"].sum()),
        is_known=bool(evidence.challenger.trained_on),
        by_time=tuple(
            name for name, origin in sides.items() if any(not _has_numbers(holdout, part) for part in origin.trained_on)
        ),
    )


def _seen_by(holdout: pd.DataFrame, origin: Origin, time: str) -> np.ndarray:
    import numpy as np
    import pandas as pd

    from airflow_mlops.stages.fingerprints import fingerprints

    found = np.zeros(len(holdout), dtype=bool)
    hashed: dict[tuple[str, ...], np.ndarray] = {}
    for part in origin.trained_on:
        if part.numbers is not None and _has_numbers(holdout, part):
            if part.columns not in hashed:
                hashed[part.columns] = fingerprints(holdout, part.columns)
            found |= np.isin(hashed[part.columns], part.numbers)
        elif part.until is not None:
            found |= (pd.to_datetime(holdout[time], utc=True) < part.until).to_numpy()
    return found


def _has_numbers(holdout: pd.DataFrame, part: TrainedOn) -> bool:
    return part.numbers is not None and set(part.columns) <= set(holdout.columns)


def seen_check(seen: Seen, *, most: float) -> Check | None:
    """Check that the challenger has trained on none of the rows it is judged on, or next to none.

    Parameters
    ----------
    seen : Seen
        What was found.
    most : float
        Share that is let pass; such rows are left out.

    Returns
    -------
    Check or None
        None where nobody knows what it was trained on.
    """
    if not seen.is_known:
        return None
    total = len(seen.keep)
    share = seen.challenger / max(total, 1)
    passed = share <= most
    sentence = f"it has trained on {seen.challenger} of {total} held-out rows"
    if not passed:
        sentence += f", more than evaluate.gate.max_seen allows ({most:.1%}); hold them out when training"
    elif seen.challenger:
        sentence += "; they are left out"
    return Check(
        name="seen",
        group="provenance",
        verdict="pass" if passed else "fail",
        sentence=sentence,
        value=share,
        limit=most,
        rows=total,
    )
