"""What commands are made of before any setting comes in: groups of actions, counts, the store and its queue.

Free of settings, so that a command that only lists imports none.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domlora.jobs.queue import Queue
    from domlora.store.store import Store


def group(parser: argparse.ArgumentParser, run: Callable) -> Any:
    """Makes a command one with actions; without an action it lists."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)
    return parser.add_subparsers(metavar="ACTION")


def command(group: Any, name: str, run: Callable, text: str, *, json_output: bool = False) -> argparse.ArgumentParser:
    """An action of a group."""
    parser = group.add_parser(name, help=text, description=text)
    if json_output:
        parser.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="one JSON document on stdout"
        )
    parser.set_defaults(run=run)
    return parser


def open_store() -> Store:
    """The store of this process; imported only now, so that help and errors of usage come fast."""
    from domlora.store.store import Store

    return Store()


def open_queue() -> Queue:
    """The jobs of that store."""
    from domlora.jobs.queue import Queue

    return Queue(open_store())


def count(text: str) -> int:
    """The `type` of an argument that is a whole number above 0."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
