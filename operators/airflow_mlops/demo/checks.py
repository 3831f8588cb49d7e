"""What must be true when the story is told; what is not ends the demonstration with one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from airflow_mlops.demo.runs import MODEL
from airflow_mlops.errors import DemoFailed, MLOpsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.demo.improvement import Improvement
    from airflow_mlops.demo.records import Promotion, Week
    from airflow_mlops.demo.settings import Settings
    from airflow_mlops.demo.traffic import ServerClient
    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger


def events_of(ledger: Ledger) -> list[Event]:
    """Check the ledger's chain and return the model's events.

    Raises
    ------
    DemoFailed
        An event was changed or is missing, or the ledger cannot be read.
    """
    try:
        ledger.verify(MODEL)
        return ledger.events(MODEL)
    except MLOpsError as error:
        raise DemoFailed(f"the ledger cannot be read: {error}") from error


def one_champion(settings: Settings, promotions: Sequence[Promotion], server: ServerClient) -> Promotion:
    """Check that ledger, MLflow and model server name the same version and epoch; return the ledger's.

    Raises
    ------
    DemoFailed
        They do not, or there is no champion.
    """
    if not promotions:
        raise DemoFailed("the ledger has no champion", log=Path(settings.folder, "airflow", "logs"))
    champion, status = promotions[-1], server.status(MODEL)
    aliased = _mlflow(settings, "registered-models/alias", name=MODEL, alias="champion").get("model_version", {})
    # The alias knows no epoch; the version is all it can say.
    found = {
        "the ledger": (champion.version, champion.epoch),
        "the model server": (str(status.get("version")), status.get("epoch")),
        "MLflow's alias": (str(aliased.get("version")), champion.epoch),
    }
    if len(set(found.values())) > 1:
        said = "; ".join(f"{who} says version {version} at epoch {epoch}" for who, (version, epoch) in found.items())
        raise DemoFailed(f"there is not one champion: {said}", log=Path(settings.folder, "logs"))
    return champion


def _mlflow(settings: Settings, path: str, **params: str) -> dict[str, Any]:
    url = f"{settings.mlflow_url}/api/2.0/mlflow/{path}"
    try:
        answer = httpx.get(url, params=params, timeout=30, trust_env=False)
    except httpx.TransportError as error:
        raise DemoFailed(f"MLflow at {settings.mlflow_url} did not answer: {error}") from error
    return answer.json() if answer.is_success else {}


def expect_story(weeks: Sequence[Week], promotions: Sequence[Promotion], changes: Sequence[Improvement]) -> None:
    """Check that what the demonstration is there to show has happened.

    Raises
    ------
    DemoFailed
        There was no promotion after the first, no block, a training in a blocked week, or quality did not recover.
    """
    if len(promotions) < 2 or not changes:
        raise DemoFailed(f"in {len(weeks)} weeks no version replaced the first one")
    blocked = [week for week in weeks if week.is_blocked]
    if not blocked:
        raise DemoFailed(f"in {len(weeks)} weeks the data check blocked nothing")
    for week in blocked:
        if week.action == "retrain":
            raise DemoFailed(f"the data of {week.now:%d %B} was blocked, and a training was asked for all the same")
    _expect_recovery(changes[0])


def _expect_recovery(change: Improvement) -> None:
    if change.before is None or change.after is None or change.paired is None:
        raise DemoFailed(
            f"too few labels came to tell whether version {change.version} was better than what it replaced"
        )
    if change.after.loss >= change.before.loss:
        raise DemoFailed(
            f"served log loss was {change.before.loss:.4f} before version {change.version} and {change.after.loss:.4f} "
            "after it: quality did not recover"
        )
    if change.paired.difference >= 0:
        raise DemoFailed(
            f"on the flights that version {change.version} answered, version {change.replaced} would have done as "
            f"well: difference {change.paired.difference:+.4f}"
        )
