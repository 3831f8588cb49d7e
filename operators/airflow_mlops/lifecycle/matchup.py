"""Who is judged against whom, what is stored of the verdict, and what is said of it in short."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_bytes, digest_json
from airflow_mlops.loop.actions import CHEAP
from airflow_mlops.refs import FeaturesRef, ModelRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.events import Champion
    from airflow_mlops.loop.gate import Check
    from airflow_mlops.spec import ModelSpec

ID_LENGTH = 16


@dataclass(frozen=True)
class Report:
    """A verdict, and what is stored of it: a page, and what was found as JSON."""

    verdict: str
    reasons: list[str]
    metrics: dict[str, float]
    page: str
    found: dict[str, Any]
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Matchup:
    """Who is judged, on the rows that were held out from whose training, against whom."""

    model: ModelRef
    trained: ModelRef
    epoch: int
    champion: Champion | None
    action: str
    now: str

    @property
    def features(self) -> FeaturesRef:
        """What the new version was trained on, with the rows that were held out."""
        return FeaturesRef.from_dict(self.trained.features)

    @property
    def is_light(self) -> bool:
        """Whether nothing was trained."""
        return self.action in CHEAP

    @property
    def changes_nothing(self) -> bool:
        """Whether the challenger is what serves."""
        served = (self.champion.payload.get("model") or {}) if self.champion else {}
        return (served.get("id"), served.get("digest")) == (self.model.id, self.model.digest)

    def key(self, spec: ModelSpec) -> str:
        """Name the evaluation: after a promotion, or with other settings of the gate, it is another one."""
        champion = self.champion and (self.champion.payload.get("model") or {}).get("digest")
        settings: Any = spec.evaluate.model_dump(mode="json")
        if spec.evaluate.gate.behaviour and not self.is_light:
            settings = [settings, cases_digest(spec)]
        # The same weights may be judged again when more is known.
        how = [self.action, self.now] if self.is_light else [self.trained.id, self.features.id]
        return digest_json([self.model.id, self.model.digest, *how, self.epoch, champion, settings])[:ID_LENGTH]


def cases_digest(spec: ModelSpec) -> str | None:
    """Return the digest of the behaviour cases beside the spec; None where the file is not there."""
    file = spec.base_dir / (spec.evaluate.gate.behaviour or "")
    return digest_bytes(file.read_bytes()) if file.is_file() else None


def in_short(check: Check) -> dict[str, Any]:
    """Say of a check what the ledger keeps."""
    return {"name": check.name, "verdict": check.verdict, "value": check.value, "limit": check.limit}


def check_tags(checks: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Name the verdict of each check as a tag of MLflow, whose names take few signs."""
    allowed = re.compile(r"[^\w./ :-]+", flags=re.ASCII)
    return {f"mlops.check.{allowed.sub('_', check['name'])}"[:200]: check["verdict"] for check in checks}
