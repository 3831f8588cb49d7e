"""Copy what a version is made of from one artifact store to another, and check every digest afterwards."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import MANIFEST
from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing
from airflow_mlops.refs import ModelRef, SnapshotRef
from airflow_mlops.snapshots import check_digest
from airflow_mlops.stages.model_file import model_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import EvaluationRef


@dataclass
class Copy:
    """One copy between two stores; what is there already is compared and not written again.

    A folder's manifest goes last, so that a copy killed half-way leaves nothing that anybody reads, and its next run
    goes on. ``files`` and ``size`` count what was compared, ``written`` what was not there yet.
    """

    source: ArtifactStore
    destination: ArtifactStore
    files: int = 0
    size: int = 0
    written: int = 0

    def version(self, name: str, model: ModelRef, evaluation: EvaluationRef) -> None:
        """Copy a model with its members, what they were trained on, and the report that judged it.

        The loop needs them where the version goes: *drift* compares with the snapshots and the rows held out, a policy
        weighs the members, *reproduce* trains again.

        Parameters
        ----------
        name : str
            Of the model.
        model : ModelRef
            In the source.
        evaluation : EvaluationRef
            In the source.

        Raises
        ------
        ArtifactMissing
            A folder of the source is not complete.
        ArtifactCorrupt
            The source holds other bytes than were recorded, or the destination other bytes at the same place.
        """
        for member in model.members:
            manifest = self._manifest(self.source.uri(name, "models", member))
            self._model(ModelRef.from_dict(manifest["ref"]))
        self._model(model)
        self._folder(evaluation.uri, {})

    def rebased(self, value: Any) -> Any:
        """Return a JSON value with the source's addresses turned into the destination's."""
        before, after = f"{self.source.uri()}/", f"{self.destination.uri()}/"
        if isinstance(value, str):
            return after + value.removeprefix(before) if value.startswith(before) else value
        if isinstance(value, dict):
            return {key: self.rebased(item) for key, item in value.items()}
        return [self.rebased(item) for item in value] if isinstance(value, list) else value

    def _model(self, model: ModelRef) -> None:
        features = model.features
        for each in (*features.get("snapshots", ()), *features.get("label_snapshots", ())):
            snapshot = SnapshotRef.from_dict(each)
            for part in snapshot.parts:
                self._part(part["uri"], part["digest"])
            self._folder(snapshot.uri, {posixpath.basename(snapshot.table_uri): snapshot.digest})
        if folder := features.get("uri"):
            stored = self._manifest(folder)
            fitted = stored["transformer"]
            tables = {f"{part}.parquet": stored[part] for part in ("features", "holdout")}
            self._folder(folder, {**tables, fitted["file"]: fitted["digest"]})
        baseline = self._manifest(model.uri).get("baseline")
        digests = {posixpath.basename(model_uri(model)): model.digest}
        self._folder(model.uri, digests | ({baseline["file"]: baseline["digest"]} if baseline else {}))

    def _part(self, uri: str, digest: str) -> None:
        """Copy a file that several snapshots share, and its manifest last."""
        to = self.rebased(uri)
        is_complete = self.destination.exists(f"{to}.json")
        self._file(uri, to, digest, is_complete=is_complete)
        if not is_complete:
            self._file(f"{uri}.json", f"{to}.json", None, is_complete=False)

    def _manifest(self, folder: str) -> dict[str, Any]:
        manifest = self.source.manifest(folder)
        if manifest is None:
            raise ArtifactMissing(f"nothing complete is stored at {folder}, so it cannot be copied; restore it.")
        return manifest

    def _folder(self, folder: str, digests: Mapping[str, str]) -> None:
        """Copy one folder; ``digests`` are those on record, by file."""
        manifest, to = self._manifest(folder), self.rebased(folder)
        is_complete = self.destination.manifest(to) is not None
        root = self.source.path(folder)
        for path in sorted(self.source.fs.find(root)):
            name = posixpath.relpath(path, root)
            if name != MANIFEST and not name.endswith(".tmp"):
                self._file(f"{folder}/{name}", f"{to}/{name}", digests.get(name), is_complete=is_complete)
        if not is_complete:
            self.destination.complete(to, self.rebased(manifest))
            self.written += 1

    def _file(self, source: str, to: str, digest: str | None, *, is_complete: bool) -> None:
        if digest is not None:
            check_digest(self.source, source, digest)
        wanted = digest or self.source.digest_of(source)
        self.files, self.size = self.files + 1, self.size + self.source.fs.size(self.source.path(source))
        if self.destination.exists(to) and self.destination.digest_of(to) == wanted:
            return
        if is_complete:
            raise ArtifactCorrupt(
                f"{to} is there already and holds other bytes than {source}: nothing was overwritten, and nothing "
                "promoted. Find out which of the two was changed, and restore it."
            )
        self.destination.write_blocks(to, self.source.blocks(source))
        check_digest(self.destination, to, wanted)
        self.written += 1
