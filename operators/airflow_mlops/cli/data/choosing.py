"""Which snapshots a person means, and which of their columns may be seen."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.asked import spec_of
from airflow_mlops.cli.moments import iso_time
from airflow_mlops.cli.places import add_places, ledger_of, store_of
from airflow_mlops.errors import LedgerMisuse

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.lifecycle.catalog import Catalog, Entry
    from airflow_mlops.stages.profile import Profile

CHAMPION, AS_OF = "champion", "as-of:"
WHICH = "id, or its first letters; newest; champion: what it was trained on; as-of:TIME: the newest at that time"


@dataclass(frozen=True)
class Chosen:
    """Snapshots that are looked at as one."""

    store: ArtifactStore
    entries: list[Entry]
    sensitive: list[str]

    def profile(self) -> Profile:
        """Read their profile, or make and store it."""
        from airflow_mlops.lifecycle.profiles import profile_of

        return profile_of(self.store, [entry.ref for entry in self.entries], sensitive=self.sensitive)

    def head(self) -> dict[str, str]:
        """Say which rows these are, for a page."""
        refs = [entry.ref for entry in self.entries]
        ids = ", ".join(ref.id for ref in refs)
        return {
            "snapshot": ids,
            "rows": f"{sum(ref.rows for ref in refs):,}",
            "from": min(ref.start for ref in refs)[:16],
            "to": max(ref.end for ref in refs)[:16],
        }


def add_choice(parser: ArgumentParser) -> None:
    """Add the options that say where things are and what may be seen."""
    parser.add_argument(
        "--spec",
        type=Path,
        metavar="FILE",
        help="spec of the model, which names sensitive columns; default: the one kept with the newest model",
    )
    add_places(parser, mlflow=False)


def choose(options: Namespace, *which: str) -> list[Chosen]:
    """Find snapshots in the words of a person.

    Raises
    ------
    ArtifactMissing
        There is no such snapshot.
    NoChampion
        Nothing serves.
    LedgerMisuse
        The ledger does not know the model, no spec says which columns are sensitive, or a time is none.
    """
    from airflow_mlops.lifecycle.catalog import Catalog

    store = store_of(options)
    catalog = Catalog(options.model, store, ledger_of(options))
    found = [_entries(catalog, word) for word in which]
    sensitive = _sensitive(catalog, options)
    return [Chosen(store, entries, sensitive) for entries in found]


def _entries(catalog: Catalog, word: str) -> list[Entry]:
    from dataclasses import replace

    if word == CHAMPION:
        return catalog.champions()
    if word.startswith(AS_OF):
        try:
            moment = iso_time(word.removeprefix(AS_OF))
        except ArgumentTypeError as error:
            raise LedgerMisuse(f"{error}.") from error
        return [replace(catalog, as_of=moment).entry("newest")]
    return [catalog.entry(word)]


def _sensitive(catalog: Catalog, options: Namespace) -> list[str]:
    spec = spec_of(options) if options.spec else catalog.recorded_spec()
    if spec is None:
        raise LedgerMisuse(
            f"no spec was kept with a model of {options.model}, so nothing says which columns are sensitive; give "
            "--spec FILE."
        )
    return spec.data.sensitive
