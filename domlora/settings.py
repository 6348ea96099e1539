"""What a field of a settings model says about itself, for whoever asks a person for its value.

In: a pydantic model whose fields carry title, description, bounds and choices. Out: those as plain values, from which
the command line makes flags and the dashboard widgets. Knows no setting by name.

A field may say two more things in its `json_schema_extra`: `unset`, what None stands for (`"all"`), and `words`, how
its choices are called on a page (`{"equal": "all equal"}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

FLAGS = {"learning_rates": "lr"}  # settings whose flag has another name


def flag(name: str) -> str:
    """The flag of a setting on the command line: `--max-length` of `max_length`."""
    return f"--{FLAGS.get(name, name).replace('_', '-')}"


@dataclass(frozen=True)
class Setting:
    """One field of a settings model.

    Attributes:
        title: the label of its widget.
        description: a phrase that begins with a small letter and ends without a full stop.
        kind: type of the value, or of each item where there are several: int, float, str or bool.
        several: the value is a tuple.
        choices: the values that it takes (or each item), where they are listed; else empty.
        examples: values to offer where any are taken.
        words: how choices are called where they are not called by their value.
        required: it has no default.
        default: of the field; None where it is required, and where it follows from other fields.
        follows: its default follows from other fields, as `unset` says.
        unset: what None stands for.
        low, high: inclusive bounds, or None.
        above, below: exclusive bounds, or None.
    """

    name: str
    title: str
    description: str
    kind: type
    several: bool
    choices: tuple[str, ...]
    examples: tuple[str, ...]
    words: Mapping[str, str]
    required: bool
    default: Any
    unset: str
    follows: bool = False
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    @property
    def sentence(self) -> str:
        """The description as a sentence of its own."""
        return f"{self.description[0].upper()}{self.description[1:]}."

    def in_words(self, value: Any) -> str:
        """A value of this setting as a person would type it, or what stands for it."""
        if value is None:
            return self.unset
        if isinstance(value, tuple):
            return ",".join(map(_typed, value)) or "none"
        return _typed(value)


def setting(model: type[BaseModel], name: str) -> Setting:
    """What the field of that name says about itself.

    Raises:
        KeyError: the model has no such field.
        TypeError: the field has no title or description, or a type that cannot be asked for.
    """
    field = model.model_fields[name]
    if not field.title or not field.description:
        raise TypeError(f"{model.__name__}.{name} needs a title and a description")
    extra: Any = field.json_schema_extra or {}
    several, kind, choices = _read(field.annotation)
    bounds: dict[str, Any] = {}
    for part in field.metadata:
        for bound, attribute in (("low", "ge"), ("high", "le"), ("above", "gt"), ("below", "lt")):
            if hasattr(part, attribute):
                bounds[bound] = getattr(part, attribute)
    return Setting(
        name, field.title, field.description, kind, several, choices, tuple(field.examples or ()),
        extra.get("words", {}), field.is_required(), field.default if field.default is not PydanticUndefined else None,
        extra.get("unset", "none"), field.default_factory is not None, **bounds,
    )  # fmt: skip


def _read(annotation: Any) -> tuple[bool, type, tuple[str, ...]]:
    """Of a field's type: whether it is a tuple, the type of its items, and the values they may take."""
    if get_origin(annotation) is Literal:
        return False, str, get_args(annotation)
    if get_origin(annotation) is tuple:
        return True, *_read(get_args(annotation)[0])[1:]
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if len(parts) == 1:  # `int | None`
        return _read(parts[0])
    if annotation not in (bool, int, float, str):
        raise TypeError(f"{annotation} is no type that a person is asked for")
    return False, annotation, ()


def _typed(value: Any) -> str:
    """A number as short as it can be written: 16, 0.1, 3e-3."""
    if not isinstance(value, float):
        return str(value)
    plain = f"{value:g}"
    mantissa, _, exponent = f"{value:.6e}".partition("e")
    short = f"{float(mantissa):g}e{int(exponent)}"
    return short if 0 < abs(value) < 0.1 and len(short) <= len(plain) else plain
