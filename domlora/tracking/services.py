"""The services that curves are sent to: their names, whether their packages are there, and how one is opened.

In: names, as a user gives them. Out: a checked `Destination`, and a `Tracker` of a run. A service's package is imported
only when its tracker is opened: knowing the names costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, get_args

from domlora.errors import UsageError

if TYPE_CHECKING:
    from domlora.comparison.run import Run
    from domlora.tracking.tracker import Tracker

Service = Literal["tensorboard", "trackio", "wandb"]
SERVICES: tuple[Service, ...] = get_args(Service)
# name -> "module:function" that opens its tracker
OPENERS: dict[Service, str] = {
    "tensorboard": "domlora.tracking.tensorboard:TensorBoard",
    "trackio": "domlora.tracking.trackio:Trackio",
    "wandb": "domlora.tracking.wandb:WeightsAndBiases",
}


@dataclass(frozen=True)
class Destination:
    """Where the curves of a comparison go; false where they go nowhere but into the store.

    Attributes:
        project: of services that have projects; None leaves it to their environment (WANDB_PROJECT), else `domlora`.
    """

    services: tuple[Service, ...] = ()
    project: str | None = None

    def __bool__(self) -> bool:
        return bool(self.services)


NOWHERE = Destination()


def installed(service: Service) -> bool:
    """Whether the package of a service is there; imports nothing."""
    return find_spec(service) is not None


def how_to_install(service: str) -> str:
    """The command that brings a service's package."""
    return f"pip install 'domlora[{service}]'"


def destination(names: Sequence[str], project: str | None = None) -> Destination:
    """Names of services, checked before anything is computed; each counts once.

    Raises:
        UsageError: an unknown name, or a service whose package is not installed.
    """
    known: dict[str, Service] = {service: service for service in SERVICES}
    for name in names:
        if name not in known:
            raise UsageError(f"curves cannot be sent to {name!r}: known are {', '.join(SERVICES)}")
        if not installed(known[name]):
            raise UsageError(f"{name} is not installed: {how_to_install(name)}")
    return Destination(tuple(dict.fromkeys(known[name] for name in names)), project)


def open_tracker(service: Service, run: Run, project: str | None) -> Tracker:
    """Imports a service and prepares it for a run. Raises whatever the service raises."""
    module, _, name = OPENERS[service].partition(":")
    return getattr(import_module(module), name)(run, project)
