"""What every service is told: names that stay, settings as plain values, text that is no markup."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from tensorboard.plugin_util import markdown_to_safe_html

from domlora.comparison.analysis import compare_run
from domlora.comparison.run import Metric
from domlora.tracking.tracker import (
    as_markdown,
    by_step,
    curve,
    findings,
    service_id,
    settings_of,
    table_as_markdown,
    title,
)
from tests.helpers.runs import A, a_run, evaluation

NASTY = ("<script>alert(1)</script>", "a | b", "*a* _b_ `c` [d](e) # f", "1. x", "- y", "\\*z", "&amp;", "~~s~~")


def test_curves_have_the_names_that_are_promised():
    names = ("train_loss", "grad_norm", "learning_rate", "eval_loss", "eval_accuracy")
    assert [curve(name) for name in names] == [
        "train/loss", "train/grad_norm", "train/learning_rate", "eval/loss", "eval/accuracy",
    ]  # fmt: skip


def test_points_of_one_step_are_one_row():
    points = [Metric("a", 1, "train_loss", 2.0), Metric("b", 1, "train_loss", 3.0), Metric("a", 1, "grad_norm", 4.0)]
    assert by_step(points) == {("a", 1): {"train/loss": 2.0, "train/grad_norm": 4.0}, ("b", 1): {"train/loss": 3.0}}


def test_settings_are_those_of_the_variant():
    run = a_run()
    found = settings_of(run, run.variants[1])
    assert found["placement"] == "qv" and found["method"] == "lora" and found["learning_rate"] == 1e-3
    assert found["seed"] == 0 and found["trainable_parameters"] == 2**40 and found["rank"] == 8
    assert found["model"] == "smollm2-135m" and found["task"] == "math" and found["steps"] == 60
    assert not {"placements", "methods", "learning_rates", "seeds", "budget"} & found.keys()
    assert all(isinstance(value, str | int | float | bool) for value in found.values())


def test_a_run_that_goes_on_keeps_its_id_and_one_made_anew_has_another():
    run = a_run()
    assert service_id(run, A) == service_id(replace(run, facts={}, job="other"), A)
    assert service_id(run, A) != service_id(run, "other")
    assert service_id(run, A) != service_id(replace(run, created=run.created.replace(year=2027)), A)
    assert re.fullmatch(r"[0-9a-f]{16}", service_id(run, A)), "W&B refuses / \\ # ? % :"


def test_control_characters_are_spelt_out():
    run = a_run(model="m\x1b[31m\u202e")
    assert settings_of(run, None)["model"] == "m\\x1b[31m\\u202e"
    assert title(replace(run.variants[0], name="a\nb")) == "a\\nb"


@pytest.mark.parametrize("text", NASTY)
def test_markdown_shows_text_as_it_is(text):
    """By TensorBoard's own renderer, in a paragraph and in a cell of a table."""
    shown = html.unescape(re.sub("</?p>", "", markdown_to_safe_html(as_markdown(text))))
    assert shown == text
    table = markdown_to_safe_html(f"| h | i |\n| --- | --- |\n| {as_markdown(text)} | 1 |")
    cells = re.findall("<td>(.*?)</td>", table)
    assert [html.unescape(cell) for cell in cells] == [text, "1"]


def test_findings_are_the_conclusion_all_warnings_and_a_cell_for_what_is_not_known():
    run = a_run()
    done = replace(run.variants[0], status="done", results={"eval_loss_after": 2.0})
    run = replace(run, variants=(done, run.variants[1]))
    comparison = compare_run(run, [evaluation("base"), evaluation(A)])
    found = findings(comparison)
    assert found.conclusion == comparison.conclusion != ""
    assert found.warnings == (*comparison.warnings, "the placements differ in size")
    first, second = (dict(zip(found.columns, row, strict=True)) for row in found.rows)
    assert first["contestant"] == "dominant" and first["loss"] == 2.0
    assert second["contestant"] == "qv" and second["loss"] is None
    rendered = markdown_to_safe_html(table_as_markdown(found))
    assert rendered.count("<tr>") == 3 and rendered.count("<td>") == 2 * len(found.columns)
