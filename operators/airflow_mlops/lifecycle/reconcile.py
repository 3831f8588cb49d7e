"""Make MLflow show what the ledger says, and notice where somebody changed it by hand.

Before anything is changed in MLflow, a tag of the registered model says which versions each alias may be found on while
that goes on: those shown before and those wanted now. An alias on any other version was moved by a person. A process
killed between two writes leaves an alias on a version that the tag allows, and the next run goes on.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.events import PROMOTION
from airflow_mlops.lifecycle.hand_changes import WORDS, HandChange, aliases_shown, epoch_shown, record
from airflow_mlops.lifecycle.retention import KIND as RETENTION
from airflow_mlops.lifecycle.retention import versions_deleted
from airflow_mlops.lifecycle.roles import version_tags, wanted_aliases

if TYPE_CHECKING:
    from datetime import datetime

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

    from airflow_mlops.events import ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.spec import ModelSpec

log = logging.getLogger(__name__)

EPOCH, PROMOTED_BY, SHOWN = "mlops.epoch", "mlops.promotion", "mlops.shown"
_GONE = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What had to be written to MLflow, in words, and what people had changed there."""

    changes: tuple[str, ...] = ()
    by_hand: tuple[HandChange, ...] = ()


def reconcile(
    ledger: Ledger,
    client: MlflowClient,
    spec: ModelSpec,
    *,
    at: datetime,
    run: str | None = None,
    has_promoted: bool = False,
    settle: str | None = None,
) -> Reconciled:
    """Write to MLflow whatever differs from the ledger: aliases, roles, epoch.

    Parameters
    ----------
    ledger : Ledger
        The source of truth.
    client : MlflowClient
        Bound to its server.
    spec : ModelSpec
        Names the aliases, and says what becomes of a change by hand.
    at : datetime
        Event time, for the record of a change by hand.
    run : str, optional
        Who looks.
    has_promoted : bool
        The ledger has just moved: only what names the champion is written, and a change by hand is overruled.
    settle : {"restore", "adopt", "ask"}, optional
        Default: ``register.by_hand``.

    Returns
    -------
    Reconciled
        Empty where MLflow said the same already.

    Raises
    ------
    LedgerCorrupt
        MLflow was shown a later promotion, or another one of the same epoch: this ledger is an older copy, or another
        one. Nothing is written.
    """
    state = ledger.state(spec.name)
    if not state.versions:
        return Reconciled()
    shown = _registered_model(client, registered_name(state, spec))
    if shown is None:
        return _model_deleted(ledger, state, spec, at=at, run=run)
    # After MLflow was read: the ledger may have moved and have been shown meanwhile, never the other way round.
    state = ledger.state(spec.name)
    _expect_same_ledger(shown, state)
    settle = "restore" if has_promoted else settle or spec.register_.by_hand
    return _Reconciling(ledger, client, spec, state, shown, at, run, settle).run(is_brief=has_promoted)


def expect_known_ledger(ledger: Ledger, client: MlflowClient, spec: ModelSpec) -> None:
    """Refuse a ledger that is older than what MLflow was shown, before anything is promoted in it.

    Raises
    ------
    LedgerCorrupt
        It is.
    """
    shown = _registered_model(client, registered_name(ledger.state(spec.name), spec))
    if shown is not None:
        _expect_same_ledger(shown, ledger.state(spec.name))


def registered_name(state: ModelState, spec: ModelSpec) -> str:
    """Return the name in MLflow of what serves; before the first promotion that of the spec."""
    model = (state.champion.payload.get("model") or {}) if state.champion else {}
    return model.get("registered_name") or spec.registered_model


def _registered_model(client: MlflowClient, name: str) -> RegisteredModel | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != _GONE:
            raise
        return None


def _model_deleted(ledger: Ledger, state: ModelState, spec: ModelSpec, *, at: datetime, run: str | None) -> Reconciled:
    """Say that the registered model is gone: nothing can be shown until *register* makes it again."""
    if state.champion is None:
        return Reconciled()
    name, version = registered_name(state, spec), state.champion.version
    log.warning("MLflow has no registered model %s; the ledger says that version %s serves, and it does", name, version)
    change = HandChange(spec.register_.aliases.champion, None, version, "ask")
    record(ledger, state, change, at=at, run=run, deleted="registered model")
    return Reconciled(by_hand=(change,))


def _expect_same_ledger(shown: RegisteredModel, state: ModelState) -> None:
    epoch, promotion = epoch_shown(shown.tags.get(EPOCH)), shown.tags.get(PROMOTED_BY)
    ours = state.last[PROMOTION].hash if PROMOTION in state.last else None
    if epoch < state.epoch or epoch == 0 or (epoch == state.epoch and promotion in (None, ours)):
        return
    what = f"epoch {epoch}" if epoch > state.epoch else f"another promotion at epoch {epoch}"
    raise LedgerCorrupt(
        f"MLflow's model {shown.name} was shown {what}, and this ledger says epoch {state.epoch} of {state.model}: "
        "it is an older copy that was restored, or another ledger. Nothing was changed. Restore the newest backup; if "
        f"this ledger is the one that counts, delete the tag {EPOCH} of the registered model."
    )


@dataclass
class _Reconciling:
    """One look at one registered model."""

    ledger: Ledger
    client: MlflowClient
    spec: ModelSpec
    state: ModelState
    shown: RegisteredModel
    at: datetime
    run_id: str | None
    settle: str
    changes: list[str] = field(default_factory=list)
    by_hand: list[HandChange] = field(default_factory=list)

    def run(self, *, is_brief: bool) -> Reconciled:
        """Write the differences: what identifies the ledger first, so that an older copy of it is noticed from then."""
        events = partial(self.ledger.events, self.spec.name)
        deleted = versions_deleted(events(kind=RETENTION))
        wanted = wanted_aliases(self.state, events(kind=PROMOTION), self.spec.register_.aliases, deleted=deleted)
        versions = {} if is_brief else self._versions()
        if is_brief:
            wanted = {self.spec.register_.aliases.champion: wanted[self.spec.register_.aliases.champion]}
        before = aliases_shown(self.shown.tags.get(SHOWN), deleted=deleted)
        kept = self._notice(wanted, before, versions if not is_brief else None)
        self._show_epoch()
        self._show_aliases(wanted, before, kept, is_brief=is_brief)
        for version in versions.values():
            self._show_role(version)
        return Reconciled(tuple(self.changes), tuple(self.by_hand))

    @property
    def _name(self) -> str:
        return str(self.shown.name)

    def _versions(self) -> dict[str, ModelVersion]:
        """Return MLflow's versions that the ledger knows."""
        found: dict[str, ModelVersion] = {}
        token = None
        while True:
            page = self.client.search_model_versions(f"name = '{self._name}'", max_results=1000, page_token=token)
            found |= {str(each.version): each for each in page if str(each.version) in self.state.versions}
            token = page.token
            if not token:
                return found

    # What people changed

    def _notice(
        self, wanted: dict[str, str | None], before: dict[str, list[str | None]], versions: dict[str, Any] | None
    ) -> set[str]:
        """Record what people changed, and return the aliases that stay as they are."""
        kept = set()
        for alias, version in wanted.items():
            shown = self._shown(alias)
            if versions is not None and version is not None and version not in versions:
                self._say(HandChange(alias, shown, version, "ask"), deleted=f"version {version}")
                kept.add(alias)
            elif shown != version and alias in before and shown not in before[alias]:
                settled = self._settled(alias, shown)
                self._say(HandChange(alias, shown, version, settled))
                if settled != "restore":
                    kept.add(alias)
        return kept

    def _settled(self, alias: str, shown: str | None) -> str:
        """Adopt only what may serve, and only as champion; the other aliases follow from the ledger."""
        known = self.state.versions.get(str(shown))
        is_fit = alias == self.spec.register_.aliases.champion and known is not None and known.frozen is None
        return "restore" if self.settle == "adopt" and not is_fit else self.settle

    def _say(self, change: HandChange, deleted: str | None = None) -> None:
        done = f"{deleted} is deleted; register it again" if deleted else WORDS[change.settled]
        log.warning(
            "MLflow's alias %s of %s says version %s; the ledger says %s, at epoch %d. It was changed by hand: %s",
            *(change.alias, self._name, change.shown, change.ledger, self.state.epoch, done),
        )
        record(self.ledger, self.state, change, at=self.at, run=self.run_id, deleted=deleted)
        self.by_hand.append(change)

    # What is written

    def _shown(self, alias: str) -> str | None:
        found = self.shown.aliases.get(alias)
        return None if found is None else str(found)

    def _show_epoch(self) -> None:
        if self.state.champion is None:
            return
        # The hash first: at the former epoch it fits no other ledger, and at this one it never lacks.
        tags = {PROMOTED_BY: self.state.last[PROMOTION].hash, EPOCH: str(self.state.epoch)}
        for tag, text in tags.items():
            if self.shown.tags.get(tag) != text:
                self.client.set_registered_model_tag(self._name, tag, text)

    def _show_aliases(
        self, wanted: dict[str, str | None], before: dict[str, list[str | None]], kept: set[str], *, is_brief: bool
    ) -> None:
        moves = {alias: to for alias, to in wanted.items() if alias not in kept and self._shown(alias) != to}
        # Aliases that were ours and have left the spec.
        moves |= {} if is_brief else {name: None for name in set(before) - set(wanted) if self._shown(name)}
        while_moving = {**before, **{name: [*before.get(name, []), to] for name, to in moves.items()}}
        if while_moving != before:
            self._tag_shown(while_moving)
        for alias, version in moves.items():
            if version is None:
                self.client.delete_registered_model_alias(self._name, alias)
            else:
                self.client.set_registered_model_alias(self._name, alias, version)
            self._changed(f"alias {alias}: {self._shown(alias) or 'none'} -> {version or 'none'}")
        ours = {alias: [version] for alias, version in wanted.items()}
        after = {**before, **ours} if is_brief else ours
        if after != while_moving:
            self._tag_shown(after)

    def _tag_shown(self, shown: dict[str, list[str | None]]) -> None:
        self.client.set_registered_model_tag(self._name, SHOWN, json.dumps(shown, sort_keys=True))

    def _show_role(self, version: ModelVersion) -> None:
        number = str(version.version)
        for tag, text in version_tags(self.state.versions[number]).items():
            if version.tags.get(tag) == text:
                continue
            if text is None:
                self.client.delete_model_version_tag(self._name, number, tag)
            else:
                self.client.set_model_version_tag(self._name, number, tag, text)
            self._changed(f"version {number}: {tag} {text or 'removed'}")

    def _changed(self, what: str) -> None:
        log.info("MLflow's %s follows the ledger: %s", self._name, what)
        self.changes.append(what)
