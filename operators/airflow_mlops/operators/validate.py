"""Judge a snapshot before anything uses it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import DataCheckFailed, SpecError
from airflow_mlops.lifecycle.suite_rows import chosen_engine, snapshot_in_duckdb, with_quarantine
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.links import DataDocsLink, ModelPageLink
from airflow_mlops.refs import ReportRef, SnapshotRef
from airflow_mlops.snapshots import is_stored, read_rows
from airflow_mlops.spec.data_sections import SqlSource
from airflow_mlops.spec.document import Document
from airflow_mlops.spec.durations import format_duration
from airflow_mlops.spec.load import report as write_faults
from airflow_mlops.spec.suite_file import lint_suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa
    from airflow.sdk import Context

    from airflow_mlops.operators.base import RefInput
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.validate import Validation
    from airflow_mlops.stages.validate.suite import SqlRows

# Of the data check: a verdict of an older one is not taken for this one's.
_FORM = 4
# XCom key under which the task says which event of the ledger judged the rows.
JUDGEMENT = "judgement"
# Findings in the sentence of a failure; the page has all of them.
NAMED_FINDINGS = 3


class ValidateOperator(StageOperator):
    """Run the suite and the data check on a snapshot; stop the run when something critical fails.

    The evidence is stored and recorded first: a report, a page, the facts, and failing rows in quarantine.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; section ``validate`` is used here.
    snapshot : SnapshotRef or dict, templated
        What to judge.
    reference : list of SnapshotRef or dict, or None, templated
        What to compare with. Default: the snapshots the champion was trained on; nothing before the first champion.
    """

    stage = "validate"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "snapshot", "reference")
    operator_extra_links = (DataDocsLink(), ModelPageLink())

    def __init__(
        self,
        *,
        spec: ModelSpec | str,
        snapshot: RefInput,
        reference: Sequence[RefInput] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        self.snapshot = snapshot
        self.reference = reference

    def run_stage(self, context: Context) -> ReportRef:
        """Find the report of the same judgement, or make, store and record it; then let it pass, or stop the run."""
        snapshot = SnapshotRef.from_dict(self.snapshot)
        suite, references = self._suite(), self._references(snapshot)
        look_before = self._look_before()
        # Where nothing newer came, the same rows are another thing a day later.
        still = look_before if look_before and snapshot.end <= look_before[0].end else None
        key = _key(snapshot, suite, references, self.model_spec, still)
        folder = self._place("reports", self.stage, digest_json(key)[:16])
        manifest = self.store.manifest(folder)
        if manifest is None:
            manifest = self._judge(snapshot, suite, references, look_before, folder, key)
        ref = ReportRef.from_dict(manifest["ref"])
        self.report_uri = ref.html_uri
        first = self.ledger.find(self.model_spec.name, self.stage, key)
        if first is not None:
            self.log.info("skipped: same as run %s (%s, page %s)", first.run, ref.verdict, ref.html_uri)
        else:
            self.record(context, key, manifest)
            self.log.info("snapshot %s: %s, page %s", snapshot.id, ref.verdict, ref.html_uri)
        # Whoever decides on these rows has to know this very judgement, also where the task ends in an error.
        if "ti" in context:
            context["ti"].xcom_push(key=JUDGEMENT, value=key)
        if ref.verdict == "failed":
            raise DataCheckFailed(_sentence(snapshot, ref, manifest["quarantine"]))
        return ref

    def _suite(self) -> dict[str, Any] | None:
        """Read the suite beside the spec."""
        name = self.model_spec.validate_.suite
        if name is None:
            return None
        path = self.model_spec.base_dir / name
        faults = lint_suite(path)
        if faults:
            raise SpecError(write_faults(faults), faults=faults)
        from airflow_mlops.stages.validate.suite import at_moment

        return at_moment({"name": self.model_spec.name, **Document.read(path).value}, self.moment)

    def _references(self, snapshot: SnapshotRef) -> list[SnapshotRef]:
        if self.reference is not None:
            given = self.reference if isinstance(self.reference, list) else [self.reference]
            return [SnapshotRef.from_dict(item) for item in given]
        # As it was at this moment: a run that is repeated later judges by the same rows.
        champion = self.ledger.state(self.model_spec.name, as_of=self.moment).champion
        if champion is None:
            return []
        trained_on = [SnapshotRef.from_dict(item) for item in champion.payload["model"]["features"]["snapshots"]]
        # Rows compared with themselves tell nothing, and the second run is to give what the first one gave.
        return [] if [one.id for one in trained_on] == [snapshot.id] else trained_on

    def _look_before(self) -> tuple[SnapshotRef, timedelta] | None:
        """Return the snapshot that was judged last before this moment, and how long ago."""
        judged = [
            event for event in self.ledger.events(self.model_spec.name, kind=self.stage) if event.at < self.moment
        ]
        if not judged:
            return None
        last = max(judged, key=lambda event: (event.at, event.seq))
        stored = self.ledger.find(self.model_spec.name, "ingest", last.payload["snapshot"]["id"])
        return (SnapshotRef.from_dict(stored.payload), self.moment - last.at) if stored else None

    def _judge(
        self,
        snapshot: SnapshotRef,
        suite: dict[str, Any] | None,
        references: list[SnapshotRef],
        look_before: tuple[SnapshotRef, timedelta] | None,
        folder: str,
        key: str,
    ) -> dict[str, Any]:
        from airflow_mlops.lifecycle.facts import facts_at, look_at
        from airflow_mlops.stages.validate import Former, validate

        table, facts = look_at(self.store, snapshot, self.model_spec)
        reference = facts_at(self.store, references, self.model_spec) if references else None
        former = None
        if look_before and is_stored(self.store, look_before[0]):
            facts_before = facts_at(self.store, [look_before[0]], self.model_spec)
            former = Former(look_before[0].id, facts_before, look_before[1])
        with self._suite_rows(snapshot, suite, table) as rows:
            validation = validate(
                table,
                self.model_spec,
                current=facts,
                suite=suite,
                reference=reference,
                earlier=self._earlier(snapshot),
                former=former,
                rows=rows,
            )
            place = self._place("quarantine", f"{key.replace(':', '-')}.parquet")
            validation = with_quarantine(self.store, place, validation, rows, snapshot, suite, self.model_spec)
        quarantine = place if validation.quarantined else None
        return self._store(validation, facts, snapshot, references, folder, quarantine)

    @contextmanager
    def _suite_rows(
        self, snapshot: SnapshotRef, suite: dict[str, Any] | None, table: pa.Table
    ) -> Iterator[SqlRows | pa.Table | None]:
        """Open all rows where the suite runs, unless they are in the table; nothing where there is no suite."""
        engine = chosen_engine(self.model_spec.validate_, snapshot)
        if suite is None:
            yield None
        elif engine == "pandas":
            yield table if table.num_rows == snapshot.rows else read_rows(self.store, snapshot)
        elif engine == "duckdb":
            with snapshot_in_duckdb(self.store, snapshot) as rows:
                yield rows
        else:
            with self._source_rows(snapshot) as rows:
                yield rows

    def _source_rows(self, snapshot: SnapshotRef) -> AbstractContextManager[SqlRows]:
        """Open the source's query over the window of the snapshot, in its database."""
        from airflow_mlops.hooks.source.in_database import rows_in_database

        data = self.model_spec.data
        if not isinstance(data.source, SqlSource):
            raise SpecError(f"validate.engine is source, but data.source is a {data.source.kind}: set duckdb, or auto.")
        start, last = (datetime.fromisoformat(one) for one in (snapshot.start, snapshot.end))
        return rows_in_database(data.source, start, last, data.time)

    def _earlier(self, snapshot: SnapshotRef) -> dict[str, str]:
        events = self.ledger.events(self.model_spec.name, kind=self.stage)
        return {
            event.payload["content"]: event.payload["snapshot"]["id"]
            for event in events
            # The same rows under another section of the spec are no old batch: their bytes are the same.
            if event.payload["snapshot"]["digest"] != snapshot.digest
        }

    def _store(
        self,
        validation: Validation,
        facts: dict[str, Any],
        snapshot: SnapshotRef,
        references: list[SnapshotRef],
        folder: str,
        quarantine: str | None,
    ) -> dict[str, Any]:
        html = f"{folder}/report.html"
        self.store.write_bytes(html, self._page(validation, facts, snapshot, references).encode())
        report = {
            "verdict": validation.verdict,
            "data_check": [finding.to_dict() for finding in validation.data_check],
            "expectations": [finding.to_dict() for finding in validation.expectations],
        }
        self.store.write_json(f"{folder}/report.json", report)
        ref = ReportRef(
            id=folder.rpartition("/")[2],
            uri=folder,
            stage=self.stage,
            verdict=validation.verdict,
            html_uri=html,
            summary={**validation.summary(), "quarantine": quarantine},
        )
        manifest = {
            "ref": ref.to_dict(),
            "snapshot": {"id": snapshot.id, "digest": snapshot.digest},
            "content": facts["content"],
            "quarantine": quarantine,
            "reference": [reference.id for reference in references],
        }
        self.store.complete(folder, manifest)
        return manifest

    def _page(
        self, validation: Validation, facts: dict[str, Any], snapshot: SnapshotRef, references: list[SnapshotRef]
    ) -> str:
        from airflow_mlops.stages.validate.data_docs import render_docs

        against = ", ".join(reference.id for reference in references)
        head = {
            "snapshot": snapshot.id,
            "rows": f"{validation.rows:,}",
            "from": snapshot.start[:16],
            "to": snapshot.end[:16],
            "compared with": against or "nothing: no champion is trained on other rows",
        }
        return render_docs(validation, facts, title=self.model_spec.name, facts=head)

    def _place(self, *parts: str) -> str:
        return self.store.uri(self.model_spec.name, *parts)


def _key(
    snapshot: SnapshotRef,
    suite: dict[str, Any] | None,
    references: list[SnapshotRef],
    spec: ModelSpec,
    still: tuple[SnapshotRef, timedelta] | None,
) -> str:
    """Name a judgement: the rows, the rules, and what they are compared with."""
    rules = {
        "form": _FORM,
        "suite": suite,
        "stretch": format_duration(spec.monitor_window),
        "validate": spec.validate_.model_dump(mode="json"),
        "task": spec.task,
        "columns": spec.features.columns,
    }
    against: list[Any] = [reference.digest for reference in references]
    against += [still[0].digest, format_duration(still[1])] if still else []
    return f"{snapshot.id}:{digest_json(rules)[:12]}:{digest_json(against)[:12]}"


def _sentence(snapshot: SnapshotRef, ref: ReportRef, quarantine: str | None) -> str:
    worst = [item["message"] for item in ref.summary["worst"] if item["severity"] == "critical"]
    more = ref.summary["critical"] - len(worst[:NAMED_FINDINGS])
    named = "; ".join(worst[:NAMED_FINDINGS]) + (f"; and {more} more" if more > 0 else "")
    rows = f"The failing rows are in {quarantine}, the" if quarantine else "The"
    return (
        f"snapshot {snapshot.id} of {snapshot.rows} rows may not be used: {named}. {rows} page is {ref.html_uri}. The "
        "champion stays. Mend the source and ingest again, or, if the rows are right, the suite or section validate."
    )
