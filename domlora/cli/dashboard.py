"""`domlora dashboard`: opens the dashboard; its options are those of `streamlit run`."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from domlora.errors import UsageError


def add_dashboard(parser: argparse.ArgumentParser) -> None:
    """`domlora dashboard`, whose options Streamlit reads itself."""
    parser.set_defaults(run=_dashboard)


def _dashboard(arguments: argparse.Namespace) -> int:
    from streamlit.web import cli

    package = importlib.util.find_spec("dashboard")
    if package is None or package.origin is None:
        raise UsageError("the dashboard is not installed here: pip install -e . in the checkout")
    sys.argv = ["streamlit", "run", str(Path(package.origin).parent / "app.py"), *arguments.rest]
    return cli.main()
