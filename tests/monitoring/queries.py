"""The queries of rules and dashboards, and what they name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ROOT / "docs" / "monitoring"
RULES = FOLDER / "rules.yml"
BOARDS = sorted(FOLDER.glob("*.json"))


def rules() -> list[dict[str, Any]]:
    """List the alert rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def boards() -> list[dict[str, Any]]:
    """Read the dashboards."""
    return [json.loads(path.read_text()) for path in BOARDS]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """List a dashboard's panels that ask something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def board_queries() -> Iterator[tuple[str, str]]:
    """Yield dashboard and panel, and a query of it."""
    for board in boards():
        for panel in panels(board):
            for target in panel["targets"]:
                yield f"{board['uid']}: {panel['title']} {target['refId']}", target["expr"]
        for note in board["annotations"]["list"]:
            yield f"{board['uid']}: {note['name']}", note["expr"]


def rule_queries() -> Iterator[tuple[str, str]]:
    """Yield a rule's name and its query."""
    for rule in rules():
        yield rule["alert"], rule["expr"]


def metrics_of(query: str) -> dict[str, set[str]]:
    """Return the metrics that a query names, and the labels that it asks of each."""
    found: dict[str, set[str]] = {}
    for name, asked in re.findall(r"(mlops_\w+)(?:\{([^}]*)\})?", query):
        found.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", asked))
    return found
