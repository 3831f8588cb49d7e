"""The report as a page: Evidently's plots of a sample, our scores of all rows.

Evidently's preset scores each column three times, on whatever rows it is given. Here it only draws: it gets a bounded
sample, and each column's score from the report. So the page shows the scores the verdict was reached with, and takes
half of the time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MissingExtra
from airflow_mlops.stages.drift.report import PREDICTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from airflow_mlops.stages.drift.report import ColumnDrift, DriftReport

_ID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")

METHODS = {
    "wasserstein": "Wasserstein distance, in standard deviations",
    "jensenshannon": "Jensen-Shannon distance",
    "psi": "Population stability index",
    "kl_div": "Kullback-Leibler divergence",
    "hellinger": "Hellinger distance",
    "TVD": "p-value of total variation",
    "g_test": "p-value of G-test",
    "ks": "p-value of Kolmogorov-Smirnov test",
    "chisquare": "p-value of chi-square test",
    "z": "p-value of z-test",
    "null": "no values",
    "none": "not compared",
}


def render_page(
    report: DriftReport,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    model: str,
    rows: int,
    seed: int,
    predictions: tuple[Any, Any] | None = None,
) -> str:
    """Draw the report with Evidently.

    Parameters
    ----------
    report : DriftReport
        What was found on all rows; its columns are the only ones drawn.
    reference, current : DataFrame
        The compared rows. Not modified.
    model : str
        Name for the title.
    rows : int
        Most rows of each side that are drawn.
    seed : int
        Of the sample.
    predictions : tuple of two arrays, optional
        What the report's prediction drift was found on.

    Returns
    -------
    str
        HTML that needs no other file and no network.

    Raises
    ------
    MissingExtra
        Evidently is not installed.
    """
    try:
        from evidently import DataDefinition, Dataset, Report
    except ModuleNotFoundError as error:
        raise MissingExtra("Evidently", extra="drift", needed_by="the drift report") from error

    samples = _samples(report, (reference, current), predictions, rows=rows, seed=seed)
    drawn = _drawable(report, samples)
    definition = DataDefinition(
        numerical_columns=[_plain(c.column) for c in drawn if c.kind == "numerical"],
        categorical_columns=[_plain(c.column) for c in drawn if c.kind == "categorical"],
        text_columns=[],
        datetime_columns=[],
    )
    names = [_plain(c.column) for c in drawn]
    then, now = (Dataset.from_pandas(sample[names], data_definition=definition) for sample in samples)
    words = _words(report, model=model, sizes=[len(sample) for sample in samples])
    snapshot = Report([_container(report, drawn, words)], include_tests=False).run(now, then)
    return _numbered(snapshot.get_html_str(as_iframe=False))


def _samples(
    report: DriftReport, frames: tuple[pd.DataFrame, ...], predictions: tuple[Any, Any] | None, *, rows: int, seed: int
) -> list[pd.DataFrame]:
    import pandas as pd

    names = [column.column for column in report.compared]
    samples = []
    for side, frame in enumerate(frames):
        sample = frame[names]
        sample = sample.sample(rows, random_state=seed).sort_index() if len(sample) > rows else sample
        sample = sample.reset_index(drop=True)
        if predictions is not None:
            answers = pd.Series(predictions[side])
            answers = answers.sample(min(len(answers), len(sample)), random_state=seed).reset_index(drop=True)
            sample = sample.assign(**{PREDICTION: answers})
        samples.append(sample.map(_plain).rename(columns=_plain) if _has_markup(sample) else sample)
    return samples


def _has_markup(frame: pd.DataFrame) -> bool:
    texts = frame.select_dtypes(exclude="number")
    return any("<" in str(name) for name in frame) or any(
        texts[name].astype(str).str.contains("<", regex=False).any() for name in texts
    )


def _plain(value: Any) -> Any:
    # Evidently writes values into a script element as they are: one with "</script>" would end it and go on as HTML.
    return value.replace("<", "\N{FULLWIDTH LESS-THAN SIGN}") if isinstance(value, str) else value


def _drawable(report: DriftReport, samples: Sequence[pd.DataFrame]) -> list[ColumnDrift]:
    """List what can be drawn, the farthest first: Evidently raises on a column whose sample has no finite value."""
    import numpy as np

    prediction = [] if report.prediction is None or report.prediction.score is None else [report.prediction]
    return [
        column
        for column in (*prediction, *report.worst)
        if all(sample[_plain(column.column)].replace([np.inf, -np.inf], np.nan).notna().any() for sample in samples)
    ]


def _words(report: DriftReport, *, model: str, sizes: list[int]) -> str:
    sentences = [
        f"{len(report.drifted)} of {len(report.compared)} columns drifted (share {report.share:.2f}, the set counts as "
        f"drifted from {report.share_threshold:.2f}).",
        f"Scores and verdict: all {report.reference_rows:,} reference rows and {report.current_rows:,} current rows.",
        f"Plots: a random sample of {sizes[0]:,} reference rows and {sizes[1]:,} current rows.",
        "Thresholds are Evidently's defaults for each method unless the spec sets one; they are conventions, not rates "
        "of false alarms.",
        *report.findings,
    ]
    if report.left_out:
        sentences.append(f"Left out as sensitive: {', '.join(report.left_out)}.")
    return _plain(f"## {model}: {report.verdict}\n\n" + "\n\n".join(sentences))


def _numbered(html: str) -> str:
    """Replace the random ids of Evidently's widgets by numbers, so that the same report gives the same bytes."""
    numbers: dict[str, str] = {}
    # All of them are in the first script, and the first of them, the page's own, is used again at the end.
    data, end, rest = html.partition("</script>")
    data = _ID.sub(lambda match: numbers.setdefault(match[0], f"id{len(numbers)}"), data)
    page = next(iter(numbers), None)
    return data + end + (rest.replace(page, numbers[page]) if page else rest)


def _container(report: DriftReport, drawn: list[ColumnDrift], words: str) -> Any:
    """Make a part of an Evidently report: the words, a table of all scores, and the plots."""
    from evidently.core.container import MetricContainer
    from evidently.core.report import _default_input_data_generator
    from evidently.legacy.metrics import DataDriftTable
    from evidently.legacy.renderers.html_widgets import table_data, text_widget

    class Page(MetricContainer):
        def generate_metrics(self, context: Any) -> list[Any]:
            return []

        def render(self, context: Any, child_widgets: Any = None) -> list[Any]:
            plots = DataDriftTable(
                columns=[_plain(column.column) for column in drawn],
                per_column_stattest={_plain(column.column): _found(column) for column in drawn},
            )
            table = table_data(title="Scores of all rows", column_names=_TABLE, data=_rows(report))
            if not drawn:
                return [text_widget(text=words), table]
            # The first widget is a heading; the table's own title counts predictions as a column, unlike our verdict.
            *_, plotted = context.get_legacy_metric(plots, _default_input_data_generator, None)[1]
            plotted.title = "Plots of the sample"
            return [text_widget(text=words), table, plotted]

    return Page()


_TABLE = ["Column", "Type", "Method", "Score", "Threshold", "Verdict"]


def _rows(report: DriftReport) -> list[list[str]]:
    columns = [*(column for column in (report.prediction, report.label) if column), *report.worst]
    columns += [column for column in report.columns if column.score is None]
    return [
        [
            _plain(column.column),
            column.kind,
            METHODS[column.method],
            "" if column.score is None else f"{column.score:.4g}",
            "" if column.threshold is None else f"{column.threshold:g}",
            column.verdict,
        ]
        for column in columns
    ]


def _found(column: ColumnDrift) -> Any:
    """Wrap a score that is known already as one of Evidently's tests."""
    from evidently.legacy.calculations.stattests import StatTest
    from evidently.legacy.calculations.stattests.registry import StatTestResult

    class Found(StatTest):
        def __call__(self, *args: Any, **kwargs: Any) -> StatTestResult:
            return StatTestResult(drift_score=column.score, drifted=column.drifted, actual_threshold=column.threshold)

    return Found(column.method, METHODS[column.method], [])
