"""Arguments that several commands share, and how their values become a checked configuration."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from domlora.comparison.config import SweepConfig
from domlora.errors import UsageError
from domlora.probes.config import ProbeConfig

if TYPE_CHECKING:
    from domlora.jobs.queue import Queue
    from domlora.store.store import Store

OPTIONS = {"learning_rates": "lr"}  # settings whose option has another name
Config = TypeVar("Config", bound=BaseModel)
Item = TypeVar("Item")


PROBE_ARGUMENTS = ("samples", "max_length", "dtype")
PLACEMENT_HELP = (
    "dominant, top-k:4, all-linear, attention, mlp, qv, o, random:3, least, same-kind, spread:30, down@11, module:NAME"
)


def add_model_and_task(parser: argparse.ArgumentParser) -> None:
    """What is measured, and where it is computed."""
    parser.add_argument("model", help="built-in name, Hub id, folder or .gguf file")
    parser.add_argument("--task", required=True, help="instruction, math, code, chat, a file, or a Hub data set id")
    parser.add_argument("--revision", help="branch, tag or commit of a Hub id")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--refresh", action="store_true", help="compute again even if the store has the answer")


def subject(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `add_model_and_task` reads, as the requests of `jobs.spec` name it."""
    return {name: getattr(arguments, name) for name in ("model", "revision", "task", "device", "refresh")}


def checked(kind: type[Config], arguments: argparse.Namespace, **more: Any) -> Config:
    """The configuration that the arguments of the same names make.

    Raises:
        UsageError: a value that it does not take; one line that names the option.
    """
    settings = {name: getattr(arguments, name) for name in kind.model_fields if hasattr(arguments, name)} | more
    try:
        return kind(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        message, name = first["msg"].removeprefix("Value error, "), str(first["loc"][0])
        option = OPTIONS.get(name, name.replace("_", "-"))
        raise UsageError(f"--{option}: {message[0].lower()}{message[1:]}") from error


def list_of(kind: Callable[[str], Item]) -> Callable[[str], tuple[Item, ...]]:
    """The `type` of an argument that is a list, separated by commas."""

    def read(text: str) -> tuple[Item, ...]:
        return tuple(kind(part.strip()) for part in text.split(",") if part.strip())

    read.__name__ = f"list of {kind.__name__}s"  # argparse names it in its error
    return read


def add_ranks(parser: argparse.ArgumentParser) -> None:
    default = SweepConfig()
    parser.add_argument("--rank", type=int, default=default.rank)
    parser.add_argument("--alpha", type=float, help="twice the rank where it is not given")
    parser.add_argument("--budget", type=int, help="trainable parameters of a placement at most, instead of a rank")
    parser.add_argument("--allocation", choices=["equal", "energy"], default=default.allocation, help="spread of ranks")


def probe_config(arguments: argparse.Namespace) -> ProbeConfig:
    """How the map is measured that placements are chosen by; ranks and seeds of these commands mean the adapters."""
    return checked(ProbeConfig, argparse.Namespace(**{name: getattr(arguments, name) for name in PROBE_ARGUMENTS}))


def group(commands: Any, name: str, run: Callable, text: str) -> Any:
    """A command with actions; without one it lists."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)
    return parser.add_subparsers(metavar="ACTION")


def command(group: Any, name: str, run: Callable, text: str, *, json_output: bool = False) -> argparse.ArgumentParser:
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
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
