"""Arguments that several commands share, and how their values become a checked configuration."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from domlora.errors import UsageError

OPTIONS = {"learning_rates": "lr"}  # settings whose option has another name
Config = TypeVar("Config", bound=BaseModel)
Item = TypeVar("Item")


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
