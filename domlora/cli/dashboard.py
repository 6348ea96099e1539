"""`domlora dashboard`: opens the dashboard; its options are those of `streamlit run`."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

from domlora.errors import UsageError


def add_dashboard(commands: Any) -> None:
    """`domlora dashboard`."""
    words = "open the dashboard; options go to `streamlit run`"
    commands.add_parser("dashboard", help=words, add_help=False).set_defaults(run=_dashboard, passes_on=True)


def _dashboard(arguments: argparse.Namespace) -> int:
    from streamlit.web import cli

    package = importlib.util.find_spec("dashboard")
    if package is None or package.origin is None:
        raise UsageError("the dashboard is not installed here: pip install -e . in the checkout")
    sys.argv = ["streamlit", "run", str(Path(package.origin).parent / "app.py"), *arguments.rest]
    return cli.main()
