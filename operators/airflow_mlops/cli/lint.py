"""``airflow-mlops lint``: check specs before they are deployed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.errors import Permanent

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from rich.console import Console

    from airflow_mlops.spec.document import Finding


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "lint",
        help="check spec files and everything they name",
        description="Check keys, values, columns, suite and schedule of specs, and import what they name.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a spec, or a folder of specs")
    parser.add_argument("--json", action="store_true", help="print the findings as a JSON list")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print every finding; 1 when one of them is an error."""
    from rich.console import Console

    from airflow_mlops.cli.deployment import deployment_findings

    console = Console(soft_wrap=True, highlight=False)
    files = _specs(options.files)
    with Console(stderr=True).status("") as status:
        findings, names = deployment_findings(), dict[str, Path]()
        for number, file in enumerate(files, start=1):
            status.update(f"{number} of {len(files)}: {file}")
            findings += _lint_one(file, names)
    findings = list(dict.fromkeys(findings))  # a suite that is named beside its spec
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(console, findings, files)
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def _specs(paths: list[Path]) -> list[Path]:
    """Return the files, with those of a folder in its place.

    Raises
    ------
    Permanent
        A folder holds no spec: a check in CI that looks at nothing is not one that passed.
    """
    from airflow_mlops.spec.load import spec_files

    found = []
    for path in paths:
        files = spec_files(path) if path.is_dir() else [path]
        if not files:
            raise Permanent(f"{path} holds no spec (*.yaml, *.yml, not *.suite.yaml); name the folder that does.")
        found += files
    return found


def _lint_one(file: Path, names: dict[str, Path]) -> list[Finding]:
    """Lint a file, and refuse a name that another file has; ``names`` collects them."""
    from airflow_mlops.spec.lint import lint
    from airflow_mlops.spec.load import examine
    from airflow_mlops.spec.suite_file import lint_suite

    if ".suite." in file.name:  # a glob names them too
        return lint_suite(file)
    findings = lint(file)
    examined = examine(file)
    if examined.document and examined.spec and "name" in examined.sound:
        name = examined.spec.name
        other = names.setdefault(name, file)
        if other.resolve() != file.resolve():
            findings.append(examined.document.finding("error", ("name",), f"{name!r} is the name of {other} too"))
    return findings


def _show(console: Console, findings: list[Finding], files: list[Path]) -> None:
    from rich.text import Text

    colours = {"error": "red", "warning": "yellow"}
    for finding in findings:
        place, _, rest = str(finding).partition(f" {finding.severity}:")
        console.print(Text.assemble(place, " ", (f"{finding.severity}:", colours[finding.severity]), rest))
    counts = Counter(finding.severity for finding in findings)
    console.print(
        f"{_number(len(files), 'file')}: {_number(counts['error'], 'error')}, {_number(counts['warning'], 'warning')}"
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
