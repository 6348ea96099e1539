"""Which placements race."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from domlora.energy.energy_map import EnergyMap
from domlora.errors import PlacementError
from domlora.probes.config import ProbeConfig
from domlora.search.candidates import candidate_json, candidate_of, probe_configs, propose
from domlora.search.config import FindConfig, find_config
from tests.helpers.maps import map_of, names_of

FIRST = {"page": "model.layers.1.mlp.down_proj", "saliency": "model.layers.0.mlp.up_proj"}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=64,
    ))  # fmt: skip


def a_map(model, probe, first=None, layers=4) -> EnergyMap:
    energy = map_of(model, {first: 1000.0} if first else None)
    config = ProbeConfig(probe=probe)
    made = energy.provenance.model_copy(update={"config": config, "layers": layers})
    return EnergyMap(energy.modules, made)


@pytest.fixture
def maps(model):
    return {probe: a_map(model, probe, first) for probe, first in FIRST.items()}


def test_what_is_proposed(maps):
    proposed = propose(maps, FindConfig())
    names = [candidate.name for candidate in proposed.candidates]
    assert names[:6] == ["dominant", "all-linear", "qv", "top-k:4", "random-1", "random-2"]
    for name in ("random-1", "random-2", "attention", "mlp", "o", "down", "up@0", "top-4:saliency"):
        assert name in names
    by_name = {candidate.name: candidate for candidate in proposed.candidates}
    assert names_of(by_name["dominant"].placement) == [FIRST["page"]]
    assert names_of(by_name["up@0"].placement) == [FIRST["saliency"]]
    assert by_name["up@0"].probes == ("saliency",)
    assert by_name["random-1"].control
    assert not by_name["up@0"].control
    assert proposed.everywhere == by_name["all-linear"].placement.trainable_parameters


def test_what_trains_the_same_modules_takes_part_once_for_all_reasons(model):
    maps = {probe: a_map(model, probe, FIRST["page"]) for probe in ("page", "fisher")}
    proposed = propose(maps, FindConfig())
    held = [frozenset(names_of(c.placement)) for c in proposed.candidates]
    assert len(held) == len(set(held))
    (dominant,) = (c for c in proposed.candidates if c.name == "dominant")
    assert dominant.why[:2] == ("PAGE's first module (DomLoRA)", "Fisher's first module")
    assert dominant.probes == ("page", "fisher")


def test_random_modules_are_none_that_a_probe_has_picked(model):
    """Whatever it picks first: a pick is no control, which could never be the answer."""
    for layer in range(4):
        maps = {"page": a_map(model, "page", FIRST["page"])}
        maps["saliency"] = a_map(model, "saliency", f"model.layers.{layer}.mlp.down_proj")
        picked = [c for c in propose(maps, FindConfig()).candidates if "saliency" in c.probes]
        assert picked
        assert not any(candidate.control for candidate in picked)
        assert not any(candidate.name.startswith("random") for candidate in picked)


def test_what_peft_refuses_in_an_architecture_is_left_out(model):
    energy = a_map(model, "page", FIRST["page"])
    modules = energy.modules.assign(kind=energy.modules["kind"].replace("down", "ssm.out"))
    maps = {"page": EnergyMap(modules, energy.provenance.model_copy(update={"architecture": "MambaForCausalLM"}))}
    proposed = propose(maps, FindConfig())
    assert "PEFT refuses" in proposed.left_out["dominant"]
    assert proposed.candidates
    assert not any(m.kind == "ssm.out" for c in proposed.candidates for m in c.placement.modules)


def test_a_budget_is_kept_by_ranks(maps):
    whole = {c.name: c.placement for c in propose(maps, FindConfig()).candidates}
    budget = whole["all-linear"].trainable_parameters // 3
    small = {c.name: c.placement for c in propose(maps, find_config({"parameters": budget})).candidates}
    assert all(placement.trainable_parameters <= budget for placement in small.values())
    assert small["all-linear"].rank == 2  # a third of 8
    assert small["dominant"].rank == whole["dominant"].rank == 8
    assert small["all-linear"].alpha / small["all-linear"].rank == whole["all-linear"].alpha / whole["all-linear"].rank


def test_what_is_too_large_for_the_budget_is_left_out_by_name(maps):
    proposed = propose(maps, find_config({"parameters": 300}))
    assert "all-linear" in proposed.left_out
    assert "above the 300 allowed" in proposed.left_out["all-linear"]
    assert all(c.placement.trainable_parameters <= 300 for c in proposed.candidates)


def test_a_budget_below_the_smallest_module_is_refused_in_one_line(maps):
    with pytest.raises(PlacementError, match=r"at rank 1 it has .* above the 5 allowed") as caught:
        propose(maps, find_config({"parameters": 5}))
    assert "\n" not in str(caught.value)


def test_no_rank_is_above_a_modules_size(maps):
    proposed = propose(maps, find_config({"rank": 12}))
    for candidate in proposed.candidates:
        assert all(m.rank <= min(m.in_features, m.out_features) for m in candidate.placement.modules)


def test_one_pass_measures_all_probes():
    configs = probe_configs(FindConfig(), 12)
    assert configs[0].probe == "page"
    assert {config.samples for config in configs} == {12}
    assert "interference" not in {config.probe for config in configs}
    assert "spectral" not in {config.probe for config in configs}


def test_a_candidate_is_kept_beside_its_placement(maps):
    for candidate in propose(maps, FindConfig()).candidates:
        assert candidate_of(candidate_json(candidate), candidate.placement) == candidate
