"""`lm_head` and `embed` by name, on request only, with the methods that PEFT has there."""

from __future__ import annotations

import copy
import warnings

import peft
import pytest
import torch

from domlora.errors import PlacementError, UsageError
from domlora.models.ends import find_ends
from domlora.placements.ends import check_tied, end_rows, needs_ends, tied_words, trained_whole
from domlora.placements.methods import METHODS
from domlora.placements.names import NAMES
from domlora.placements.place import check_name, place, place_all
from tests.helpers.maps import map_of, names_of
from tests.helpers.tiny_models import MODELS, make


def placed(model, name, **settings):
    return place(map_of(model), name, ends=find_ends(model), **settings)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["lm_head", "embed", "LM_head"])
def test_peft_trains_exactly_what_the_placement_says(model, name):
    model = make(model)
    placement = placed(model, name, rank=4)
    whole = model.get_output_embeddings() if "head" in name.lower() else model.get_input_embeddings()
    assert model.get_submodule(placement.modules[0].module) is whole
    for method, info in METHODS.items():
        if name == "embed" and not info.embeddings:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapted = peft.get_peft_model(copy.deepcopy(model), placement.lora_config(method))
        assert adapted.targeted_module_names == names_of(placement)
        assert adapted.get_nb_trainable_parameters()[0] == placement.parameters(method)
        if method == "lora":
            namespace: dict = {}
            exec(placement.snippet(method), namespace)
            assert namespace["config"] == placement.lora_config(method)


def test_no_other_name_takes_them_in():
    model = make("llama")
    energy, ends = map_of(model), find_ends(model)
    names = ["all-linear", "attention", "mlp", "qv", "top-share:1", "spread:14"]
    for name in names:
        for placement in place_all(energy, [name], ends=ends):
            assert not {"lm_head", "model.embed_tokens"} & set(names_of(placement))


def test_they_stand_below_the_first_block_and_above_the_last():
    model = make("llama")
    placement = placed(model, "module:lm_head+model.layers.1.mlp.down_proj+model.embed_tokens")
    assert names_of(placement) == ["model.embed_tokens", "model.layers.1.mlp.down_proj", "lm_head"]
    assert [m.layer for m in placement.modules] == [-1, 1, 2] and placement.lowest_layer == -1


@pytest.mark.parametrize(("name", "transposed"), [("lm_head", False), ("embed", False), ("down", True)])
def test_only_blocks_of_gpt2_are_transposed(name, transposed):
    assert placed(make("gpt2"), name).fan_in_fan_out is transposed


def test_a_budget_and_a_largest_rank_hold_as_elsewhere():
    model = make("llama")
    assert placed(model, "lm_head", budget=1000).modules[0].rank == 1000 // (32 + 97)
    assert placed(model, "embed", budget=1000, allocation="energy").modules[0].rank == 1000 // (32 + 97)
    with pytest.raises(PlacementError, match="rank 33 is larger than lm_head"):
        placed(model, "lm_head", rank=33)


def test_ranks_by_energy_are_refused_where_nothing_was_measured():
    with pytest.raises(PlacementError, match="lm_head has no measured energy"):
        placed(make("llama"), "module:lm_head+model.layers.1.mlp.down_proj", allocation="energy")


@pytest.mark.parametrize("method", [name for name, info in METHODS.items() if not info.embeddings])
def test_methods_that_peft_has_not_for_embeddings_are_refused(method):
    placement = placed(make("llama"), "embed")
    words = "holds the embedding model.embed_tokens, which PEFT does not adapt with .*: use dora, lora or rslora"
    with pytest.raises(PlacementError, match=words):
        placement.lora_config(method)


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_a_residual_in_a_tied_weight_is_refused(method):
    for name, tied in (("llama", False), ("gemma2", True)):
        model = make(name)
        ends = find_ends(model)
        placement = place(map_of(model), "lm_head", ends=ends)
        assert ends.tied == tied == bool(tied_words([placement], ends))
        if tied:
            with pytest.raises(PlacementError, match="are one weight"):
                check_tied(placement, method, ends)
        else:
            check_tied(placement, method, ends)


def test_peft_would_change_the_embedding_with_a_residual():
    """Why it is refused."""
    model = make("gemma2")
    before = model.model.embed_tokens.weight.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peft.get_peft_model(model, placed(model, "lm_head", rank=4).lora_config("pissa"))
    assert not torch.equal(model.model.embed_tokens.weight, before)


def test_a_map_alone_does_not_know_them():
    energy = map_of(make("llama"))
    with pytest.raises(PlacementError, match="lm_head: embedding and head are in no energy map"):
        place(energy, "lm_head")
    assert needs_ends(energy, ["dominant", "embed"]) and needs_ends(energy, ["module:lm_head"])
    assert not needs_ends(energy, ["dominant", "all-linear", "module:model.layers.1.mlp.down_proj"])
    assert [row.kind for row in end_rows(find_ends(make("llama")), energy)] == ["embed", "lm_head"]


def test_whole_weights_are_no_placement():
    for name in ("lm_head:full", "embed:full"):
        with pytest.raises(UsageError, match="--train-whole"):
            check_name(name)
    assert {"lm_head", "embed"} <= set(NAMES)


WHOLE = [(model, names) for model in ("llama", "gpt2", "gemma3", "opt") for names in (["embed"], ["lm_head", "embed"])]


@pytest.mark.parametrize(("name", "names"), WHOLE)
def test_whole_weights_train_are_saved_and_say_the_same_after_loading(name, names, tmp_path):
    model = make(name)
    fresh, ends = copy.deepcopy(model), find_ends(model)
    placement = placed(model, "dominant", rank=4)
    added, count = trained_whole(placement, names, ends)
    config = placement.lora_config()
    for key, value in added.items():
        setattr(config, key, value)
    config.save_pretrained(str(tmp_path / "placed"))
    ids = torch.arange(3, 15).unsqueeze(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = peft.get_peft_model(model, peft.LoraConfig.from_pretrained(str(tmp_path / "placed")))
        assert adapted.get_nb_trainable_parameters()[0] == placement.trainable_parameters + count
        optimizer = torch.optim.Adam([p for p in adapted.parameters() if p.requires_grad], lr=0.01)
        for _ in range(2):
            adapted(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
        said = adapted.eval()(input_ids=ids).logits
        adapted.save_pretrained(str(tmp_path / "trained"))
        loaded = peft.PeftModel.from_pretrained(fresh, str(tmp_path / "trained")).eval()
    torch.testing.assert_close(loaded(input_ids=ids).logits, said, rtol=1e-4, atol=1e-4)


def test_an_adapter_and_the_whole_weight_at_one_place_are_refused():
    model = make("gemma3")
    with pytest.raises(PlacementError, match="lm_head has an adapter at lm_head"):
        trained_whole(placed(model, "lm_head"), ["embed"], find_ends(model))
    model = make("llama")
    assert trained_whole(placed(model, "lm_head"), ["embed"], find_ends(model))[1] == 97 * 32
