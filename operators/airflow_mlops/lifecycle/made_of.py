"""What a version says of the trained versions that it is made of: tags for programs, a section of its card."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.refs import ModelRef
from airflow_mlops.stages.card import MemberFacts, committee_card

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_mlops.artifacts import ArtifactStore

TRAINED = "trained"


@dataclass(frozen=True)
class MadeOf:
    """The members of a version, by falling weight; a trained version has none.

    ``manifest`` is that of the version's folder. A member that never served alone has no version of its own: it is
    named by its model id, under which the artifact store has it.
    """

    members: list[tuple[ModelRef, float]]
    manifest: dict[str, Any]

    @classmethod
    def read(cls, store: ArtifactStore, name: str, model: ModelRef, version_of: Callable[[str], str | None]) -> Self:
        """Look up the members of a model, and which versions they are.

        Parameters
        ----------
        store : ArtifactStore
            Holds the members' folders.
        name : str
            Of the spec.
        model : ModelRef
            The model.
        version_of : callable
            Gives the version that holds bytes of a digest, or None.

        Raises
        ------
        ArtifactMissing
            The folder of the model, or of a member, is not complete.
        """
        if not model.members:
            return cls([], {})
        members = [
            (_registered(store, name, member, version_of), weight)
            for member, weight in sorted(model.members.items(), key=lambda each: -each[1])
        ]
        return cls(members, _complete(store, model.uri))

    def tags(self, model: ModelRef) -> dict[str, str]:
        """Return the tags of the version."""
        if not self.members:
            return {"mlops.kind": TRAINED}
        listed = [{"id": ref.id, "version": ref.version, "weight": weight} for ref, weight in self.members]
        return {
            "mlops.kind": self.manifest["kind"],
            "mlops.members": json.dumps(listed),
            "mlops.correction": json.dumps(model.correction),
        }

    def section(self, model: ModelRef) -> str | None:
        """Return the section *Who answers* of the model card; None of a trained version."""
        if not self.members:
            return None
        return committee_card(
            [_facts(ref, weight) for ref, weight in self.members],
            task=self.manifest["task"],
            target=self.manifest["target"],
            correction=model.correction or 0.0,
            classes=self.manifest["classes"],
            reasons=[self.manifest["reason"]],
            trees=self.manifest["trees"],
        )


def _registered(store: ArtifactStore, name: str, member: str, version_of: Callable[[str], str | None]) -> ModelRef:
    ref = ModelRef.from_dict(_complete(store, store.uri(name, "models", member))["ref"])
    return replace(ref, version=version_of(ref.digest))


def _complete(store: ArtifactStore, folder: str) -> dict[str, Any]:
    manifest = store.manifest(folder)
    if manifest is None:
        raise ArtifactMissing(f"no complete model is stored at {folder}; restore it from a backup.")
    return manifest


def _facts(ref: ModelRef, weight: float) -> MemberFacts:
    now = ref.features.get("now")
    return MemberFacts(
        version=ref.version or f"(model {ref.id})",
        weight=weight,
        window=str(ref.features.get("window", "all")),
        trained_at=datetime.fromisoformat(now) if now else None,
    )
