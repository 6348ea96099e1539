"""Widgets for fields of settings models: label, help, default, bounds and choices are what the field says.

In: a place to draw, a settings model, a field's name. Out: the value that the person left there. Every widget's key is
the field's name unless another is given, since keys are part of a page's address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import streamlit as st
from pydantic import BaseModel, ValidationError
from streamlit.delta_generator import DeltaGenerator

from dashboard.shared import words
from dashboard.shared.widgets import keep_known
from domlora.comparison.config import SweepConfig
from domlora.probes.config import ProbeConfig
from domlora.settings import Setting, setting

STEP = 0.01  # of a widget for fractions; a value may come so near to a bound that it must not reach


def number(
    where: DeltaGenerator,
    model: type[BaseModel],
    name: str,
    *,
    defaults: BaseModel | None = None,
    label: str | None = None,
    low: int | None = None,
    more: str = "",
    disabled: bool = False,
) -> Any:
    """Asks for a number; None where the field takes it and the widget is left empty.

    Args:
        defaults: settings that hold the default, instead of the field's own.
        label: instead of the field's title.
        low: a least value that is above the field's own.
        more: said after the field's description.
    """
    one = setting(model, name)
    value = one.default if defaults is None or one.follows else getattr(defaults, name)
    least, most = _bounds(one)
    least = least if low is None else low
    wrong = not_taken(name, lambda text: _is_between(text, least, most))
    found = where.number_input(
        label or one.title, least, most, value, key=name, bind="query-params",
        help=_help(one, more), placeholder=one.unset if one.default is None else None, disabled=disabled,
    )  # fmt: skip
    say_not_taken(where, wrong)
    return found


def probe_samples(where: DeltaGenerator, more: str = "") -> int:
    """Asks how many samples the probe of a comparison reads."""
    label = f"Probe {setting(ProbeConfig, 'samples').title.lower()}"
    return number(where, ProbeConfig, "samples", label=label, more=more)


def choice(where: DeltaGenerator, model: type[BaseModel], name: str) -> str:
    """Asks for one of the field's choices."""
    one = setting(model, name)
    options = one.choices or one.examples
    shown = [one.words.get(value, value) for value in options]  # the address holds what is shown
    wrong = not_taken(name, shown.__contains__)
    found = where.selectbox(
        one.title, options, options.index(one.default), key=name, bind="query-params", help=_help(one),
        format_func=lambda value: one.words.get(value, value),
    )  # fmt: skip
    say_not_taken(where, wrong)
    return found


def text(where: DeltaGenerator, model: type[BaseModel], name: str) -> str:
    """Asks for a line; an empty one where the field has no default."""
    one = setting(model, name)
    return where.text_input(one.title, one.default or "", key=name, bind="query-params", help=_help(one))


def switch(where: Any, model: type[BaseModel], name: str) -> bool:
    """Asks for yes or no."""
    wrong = not_taken(name, lambda text: text.lower() in ("true", "false"))
    found = where.toggle(**label_and_help(model, name), key=name, bind="query-params")
    say_not_taken(where, wrong)
    return found


def several(where: DeltaGenerator, key: str, options: Sequence[str], **more: Any) -> list[str]:
    """Asks for some of the options; what was chosen before and is none of them any more is dropped.

    Args:
        more: of the widget, its label among it.
    """
    wrong = not_taken(key, options.__contains__)
    keep_known(key, options)
    found = where.multiselect(options=options, key=key, bind="query-params", **more)
    say_not_taken(where, wrong)
    return found


def not_taken(key: str, fits: Callable[[str], bool]) -> list[str]:
    """What the address asks of a widget that does not take it; to be asked for before the widget is drawn."""
    return [said for said in st.query_params.get_all(key) if said and not fits(said)]


def say_not_taken(where: DeltaGenerator, wrong: Sequence[str]) -> None:
    """One line for what an address asks for in vain."""
    if wrong:
        names = words.literal(", ".join(words.cut(one, 60) for one in wrong))
        where.caption(f":material/link_off: Left out of the address, as it cannot be chosen here: {names}.")


def label_and_help(model: type[BaseModel], name: str, more: str = "") -> dict[str, str]:
    """For widgets that are drawn elsewhere."""
    one = setting(model, name)
    return {"label": one.title, "help": _help(one, more)}


def rates(where: DeltaGenerator, defaults: SweepConfig) -> tuple[tuple[float, ...], list[str]]:
    """Asks for learning rates; also says which words are no numbers."""
    one = setting(SweepConfig, "learning_rates")
    default = rates_in_words(defaults.learning_rates)
    written = where.text_input(one.title, default, key="rates", bind="query-params", help=_help(one))
    return _rates_of(written, default)


def rates_in_words(rates: Sequence[float]) -> str:
    """As they are written into the box: `1e-3, 3e-3`."""
    return setting(SweepConfig, "learning_rates").in_words(tuple(rates)).replace(",", ", ")


def further_rates(where: DeltaGenerator, key: str) -> tuple[float, ...]:
    """Asks for learning rates to add to others; says itself which words are no numbers."""
    found, problems = _rates_of(
        where.text_input("Further learning rates", key=key, placeholder="3e-2, 1e-1"), "3e-2, 1e-1"
    )
    for problem in problems:
        where.error(problem)
    return found


def _rates_of(written: str, example: str) -> tuple[tuple[float, ...], list[str]]:
    """The rates that were typed, and what is wrong with the words that are no numbers."""
    found, problems = [], []
    for part in filter(None, re.split(r"[,;\s]+", written)):
        try:
            found.append(float(part))
        except ValueError:
            problems.append(f"The learning rate {part!r} is not a number: write rates as {example}.")
    return tuple(found), problems


def say(problems: Iterable[str]) -> None:
    """Draws a line for each thing that is wrong. They name what somebody typed or linked to, which is no markup."""
    for problem in problems:
        st.error(words.literal(problem))


def refused(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each setting that the model refuses, under the label of its widget."""
    lines = []
    for one in error.errors():
        title = setting(model, str(one["loc"][0])).title if one["loc"] else "Request"
        lines.append(f"{title}: {one['msg'].removeprefix('Value error, ')}.")
    return lines


def _help(one: Setting, more: str = "") -> str:
    return f"{one.sentence} {more}".rstrip()


def _is_between(text: str, least: Any, most: Any) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return (least is None or value >= least) and (most is None or value <= most)


def _bounds(one: Setting) -> tuple[Any, Any]:
    """Least and largest value as a widget takes them: inclusive, and of the field's type."""
    step = 1 if one.kind is int else STEP
    least = one.low if one.above is None else one.above + step
    most = one.high if one.below is None else one.below - step
    return (None if least is None else one.kind(least)), (None if most is None else one.kind(most))
