"""Arguments that several commands share, and how their values become a checked configuration."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from domlora.comparison.config import SweepConfig
from domlora.data.tasks import NamedTask, Task
from domlora.errors import UsageError
from domlora.jobs.spec import ProbeRequest
from domlora.probes.config import ProbeConfig
from domlora.settings import Setting, flag, setting

METAVARS = {"learning_rates": "RATE,...", "against": "TASK"}
PROBE_ARGUMENTS = ("samples", "max_length", "dtype")
SUBJECT = ("model", "revision", "task", "columns", "system", "device", "refresh")
Config = TypeVar("Config", bound=BaseModel)
Item = TypeVar("Item")


def add_settings(
    parser: argparse.ArgumentParser,
    model: type[BaseModel],
    *names: str,
    defaults: BaseModel | None = None,
    only_given: bool = False,
    types: Mapping[str, Callable[[str], Any]] | None = None,
    required: bool = True,
) -> None:
    """A flag for each field of that name, with help, default and choices as the field says them.

    Bounds are left to the model: `checked` makes one line of what it refuses.

    Args:
        defaults: settings whose values are the defaults, instead of the fields' own.
        only_given: a flag that is not given is None, so that the command can tell; its help still says the default.
        types: what reads the text of a flag, where that is not what the field's type says.
        required: whether a field without a default must be given.
    """
    for name in names:
        one = setting(model, name)
        if one.kind is bool:
            parser.add_argument(flag(name), action="store_true", help=escaped(one.description))
            continue
        default = one.default if defaults is None or one.follows else getattr(defaults, name)
        said = "" if one.required and required else f" {said_default(one, default)}"
        options: dict[str, Any] = {
            "dest": name,
            "default": None if only_given else default,
            "help": escaped(f"{one.description}{said}"),
            "required": one.required and required,
            "metavar": METAVARS.get(name, "NAME,..." if one.several else None),
        }
        if types and name in types:
            options["type"] = types[name]
        elif one.several:
            options["type"] = list_of(one.kind)
        elif one.kind is not str:
            options["type"] = one.kind
        if one.choices and not one.several:
            options["choices"] = list(one.choices)
        parser.add_argument(flag(name), **options)


def said_default(one: Setting, value: Any) -> str:
    """How the help of a flag ends: `(default 8)`, or `(default: twice the rank)` where no value says it."""
    colon = ":" if value in (None, ()) else ""
    return f"(default{colon} {one.in_words(value)})"


def escaped(text: str) -> str:
    """argparse fills in what follows a percent sign."""
    return text.replace("%", "%%")


def add_model_and_task(parser: argparse.ArgumentParser, *, may_lack: bool = False) -> None:
    """What is measured, and where it is computed.

    Args:
        may_lack: model and task may be left out, as another argument can say them; the command checks that one does.
    """
    parser.add_argument("model", nargs="?" if may_lack else None, help=setting(ProbeRequest, "model").description)
    add_settings(parser, ProbeRequest, "task", required=not may_lack)
    add_settings(parser, ProbeRequest, "columns", "system", "revision", "device")
    add_settings(parser, ProbeConfig, "dtype")
    add_settings(parser, ProbeRequest, "refresh")


def subject(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `add_model_and_task` reads, as the requests of `jobs.spec` name it."""
    return {name: getattr(arguments, name) for name in SUBJECT}


def task_of(arguments: argparse.Namespace) -> Task:
    """The task that `add_model_and_task` reads."""
    return NamedTask(arguments.task, arguments.columns, arguments.system).load()


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
        raise UsageError(f"{flag(name)}: {message[0].lower()}{message[1:]}") from error


def given(arguments: argparse.Namespace, model: type[BaseModel]) -> dict[str, Any]:
    """What a person said of the fields of a model: flags that were given, where those that were not are None.

    Switches that are off, and what is the field's default whether given or not, were not said.
    """
    said = {}
    for name, field in model.model_fields.items():
        value = getattr(arguments, name, None)
        if value is not None and value is not False and value != field.default:
            said[name] = value
    return said


def list_of(kind: Callable[[str], Item]) -> Callable[[str], tuple[Item, ...]]:
    """The `type` of an argument that is a list, separated by commas."""

    def read(text: str) -> tuple[Item, ...]:
        return tuple(kind(part.strip()) for part in text.split(",") if part.strip())

    read.__name__ = f"list of {kind.__name__}s"  # argparse names it in its error
    return read


def add_ranks(parser: argparse.ArgumentParser) -> None:
    """How large adapters are."""
    add_settings(parser, SweepConfig, "rank", "alpha", "budget", "allocation")


def probe_config(arguments: argparse.Namespace) -> ProbeConfig:
    """How the map is measured that placements are chosen by; ranks and seeds of these commands mean the adapters."""
    said = {name: getattr(arguments, name) for name in PROBE_ARGUMENTS}
    return checked(
        ProbeConfig, argparse.Namespace(**{name: value for name, value in said.items() if value is not None})
    )
