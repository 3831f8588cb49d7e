"""``airflow-mlops schema``: the JSON Schema by which editors complete specs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

DEFAULT_FILE = Path("dags/specs/spec.schema.json")


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "schema",
        help="print the JSON Schema of a spec",
        description="Print the JSON Schema of a spec. Editors complete and check a spec whose first line is "
        "'# yaml-language-server: $schema=spec.schema.json'.",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--markdown", action="store_true", help="print the same as tables for people")
    output.add_argument(
        "--write", nargs="?", const=DEFAULT_FILE, type=Path, metavar="FILE", help=f"write it; default {DEFAULT_FILE}"
    )
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print or write the schema."""
    from airflow_mlops.spec.schema import schema_text

    if options.markdown:
        from airflow_mlops.spec.reference import reference_text

        print(reference_text(), end="")
        return 0
    if options.write is None:
        print(schema_text(), end="")
        return 0
    options.write.write_text(schema_text(), "utf-8")
    print(f"wrote {options.write}")
    return 0
