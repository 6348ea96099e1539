"""`domlora report`: results of the store as one HTML file that opens anywhere, without a network. No torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from domlora.cli.actions import open_store
from domlora.cli.output import print_json, say


def add_report(parser: argparse.ArgumentParser) -> None:
    """`domlora report`."""
    parser.add_argument(
        "ids", nargs="+", metavar="ID",
        help="of an energy map, a comparison or a search, or how it begins (`domlora maps`, `domlora runs`)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE.html",
        help="file to write, in place of what it held (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="path and size as one JSON object on stdout")
    parser.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> None:
    from domlora.report import page
    from domlora.report.subjects import parts_of

    page.check_suffix(arguments.out)
    size = page.write(page.html(parts_of(open_store(), arguments.ids)), arguments.out)
    if arguments.json:
        return print_json({"path": str(arguments.out), "bytes": size})
    say(str(arguments.out))
