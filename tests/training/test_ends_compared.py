"""Comparisons of placements at head and embedding with others: by name, by placement, added later, refused."""

from __future__ import annotations

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from domlora.comparison.config import SweepConfig
from domlora.data.tasks import load_task
from domlora.energy.measure import probe
from domlora.errors import PlacementError
from domlora.models.ends import find_ends
from domlora.models.loading import load_model
from domlora.placements.place import place
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from domlora.training.compare import compare
from domlora.training.rows import choose_rows, encode_rows
from tests.helpers.sweeping import plain_losses, write_task

SETTINGS = {
    "rank": 4, "learning_rates": [1e-2], "seeds": 1, "steps": 3, "batch_size": 4, "validation_rows": 5, "test_rows": 6,
    "forgetting_rows": 0, "answers": 0,
}  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def model(request, tokenizer, tmp_path_factory):
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=len(tokenizer), max_position_embeddings=256, tie_word_embeddings=request.param,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("models") / "three-blocks"
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return load_model(path, dtype="float32", device="cpu")


@pytest.fixture
def task(tmp_path):
    return load_task(str(write_task(tmp_path / "rows.jsonl")))


@pytest.fixture
def energy(model, task):
    return probe(model, task, ProbeConfig(samples=2))


@pytest.fixture
def store():
    opened = Store()
    yield opened
    opened.close()


def losses(comparison) -> dict[str, float]:
    return {v.placement: v.results["test_loss_after"] for v in comparison.variants}


NAMES = ["dominant", "lm_head", "embed", "module:lm_head+model.layers.1.mlp.down_proj"]


@pytest.mark.parametrize("more", [{}, {"dropout": 0.3, "gradient_checkpointing": True, "energy_every": 2}])
def test_they_train_beside_others_as_alone_and_their_folders_say_what_was_judged(model, task, energy, store, more):
    settings = {**SETTINGS, **more, **({"energy_samples": 2} if more else {})}
    together = compare(model, task, NAMES, energy=energy, store=store, **settings)
    assert {v.status for v in together.variants} == {"done"}
    measured = len(store.maps.list(together.run.id))
    assert measured == (1 + 2 * len(NAMES) if more else 0), "the energy is measured with such an adapter on too"
    for name in NAMES[1:3]:
        alone = compare(model, task, [name], energy=energy, store=store, **settings)
        assert losses(alone)[name] == pytest.approx(losses(together)[name], abs=2e-5)
    config = SweepConfig(**settings | {"placements": NAMES})
    rows = encode_rows(task, choose_rows(task, config), model.encode, config)
    for variant in together.variants:
        base = AutoModelForCausalLM.from_pretrained(model.local.folder)
        adapted = PeftModel.from_pretrained(base, variant.adapter).eval()
        with torch.no_grad():
            said = float(plain_losses(adapted, rows.test).mean())
        assert said == pytest.approx(losses(together)[variant.placement], abs=1e-4)
        assert abs(said - variant.results["test_loss_before"]) > 1e-4, "it has trained"


def test_a_tied_weight_is_said(model, task, energy, store):
    for names, wanted in ((["dominant", "lm_head"], find_ends(model.model).tied), (["dominant"], False)):
        found = compare(model, task, names, energy=energy, store=store, **SETTINGS)
        assert any("are one weight" in words for words in found.run.warnings) == wanted


def test_they_can_be_given_as_placements_and_added_to_a_comparison(model, task, energy, store):
    first = compare(model, task, ["dominant"], energy=energy, store=store, **SETTINGS)
    more = compare(model, task, ["lm_head", "embed"], store=store, add_to=first.run.id)
    own = [place(energy, name, rank=4, ends=find_ends(model.model)) for name in ("lm_head", "embed")]
    given = compare(model, task, ["dominant", *own], energy=energy, store=store, **SETTINGS)
    assert losses(more) == pytest.approx(losses(given), abs=2e-5)
    again = compare(model, task, ["o"], store=store, add_to=more.run.id)
    assert losses(again) == pytest.approx(losses(more) | {"o": losses(again)["o"]})


@pytest.mark.parametrize("own", [False, True], ids=["name", "placement"])
def test_methods_that_cannot_be_are_refused_before_anything_is_trained(model, task, energy, store, own):
    ends = find_ends(model.model)
    embed = place(energy, "embed", rank=4, ends=ends) if own else "embed"
    for method in ("pissa", "olora", "eva", "lora+"):
        with pytest.raises(PlacementError, match=f"PEFT does not adapt with {method}"):
            compare(model, task, ["dominant", embed], energy=energy, store=store, **SETTINGS, methods=["lora", method])
    head = place(energy, "lm_head", rank=4, ends=ends) if own else "lm_head"
    if ends.tied:
        with pytest.raises(PlacementError, match="would change both"):
            compare(model, task, [head], energy=energy, store=store, **SETTINGS, methods=["pissa"])
    assert not store.runs.list()


def test_every_other_method_trains(model, task, energy, store):
    tied = find_ends(model.model).tied
    methods = {
        "embed": ["rslora", "dora"],
        "lm_head": ["rslora", "dora", "eva", "lora+"] + ["pissa", "olora"] * (not tied),
    }
    for name, many in methods.items():
        found = compare(model, task, ["down", name], energy=energy, store=store, **SETTINGS, methods=many)
        assert {v.status for v in found.variants} == {"done"}
