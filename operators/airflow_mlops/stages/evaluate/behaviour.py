"""Ask a challenger the behaviour cases that stand beside the spec.

References
----------
Ribeiro, Wu, Guestrin, Singh (2020), Beyond Accuracy: Behavioral Testing of NLP Models with CheckList, ACL: invariance
and directional expectation tests beside known cases.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.gate import Check
from airflow_mlops.stages.evaluate.predictions import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.spec.behaviour_file import Behaviour, Direction, Invariance, Known
    from airflow_mlops.stages.evaluate.predictions import Predictions

# Cases are asked of this many held-out rows at most, evenly spread.
MOST_ROWS = 1_000

# What a model is seen to raise on a row that is unlike all it was trained on.
_CANNOT_PREDICT = (ValueError, TypeError, KeyError, AttributeError, IndexError)


def behaviour_checks(
    model: Any, rows: pd.DataFrame, behaviour: Behaviour, *, columns: Sequence[str], classes: Sequence[Any]
) -> list[Check]:
    """Check that a model behaves as the cases say.

    Parameters
    ----------
    model : estimator
        Takes raw columns.
    rows : DataFrame of shape (n_rows, n_columns)
        Held-out rows, which invariance and direction are asked on. Not modified.
    behaviour : Behaviour
        The cases.
    columns : sequence of str
        Raw columns the model takes.
    classes : sequence
        Of the task; none for a regression.

    Returns
    -------
    list of Check
        One a case.
    """
    sample = rows[list(columns)].iloc[:: max(1, -(-len(rows) // MOST_ROWS))]
    return list(_checks(model, sample, behaviour, classes))


def _checks(model: Any, rows: pd.DataFrame, behaviour: Behaviour, classes: Sequence[Any]) -> Iterator[Check]:
    plain = predict(model, rows, classes=classes)
    cases: list[tuple[str, Callable[[], Check]]] = [
        *((case.name, partial(_invariance, model, rows, plain, case, classes)) for case in behaviour.invariance),
        *((case.name, partial(_direction, model, rows, plain, case, classes)) for case in behaviour.direction),
        *((case.name, partial(_known, model, rows, plain, case, classes)) for case in behaviour.known),
    ]
    for name, check in cases:
        try:
            yield check()
        except _CANNOT_PREDICT as error:
            first = str(error).partition("\n")[0]
            yield Check(
                f"behaviour: {name}",
                "behaviour",
                "fail",
                f"{name}: the challenger refuses the rows of this case ({type(error).__name__}: {first}); "
                "mend the case, or the model",
            )


def _invariance(model: Any, rows: pd.DataFrame, plain: Predictions, case: Invariance, classes: Sequence[Any]) -> Check:
    import numpy as np

    moved = np.zeros(len(rows))
    for name, values in case.change.items():
        for value in values:
            asked = rows.assign(**{name: value}).astype({name: rows[name].dtype}, errors="ignore")
            moved = np.maximum(moved, _distance(plain, predict(model, asked, classes=classes)))
    changed = ", ".join(case.change)
    return _shares(
        case,
        moved <= case.tolerance,
        f"{{}} of {{}} answers move by no more than {case.tolerance:g} when {changed} changes (at most "
        f"{moved.max():.3g})",
    )


def _distance(one: Predictions, other: Predictions) -> np.ndarray:
    import numpy as np

    if one.probabilities is not None and other.probabilities is not None:
        return np.abs(one.probabilities - other.probabilities).max(axis=1)
    if one.classes:
        return (one.labels != other.labels).astype("float64")
    return np.abs(one.labels - other.labels)


def _direction(model: Any, rows: pd.DataFrame, plain: Predictions, case: Direction, classes: Sequence[Any]) -> Check:
    asked = predict(model, rows.assign(**{case.column: rows[case.column] + case.by}), classes=classes)
    rise = _answer(asked, case.of) - _answer(plain, case.of)
    kept = rise >= -case.tolerance if case.answer == "up" else rise <= case.tolerance
    words = "do not fall" if case.answer == "up" else "do not rise"
    return _shares(case, kept, f"{{}} of {{}} answers {words} when {case.column} changes by {case.by:+g}")


def _answer(said: Predictions, of: Any) -> np.ndarray:
    """Return what is looked at: the number, or the probability of a class."""
    if not said.classes:
        return said.labels
    place = _place(said.classes, of) if of is not None else len(said.classes) - 1
    if said.probabilities is None:
        return (said.labels == said.classes[place]).astype("float64")
    return said.probabilities[:, place]


def _place(classes: Sequence[Any], of: Any) -> int:
    named = [str(label) for label in classes]
    if str(of) not in named:
        raise ValueError(f"there is no class {of!r}; there are {', '.join(named)}")
    return named.index(str(of))


def _shares(case: Invariance | Direction, kept: np.ndarray, words: str) -> Check:
    share = float(kept.mean())
    passed = share >= case.share
    sentence = f"{case.name}: {words.format(int(kept.sum()), len(kept))}"
    if not passed:
        sentence += f"; the case asks for {case.share:.1%}"
    return Check(
        f"behaviour: {case.name}",
        "behaviour",
        "pass" if passed else "fail",
        sentence,
        value=share,
        limit=case.share,
        rows=len(kept),
    )


def _known(model: Any, rows: pd.DataFrame, _: Predictions | None, case: Known, classes: Sequence[Any]) -> Check:
    import pandas as pd

    asked = pd.DataFrame([{name: case.row.get(name) for name in rows.columns}])
    said = predict(model, asked.astype(_types(rows), errors="ignore"), classes=classes)
    found = said.labels[0]
    faults = []
    if case.answer is not None and str(found) != str(case.answer):
        faults.append(f"not {case.answer}")
    value = float(_answer(said, case.answer)[0]) if case.at_least is not None or case.at_most is not None else None
    if value is not None and case.at_least is not None and not value >= case.at_least:
        faults.append(f"{value:.4g} is below {case.at_least:g}")
    if value is not None and case.at_most is not None and not value <= case.at_most:
        faults.append(f"{value:.4g} is above {case.at_most:g}")
    sentence = f"{case.name}: the answer is {found}" + (f" ({value:.4g})" if value is not None and classes else "")
    return Check(
        f"behaviour: {case.name}",
        "behaviour",
        "fail" if faults else "pass",
        sentence + (f"; {' and '.join(faults)}" if faults else ""),
        value=value,
        limit=case.at_least if case.at_least is not None else case.at_most,
        rows=1,
    )


def _types(rows: pd.DataFrame) -> dict[str, Any]:
    from pandas.api.types import is_numeric_dtype

    # A whole number cannot be null, and a case may leave the column out.
    return {str(name): "float64" if is_numeric_dtype(kind) else kind for name, kind in rows.dtypes.items()}
