"""Bring a window of rows into an immutable snapshot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import EmptyWindow, SpecError
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.snapshots import is_stored
from airflow_mlops.spec.durations import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    import pyarrow as pa
    from airflow.sdk import Context

    from airflow_mlops.hooks.source import SourceHook
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.data_sections import Source
    from airflow_mlops.stages.ingest import Wanted

ID_LENGTH = 16


class IngestOperator(StageOperator):
    """Read a window of rows from the spec's source and store it as a snapshot: Parquet and a manifest.

    The same rows give the same snapshot, which is then not written again. Where the source has versions (files have),
    the second run does not even read it. With ``ingest.part`` only the parts of the window that are new, or that late
    rows may have changed, are read.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; sections ``data`` and ``ingest`` are used here.
    window : str or None, templated
        Length of the window back from ``now``, such as ``59d``. Default: ``ingest.window``.
    part : {"rows", "labels"}
        What to read: the rows, or the labels where they have a source of their own.
    whole_parts : bool
        With ``ingest.part``: bring the last part that has ended and those that ``ingest.late`` reads again, whatever
        ``window`` says, and read them also where they are stored: someone who runs a day again wants it read again.
        Where none of them has rows the task is skipped.
    """

    stage = "ingest"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "window", "part")

    def __init__(
        self,
        *,
        spec: ModelSpec | str,
        window: str | None = None,
        part: Literal["rows", "labels"] = "rows",
        whole_parts: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        self.window = window
        self.part = part
        self.whole_parts = whole_parts

    def run_stage(self, context: Context) -> SnapshotRef:
        """Find the snapshot of this window, or read and store it; record it."""
        from airflow_mlops.hooks.source import SourceHook

        part = Part.of(self.model_spec, self.part)
        start, end = self._bounds()
        hook = SourceHook(part.source, base_dir=self.model_spec.base_dir)
        version = hook.version(start, end)
        index = self._place("index", f"{part.key(start, end, version)}.json")
        ref = self._known(index) if version and not self.whole_parts else None
        if ref is None:
            ref = self._read(hook, part, start, end, version)
            self.store.write_json(index, {"id": ref.id, "start": start.isoformat(), "end": end.isoformat()})
        first = self.ledger.find(self.model_spec.name, self.stage, ref.id)
        if first is not None and not self._renewed(ref):
            ref = self._read(hook, part, start, end, version)  # retention deleted it meanwhile
        if first is not None:
            self.log.info("skipped: same as run %s (snapshot %s, %d rows)", first.run, ref.id, ref.rows)
            return replace(ref, same_as=first.run)
        self.record(context, ref.id, {"part": self.part, **ref.to_dict()})
        self.log.info("snapshot %s: %d rows from %s to %s in %s", ref.id, ref.rows, ref.start, ref.end, ref.uri)
        return ref

    def _bounds(self) -> tuple[datetime, datetime]:
        if not self.whole_parts:
            return self.moment - self._length(), self.moment
        from airflow_mlops.lifecycle.parts import newest_parts

        return newest_parts(self.moment, self._part_length(), self.model_spec.ingest.late)

    def _part_length(self) -> timedelta:
        length = self.model_spec.ingest.part
        if length is None:
            raise SpecError(f"{self.model_spec.name} has no parts to bring; give ingest.part in the spec, such as 1d.")
        return length

    def _length(self) -> timedelta:
        if not self.window:
            return self.model_spec.ingest.window
        try:
            return parse_duration(self.window)
        except ValueError as error:
            raise SpecError(f"ingest was given the window {self.window!r}: {error}.") from error

    def _read(self, hook: SourceHook, part: Part, start: datetime, end: datetime, version: str | None) -> SnapshotRef:
        wanted = part.wanted(start, end)
        if hook.lake is not None and not self.model_spec.ingest.copy_:
            return self._ref(self._refer(hook.lake, part, wanted, version))
        if self.model_spec.ingest.part is None:
            return self._ref(self._store_whole(hook, part, wanted, version))
        ref = self._ref(self._store_parts(hook, part, wanted, version))
        # Parts that no snapshot named, and that retention deleted before this one did, are read again.
        return ref if is_stored(self.store, ref) else self._ref(self._store_parts(hook, part, wanted, version))

    def _refer(self, lake: dict[str, Any], part: Part, wanted: Wanted, version: str | None) -> dict[str, Any]:
        from airflow_mlops.lifecycle.lakes import refer_to_rows

        return refer_to_rows(self.store, self._place(), lake, wanted, section=part.section_digest, version=version)

    def _store_whole(self, hook: SourceHook, part: Part, wanted: Wanted, version: str | None) -> dict[str, Any]:
        from airflow_mlops.lifecycle.storing import store_rows

        def store(rows: pa.RecordBatchReader) -> dict[str, Any]:
            return store_rows(
                self.store,
                self._place(),
                rows,
                wanted,
                section=part.section_digest,
                version=version,
                sort_mb=self.model_spec.ingest.sort_mb,
            )

        manifest = hook.feed(wanted.start, wanted.end, wanted.time, store)
        report = manifest["report"]
        self.log.info(
            "read %d rows, left out %d outside the window and %d undated",
            report["rows_read"],
            report["outside"],
            report["undated"],
        )
        return manifest

    def _store_parts(self, hook: SourceHook, part: Part, wanted: Wanted, version: str | None) -> dict[str, Any]:
        from airflow_mlops.lifecycle.parts import PartPlan, Shelf, ingest_parts

        ingest = self.model_spec.ingest
        plan = PartPlan(
            self._part_length(), self.moment, ingest.late, version, sort_mb=ingest.sort_mb, again=self.whole_parts
        )
        shelf = Shelf(self.store, self._place(), part.source_digest)
        try:
            manifest, report = ingest_parts(
                shelf,
                wanted,
                lambda start, end, use: hook.feed(start, end, part.time, use),
                plan,
                section=part.section_digest,
            )
        except EmptyWindow as error:
            if self.whole_parts:
                raise AirflowSkipException(f"{error} That there was nothing is remembered.") from error
            raise
        for line in report.lines():
            self.log.info("%s", line)
        return manifest

    def _known(self, index: str) -> SnapshotRef | None:
        """Return the snapshot an earlier run stored for the same window and version of the source."""
        if not self.store.exists(index):
            return None
        manifest = self.store.manifest(self._place(self.store.read_json(index)["id"]))
        ref = None if manifest is None else self._ref(manifest)
        # Rows that somebody removed are read again, rather than promised to those who come after.
        return ref if ref and is_stored(self.store, ref) else None

    def _renewed(self, ref: SnapshotRef) -> bool:
        """Write an old snapshot's manifest again, so that retention sees it at work; False where rows are gone."""
        manifest = self.store.manifest(ref.uri)
        if manifest is None:
            return False
        self.store.complete(ref.uri, manifest)
        return is_stored(self.store, ref)

    def _ref(self, manifest: dict[str, Any]) -> SnapshotRef:
        return SnapshotRef(
            id=manifest["id"],
            uri=self._place(manifest["id"]),
            digest=manifest["digest"],
            rows=manifest["rows"],
            columns=len(manifest["schema"]),
            start=manifest["start"],
            end=manifest["end"],
            source_version=manifest["source_version"],
            parts=manifest.get("parts", []),
            lake=manifest.get("lake"),
        )

    def _place(self, *parts: str) -> str:
        return self.store.uri(self.model_spec.name, "snapshots", *parts)


@dataclass(frozen=True)
class Part:
    """What one part of a spec's data needs: the rows, or their labels."""

    source: Source
    time: str
    key_columns: tuple[str, ...]
    columns: tuple[str, ...]
    section_digest: str

    @classmethod
    def of(cls, spec: ModelSpec, part: str) -> Part:
        """Read the part off the spec.

        Raises
        ------
        SpecError
            Labels are asked for, but the spec gives them no source; or there is no such part.
        """
        data = spec.data
        sections = {"data": data.model_dump(mode="json"), "ingest": spec.ingest.model_dump(mode="json")}
        section = digest_json({"part": part, **sections})
        if part == "rows":
            own_labels = () if data.labels else (data.target,)
            columns = (*spec.features.columns, *own_labels, *spec.evaluate.slices)
            return cls(data.source, data.time, tuple(data.key), columns, section)
        if part != "labels" or data.labels is None:
            raise SpecError(
                f"{spec.name} has no part {part!r} to ingest; part is 'rows', or 'labels' where data.labels is given "
                "in the spec."
            )
        labels = data.labels
        columns = (data.target, *([labels.time] if labels.time else []))
        return cls(labels.source, labels.arrived, tuple(labels.key), columns, section)

    def wanted(self, start: datetime, end: datetime) -> Wanted:
        """Say which rows of the source a window wants."""
        from airflow_mlops.stages.ingest import Wanted

        return Wanted(time=self.time, key=self.key_columns, columns=self.columns, start=start, end=end)

    @property
    def source_digest(self) -> str:
        """Name what the rows of a stretch of time depend on, whatever window it lies in."""
        source = {"source": self.source.model_dump(mode="json"), "time": self.time, "key": self.key_columns}
        return digest_json(source)[:ID_LENGTH]

    def key(self, start: datetime, end: datetime, version: str | None) -> str:
        """Name one window of one version of the source."""
        window = {"start": start, "end": end, "version": version}
        return digest_json({"section": self.section_digest, "columns": self.columns, **window})[:ID_LENGTH]
