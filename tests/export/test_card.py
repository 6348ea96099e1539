"""The model card: a head that the Hub reads, the evidence, and names that stay data."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pandas as pd
import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from domlora.comparison.analysis import compare_run
from domlora.comparison.config import SweepConfig, variant_name
from domlora.comparison.run import Evaluation
from domlora.data.origin import TaskOrigin
from domlora.export import bundle
from domlora.export.card import card
from domlora.export.curves import curves_svg
from domlora.export.licence import licence
from domlora.export.taken import Taken
from domlora.models.origin import ModelOrigin
from tests.helpers.exported import loaded, reference, saved
from tests.helpers.runs import DOMINANT, QV, A, B, a_run, evaluation

METRICS = pd.DataFrame(
    [(name, step, "eval_loss", 2 - step / 100 + i) for i, name in enumerate((A, B)) for step in (0, 30, 60)],
    columns=["variant", "step", "name", "value"],
)


def a_taken(metrics=METRICS, adapter=None, **changes) -> Taken:
    run = a_run(**changes)
    done = tuple(
        replace(
            v, status="done", adapter=adapter and str(adapter),
            results={"eval_loss_after": 1.4 + i, "test_loss_before": 2.5, "test_loss_after": 1.5 + i},
        )
        for i, v in enumerate(run.variants)
    )  # fmt: skip
    run = replace(run, variants=done)
    losses = [evaluation("base", losses=(2.5, 2.6, 2.4))]
    losses += [Evaluation(v.name, "test", (1.5 + i, 1.4 + i, 1.7 + i), (0.5,) * 3) for i, v in enumerate(done)]
    comparison = compare_run(run, losses, resamples=200)
    return Taken.of(run, comparison, bundle.best_variant(comparison), metrics)


def test_the_hub_reads_the_head():
    model = ModelOrigin(kind="hub", place="org/base", revision="abc")
    task = TaskOrigin(kind="hub", place="owner/rows:config")
    data = ModelCard(card(a_taken(model_origin=model, task_origin=task))).data
    assert (data.base_model, data.base_model_relation) == ("org/base", "adapter")
    assert (data.library_name, data.pipeline_tag, data.datasets) == ("peft", "text-generation", ["owner/rows"])
    assert data.tags == ["lora", "domlora"]
    assert data.license is None, "nothing here says which"


def test_a_base_that_is_not_of_the_hub_is_not_named_as_one(tmp_path):
    taken = a_taken(model_origin=ModelOrigin(kind="folder", place=str(tmp_path)), task_origin=None)
    data = ModelCard(card(taken)).data
    assert data.base_model is None and data.datasets is None


def test_the_evidence_is_on_the_card():
    taken = a_taken(task_origin=TaskOrigin(kind="builtin", place="math"))
    text = card(taken)
    assert taken.comparison.conclusion.split(".")[0].split(" is ")[0] in text.replace("\\", "")
    assert "![Validation loss of each contestant while it trained](curves.svg)" in text
    assert "| dominant | 16,896 | 0.001 | 1 | 1.533 (" in text
    assert "- the placements differ in size" in text
    assert "domlora compare smollm2-135m --task math --placements dominant,qv" in text
    assert "torch 2.13.0" in text


def test_without_curves_none_are_named():
    assert "curves.svg" not in card(a_taken(metrics=None))


def test_names_are_no_markup():
    odd = "a|b`c`<img src=x onerror=alert(1)>\n# title [x](javascript:y)"
    placements = (DOMINANT.model_copy(update={"name": odd}), QV)
    config = SweepConfig(placements=(odd, "qv"), learning_rates=(1e-3,), seeds=1)
    run = a_run()
    renamed = replace(run.variants[0], name=variant_name(odd, "lora", 1e-3, 0), placement=odd)
    text = card(a_taken(placements=placements, config=config, variants=(renamed, run.variants[1]), task=odd))
    body = ModelCard(text).text
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    assert "<img src=x" not in html and 'javascript:y"' not in html
    assert html.count("<h1>") == 1
    assert ModelCard(text).data.library_name == "peft"


def test_the_padded_adapter_is_written_of_only_where_it_is_needed(tmp_path):
    model = loaded(reference("ref-llama"))
    plain = saved(model, tmp_path / "plain", alpha=8)
    mixed = saved(model, tmp_path / "mixed", ranks="mixed")
    origin = ModelOrigin(kind="reference", place="ref-llama")
    assert "adapter_uniform" in card(a_taken(adapter=mixed, model_origin=origin))
    text = card(a_taken(adapter=plain, model_origin=origin))
    assert "- PEFT: loads as it is" in text and "- TGI: take the merged model" in text


def test_a_licence_is_the_one_that_the_base_names(tmp_path):
    assert licence(ModelOrigin(kind="builtin", place="smollm2-135m")) == {"license": "apache-2.0"}
    folder = ModelOrigin(kind="folder", place=str(tmp_path))
    assert licence(folder) == {}
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: mine\n---\n# x\n", encoding="utf-8")
    assert licence(folder) == {"license": "other", "license_name": "mine"}
    (tmp_path / "README.md").write_text("---\n{ no: [yaml\n---\n", encoding="utf-8")
    assert licence(folder) == {}
    assert licence(None) == {}


def test_the_curves_are_a_picture_with_a_line_for_each_contestant():
    taken = a_taken()
    drawn = ElementTree.fromstring(curves_svg(taken.comparison, METRICS))
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.get("points").split()) for line in lines] == [3, 3]
    # `dominant` falls from 2 to 1.4: its line goes down, which is up in SVG's numbers.
    heights = [float(point.split(",")[1]) for point in lines[0].get("points").split()]
    assert heights == sorted(heights) and heights[0] < heights[-1]
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"dominant", "qv", "step"} <= set(texts)


@pytest.mark.parametrize(
    "metrics",
    [METRICS[METRICS["step"] == 0], METRICS[METRICS["name"] == "train_loss"], METRICS.assign(value=float("nan"))],
)
def test_nothing_is_drawn_of_less_than_two_points(metrics):
    assert curves_svg(a_taken().comparison, metrics) is None


def test_a_flat_line_is_drawn():
    drawn = curves_svg(a_taken().comparison, METRICS.assign(value=1.0))
    assert drawn is not None and "nan," not in drawn and ",nan" not in drawn
