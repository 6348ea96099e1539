"""Placements: what each name picks, ranks under a budget, and that PEFT attaches exactly what was named."""

from __future__ import annotations

import warnings
from collections import Counter
from itertools import pairwise

import numpy as np
import peft
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft.tuners.lora import LoraLayer

import domlora
from domlora.energy.energy_map import EnergyMap
from domlora.errors import PlacementError, UsageError
from domlora.models.ends import find_ends
from domlora.placements.methods import METHODS
from domlora.placements.place import NAMES, check_name, place, place_all
from domlora.placements.placement import PlacedModule, Placement, same
from tests.helpers import tiny_models
from tests.helpers.maps import make_map, map_of, names_of

DOWN = "model.layers.{}.mlp.down_proj"


def layered(name: str, layers: int):
    """A tiny model of that class with so many blocks."""
    model_class, config_class, config, _ = tiny_models.MODELS[name]
    return model_class(config_class(**{**config, "n_layer" if name == "gpt2" else "num_hidden_layers": layers}))


def attached(model) -> dict[str, tuple[int, float]]:
    """Module name -> (rank, scale) of every LoRA layer that PEFT put into the model."""
    return {
        name.removeprefix("base_model.model."): (layer.r["default"], layer.scaling["default"])
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer)
    }


def trainable(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@pytest.fixture(scope="module")
def twelve() -> EnergyMap:
    """A llama of 12 blocks whose `down` at layer 1 dominates and whose `down` at layer 7 has least."""
    return map_of(layered("llama", 12), {DOWN.format(1): 500.0, DOWN.format(7): 0.25})


# --- names -----------------------------------------------------------------------------------------------------------


def test_dominant_and_top_k_follow_the_energy(twelve):
    assert names_of(place(twelve, "dominant")) == [DOWN.format(1)] == [twelve.dominant["module"]]
    # After the dominant one the last modules in forward order have most energy; modules stay in forward order.
    assert names_of(place(twelve, "top-k:3")) == [DOWN.format(1), "model.layers.11.mlp.up_proj", DOWN.format(11)]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.999, 1])
def test_top_share_is_the_smallest_set_that_holds_the_share(twelve, share):
    count = len(place(twelve, f"top-share:{share}", rank=1).modules)
    assert twelve.top_share(count) >= share - 1e-9
    assert count == 1 or twelve.top_share(count - 1) < share


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "phi3", "gpt_neox", "opt"])
def test_groups_pick_the_kinds_they_say(architecture):
    kinds = tiny_models.MODELS[architecture][3]
    energy = map_of(tiny_models.make(architecture))

    def picked(name: str) -> set[str]:
        placement = place(energy, name, rank=2)
        assert len(placement.modules) == 2 * len({m.kind for m in placement.modules})  # in each of both layers
        return {m.kind for m in placement.modules}

    assert picked("all-linear") == set(kinds)
    assert picked("attention") == set(kinds) & {"q", "k", "v", "qkv", "o"}
    assert picked("mlp") == set(kinds) - {"q", "k", "v", "qkv", "o"}
    assert picked("qv") == ({"qkv"} if "qkv" in kinds else {"q", "v"})
    for kind in kinds:
        assert picked(kind) == picked(f"Kind:{kind.upper()}") == {kind}


def test_all_linear_leaves_routers_out_and_their_own_name_finds_them():
    energy = make_map([1, 2, 3])
    table = energy.modules.assign(kind=["router", "down", "down"])
    energy = EnergyMap(table, energy.provenance)
    assert [m.layer for m in place(energy, "all-linear").modules] == [1, 2]
    assert [m.layer for m in place(energy, "router").modules] == [0]
    assert [m.layer for m in place(energy, "mlp").modules] == [1, 2]


def test_one_module_by_kind_and_layer_or_by_name(twelve):
    assert names_of(place(twelve, "down@11")) == names_of(place(twelve, "kind:DOWN@11")) == [DOWN.format(11)]
    both = f"custom:{DOWN.format(9)}+{DOWN.format(3)}"
    assert names_of(place(twelve, both)) == [DOWN.format(3), DOWN.format(9)]
    assert place(twelve, both).name == f"module:{DOWN.format(9)}+{DOWN.format(3)}"


def test_least_is_the_weakest_of_the_dominant_kind(twelve):
    assert names_of(place(twelve, "least")) == [DOWN.format(7)]


def test_random_is_size_matched_seeded_and_never_dominant(twelve):
    dominant = place(twelve, "dominant")
    orders = set()
    for seed in range(10):
        drawn = place_all(twelve, ["random:11"], seed=seed)
        assert [p.name for p in drawn] == [f"random-{i}" for i in range(1, 12)]
        assert {n for p in drawn for n in names_of(p)} == {DOWN.format(i) for i in range(12) if i != 1}
        assert {p.trainable_parameters for p in drawn} == {dominant.trainable_parameters}
        assert drawn == place_all(twelve, ["random:11"], seed=seed)
        assert drawn[:3] == place_all(twelve, ["random:3"], seed=seed)
        orders.add(tuple(p.lowest_layer for p in drawn))
    assert len(orders) > 5
    assert place(twelve, "random", seed=3).modules == place_all(twelve, ["random:11"], seed=3)[0].modules


def test_random_matches_the_size_where_layers_differ_in_width():
    energy = make_map([9, 1, 1, 1])
    energy = EnergyMap(energy.modules.assign(in_features=[64, 64, 128, 64]), energy.provenance)
    assert {m.layer for p in place_all(energy, ["random:2"]) for m in p.modules} == {1, 3}
    with pytest.raises(PlacementError, match="has 2 other down modules of the size"):
        place_all(energy, ["random:3"])


@given(seed=st.integers(0, 1000), layer=st.sampled_from([0, 2, 5, 11]))
@settings(max_examples=20)
def test_random_avoids_what_is_named_explicitly(twelve, seed, layer):
    placements = place_all(twelve, ["random:8", "dominant", f"down@{layer}", "least"], seed=seed)
    assert [p.name for p in placements][7:] == ["random-8", "dominant", f"down@{layer}", "least"]
    assert len({p.signature for p in placements}) == 11


def test_same_kind_goes_through_the_layers_and_its_names_can_be_read(twelve):
    sweep = place_all(twelve, ["same-kind"])
    assert [p.name for p in sweep] == [f"down@{i}" for i in range(12)]
    assert sweep == place_all(twelve, [p.name for p in sweep])
    with_others = place_all(twelve, ["dominant", "random:2", "same-kind"])
    assert len(with_others) == 12 and not same(with_others)


@given(seed=st.integers(0, 1000), count=st.integers(1, 84))
@settings(max_examples=60, deadline=None)
def test_spread_is_even_over_kinds_and_layers_and_has_the_dominant_module(twelve, seed, count):
    placements = place_all(twelve, [f"spread:{count}"], seed=seed)
    modules = [placement.modules[0] for placement in placements]
    assert len(placements) == count and not same(placements)
    assert placements == place_all(twelve, [f"spread:{count}"], seed=seed)
    assert DOWN.format(1) in {m.module for m in modules}
    assert [p.name for p in placements] == [f"{m.kind}@{m.layer}" for m in modules]
    kinds = Counter(m.kind for m in modules)
    assert max(kinds.values()) - min(kinds.get(kind, 0) for kind in tiny_models.SPLIT_KINDS) <= 1
    for kind in kinds:
        layers = [m.layer for m in modules if m.kind == kind]
        gaps = np.diff([layers[-1] - 12, *layers])  # around the end, where the next turn begins
        assert max(gaps) - min(gaps) <= 1


def test_spread_over_all_kinds_reaches_every_depth(twelve):
    for seed in range(20):
        layers = {p.lowest_layer for p in place_all(twelve, ["spread:14"], seed=seed)}
        assert len(layers) >= 9  # of 12: kinds do not all begin at the same layer


def test_spread_leaves_out_what_others_hold_and_routers(twelve):
    placements = place_all(twelve, ["spread:80", "dominant", "q@3"], seed=1)
    assert len(placements) == 82 and not same(placements)
    with pytest.raises(PlacementError, match="has 84 modules to spread over; ask for at most so many"):
        place_all(twelve, ["spread:85"])
    energy = make_map([1, 2, 3])
    energy = EnergyMap(energy.modules.assign(kind=["router", "down", "down"]), energy.provenance)
    assert [p.name for p in place_all(energy, ["spread:2"])] == ["down@1", "down@2"]


def test_spread_gives_equal_ranks_or_fills_a_budget(twelve):
    equal = place_all(twelve, ["spread:28"], rank=4)
    assert {m.rank for p in equal for m in p.modules} == {4}
    assert len({p.trainable_parameters for p in equal}) > 1
    budget = place_all(twelve, ["spread:28"], budget=400)
    assert all(p.trainable_parameters <= 400 for p in budget)
    assert len({p.modules[0].rank for p in budget}) > 1


def test_names_of_several_placements_are_refused_where_one_is_meant(twelve):
    for name in ("same-kind", "random:2", "spread:2"):
        with pytest.raises(PlacementError, match=r"stands for \d+ placements"):
            place(twelve, name)


@pytest.mark.parametrize(
    "name",
    ["", "dominnat", "top-k", "top-k:0", "top-k:x", "top-k:-1", "top-share:0", "top-share:1.5", "top-share:nan", "q:3",
     "random:0", "random:", "spread", "spread:0", "down@", "down@x", "@3", "kind:", "kind@layer", "module",
     "module:", "module:a++b", "module:a+a", "dominant:2", "kind:NAME@LAYER", "o,down"],
)  # fmt: skip
def test_unreadable_names_are_refused_without_a_map(name):
    with pytest.raises(UsageError):
        check_name(name)


@pytest.mark.parametrize("name", [*(n for n in NAMES if ":" not in n), "TOP-K:3", " Top-Share:.5", "Random:4", "Q@0"])
def test_readable_names_pass_in_any_case(name, twelve):
    check_name(name)
    assert place_all(twelve, [name], rank=1, ends=find_ends(layered("llama", 12)))


def test_the_error_for_an_unknown_name_lists_what_is_known():
    with pytest.raises(UsageError) as error:
        check_name("vanilla")
    assert all(name in str(error.value) for name in NAMES)


@pytest.mark.parametrize(
    ("name", "says"),
    [("qkv", "its kinds are q, k, v"), ("kind:nothing", "its kinds are"), ("down@12", "layers 0 to 11 have down"),
     ("wi@1", "its kinds are"), ("top-k:85", "only 84 measured modules"), ("random:12", "has 11 other down modules"),
     ("module:model.layers.1.mlp.down", f"close are {DOWN.format(1)}")],
)  # fmt: skip
def test_names_that_fit_no_module_say_what_there_is(twelve, name, says):
    with pytest.raises(PlacementError, match=says.replace(".", r"\.")):
        place_all(twelve, [name])


def test_an_ambiguous_kind_and_layer_names_the_modules():
    energy = make_map([1, 2])
    energy = EnergyMap(energy.modules.assign(layer=0, stack=["encoder", "decoder"]), energy.provenance)
    with pytest.raises(PlacementError, match=r"fits 2 modules: .*module:model\.layers\.0.* or "):
        place(energy, "down@0")
    assert [p.name for p in place_all(energy, ["same-kind"])] == [f"module:{DOWN.format(1)}"]


def test_without_gradient_only_names_that_need_no_energy_work():
    silent = make_map([0, 0, 0])
    for name in ("dominant", "top-k:1", "top-share:0.5", "random", "least", "same-kind"):
        with pytest.raises(PlacementError, match="no module received any gradient"):
            place_all(silent, [name])
    assert len(place(silent, "down").modules) == 3
    with pytest.raises(PlacementError, match="use equal ranks"):
        place(silent, "down", allocation="energy")


def test_the_only_module_of_its_kind_has_no_controls():
    for name in ("random", "least"):
        with pytest.raises(PlacementError, match="no other module is of the kind"):
            place(make_map([1]), name)


@pytest.mark.parametrize(
    ("names", "says"),
    [(["dominant", "down@1"], "dominant and down@1 are the same"), (["qv", "QV"], "qv is named twice"),
     (["top-k:1", "all-linear", "dominant"], "top-k:1 and dominant"), (["random", "random:2"], "random-1 is named")],
)  # fmt: skip
def test_the_same_placement_twice_is_refused_with_both_names(twelve, names, says):
    with pytest.raises(PlacementError, match=f"{says}.*leave one out"):
        place_all(twelve, names)


def test_rank_and_alpha_make_a_different_placement(twelve):
    one = place(twelve, "dominant")
    assert one.signature == place(twelve, "down@1").signature
    assert one.alpha == 16 and place(twelve, "dominant", rank=4).alpha == 8
    assert len({one.signature, place(twelve, "dominant", rank=4, alpha=16).signature,
                place(twelve, "dominant", alpha=8).signature, place(twelve, "down@2").signature}) == 4  # fmt: skip


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0.0}, {"budget": 0}, {"allocation": "fair"}])
def test_impossible_numbers_are_refused(twelve, wrong):
    with pytest.raises(UsageError):
        place(twelve, "dominant", **wrong)
    with pytest.raises(UsageError, match="one placement at least"):
        place_all(twelve, [])


# --- ranks -----------------------------------------------------------------------------------------------------------


def test_a_rank_above_a_module_is_refused(twelve):
    # k projects 32 -> 16
    message = r"rank 17 is larger than model\.layers\.0\.self_attn\.k_proj \(32 -> 16\): choose a rank of at most 16"
    with pytest.raises(PlacementError, match=message):
        place(twelve, "attention", rank=17)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    energies=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=8).filter(lambda e: max(e) > 0),
    widths=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=8, max_size=8),
    budget=st.integers(1, 4000),
    allocation=st.sampled_from(["equal", "energy"]),
)
def test_a_budget_is_never_exceeded_and_used_up(energies, widths, budget, allocation):
    base = make_map(energies)
    sizes = widths[: len(energies)]
    table = base.modules.assign(in_features=[i for i, _ in sizes], out_features=[o for _, o in sizes])
    energy = EnergyMap(table, base.provenance)
    usable = [i + o for (i, o), e in zip(sizes, energies, strict=True) if e > 0 or len(sizes) == 1]
    smallest = min(usable) if allocation == "energy" else sum(i + o for i, o in sizes)
    if budget < smallest:
        with pytest.raises(PlacementError, match=f"the smallest possible is {smallest:,}"):
            place(energy, "all-linear", budget=budget, allocation=allocation)
        return
    placement = place(energy, "all-linear", budget=budget, allocation=allocation)
    left = budget - placement.trainable_parameters
    assert left >= 0
    ranks = {m.module: m.rank for m in placement.modules}
    assert all(m.rank <= min(m.in_features, m.out_features) for m in placement.modules)
    if allocation == "equal":
        assert set(ranks.values()) == {placement.rank} and len(ranks) == len(energies)
        assert left < smallest or placement.rank == min(min(size) for size in sizes)
    else:  # no module that has energy and room could take one more rank
        for row in table.itertuples():
            full = ranks.get(row.module, 0) == min(row.in_features, row.out_features)
            assert full or row.energy == 0 or row.in_features + row.out_features > left


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=10), st.integers(1, 12))
def test_energy_ranks_rise_with_energy_and_are_proportional_to_it(energies, rank):
    energy = make_map(energies)  # all 64 -> 32
    placement = place(energy, "all-linear", rank=rank, allocation="energy")
    ranks = {m.layer: m.rank for m in placement.modules}
    given_ranks = [ranks.get(layer, 0) for layer in range(len(energies))]
    total = rank * len(energies)
    assert sum(given_ranks) == total  # what equal ranks would take: 32 a module leaves room for 12 · 10 in 10 of them
    by_energy = sorted(zip(energies, given_ranks, strict=True))
    assert all(a[1] <= b[1] for a, b in pairwise(by_energy) if a[0] < b[0])
    if max(given_ranks) < 32:  # highest averages never give a module less than its quota rounded down
        quota = [e / sum(energies) * total for e in energies]
        assert all(given >= int(q - 1e-9) for given, q in zip(given_ranks, quota, strict=True))


def test_energy_allocation_without_budget_takes_no_more_than_equal_ranks(twelve):
    equal, energy = place(twelve, "qv", rank=4), place(twelve, "qv", rank=4, allocation="energy")
    smallest = min(m.in_features + m.out_features for m in equal.modules)
    assert equal.trainable_parameters - smallest < energy.trainable_parameters <= equal.trainable_parameters
    assert len({m.rank for m in energy.modules}) > 1
    assert place(twelve, "dominant", allocation="energy") == place(twelve, "dominant")


# --- PEFT ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "phi3", "gpt_neox", "opt"])
def test_layer_1_of_12_does_not_match_layer_11(architecture):
    model = layered(architecture, 12)
    energy = map_of(model)
    placement = place(energy, "down@1", rank=4)
    assert placement.lowest_layer == 1
    adapted = peft.get_peft_model(model, placement.lora_config())
    assert adapted.targeted_module_names == names_of(placement)
    assert attached(adapted) == {names_of(placement)[0]: (4, 2.0)}
    assert trainable(adapted) == placement.trainable_parameters


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "phi3", "gpt_neox", "opt"])
@pytest.mark.parametrize("method", list(METHODS))
def test_peft_attaches_what_was_named_and_trains_what_was_counted(architecture, method):
    model = tiny_models.make(architecture)
    placement = place(map_of(model), "all-linear", rank=2)
    config = placement.lora_config(method)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="fan_in_fan_out")  # PEFT need not correct it
        adapted = peft.get_peft_model(model, config)
    assert set(attached(adapted)) == set(names_of(placement))
    assert trainable(adapted) == placement.parameters(method)
    assert (placement.parameters(method) > placement.trainable_parameters) == (method == "dora")


def test_a_list_that_peft_shortens_still_matches_exactly(twelve):
    model = layered("llama", 12)
    left_out = "model.layers.1.self_attn.q_proj"
    rows = [name for name in twelve.modules["module"] if name != left_out]
    placement = place(twelve, "module:" + "+".join(rows), rank=2)
    adapted = peft.get_peft_model(model, placement.lora_config())
    assert len(adapted.peft_config["default"].target_modules) < len(rows) == 83  # it was shortened
    assert set(attached(adapted)) == set(rows)


@pytest.mark.parametrize("method", ["lora", "rslora"])
def test_differing_ranks_and_scales_arrive_in_peft(twelve, method):
    placement = place(twelve, "all-linear", budget=20_000, allocation="energy", rank=8, alpha=20)
    ranks = {m.module: m.rank for m in placement.modules}
    assert len(set(ranks.values())) > 2 and DOWN.format(11) in ranks
    adapted = peft.get_peft_model(layered("llama", 12), placement.lora_config(method))
    found = attached(adapted)
    assert {name: rank for name, (rank, _) in found.items()} == ranks
    for rank, scale in found.values():
        assert scale == pytest.approx(2.5 if method == "lora" else 20 / rank**0.5)
    assert trainable(adapted) == placement.trainable_parameters <= 20_000


def test_one_alpha_is_asked_for_and_kept_by_rslora_whatever_rank_is_the_most_frequent(twelve):
    """The scale of plain LoRA is the asked alpha over the asked rank everywhere, rsLoRA's alpha / sqrt(its rank)."""
    for name, extra in (("all-linear", {"budget": 20_000, "allocation": "energy"}), ("dominant", {"budget": 1000})):
        placement = place(twelve, name, rank=8, alpha=16, **extra)
        assert placement.rank != 8 and placement.alpha == 2 * placement.rank
        assert placement.lora_config("rslora").lora_alpha == 16
        assert placement.lora_config("rslora").alpha_pattern == {}
        assert placement.lora_config("lora").lora_alpha == placement.alpha


def test_two_alphas_of_rslora_are_two_placements(twelve):
    """Plain LoRA scales both by 2."""
    first, second = (place(twelve, "dominant", rank=rank, budget=500) for rank in (4, 8))
    assert (first.rank, first.alpha) == (second.rank, second.alpha)
    assert first.signature != second.signature


def test_a_placement_of_an_earlier_version_has_the_alpha_it_was_trained_with(twelve):
    placement = place(twelve, "all-linear", budget=20_000, allocation="energy")
    content = placement.model_dump(mode="json")
    del content["root_alpha"]
    earlier = Placement.model_validate(content)
    assert earlier.lora_config("rslora").lora_alpha == earlier.alpha != 16
    assert earlier.lora_config("lora").to_dict() == placement.lora_config("lora").to_dict()


def test_at_the_highest_rank_all_modules_are_alike_but_for_those_with_fewer_inputs(twelve):
    placement = place(twelve, "all-linear", budget=20_000, allocation="energy")
    high = placement.at_highest_rank()
    assert {m.rank for m in high.modules} == {min(placement.highest_rank, m.in_features) for m in high.modules}
    assert names_of(high) == names_of(placement) and placement.highest_rank > placement.rank


def test_equal_ranks_have_no_patterns(twelve):
    for name, extra in (("dominant", {"budget": 1000, "allocation": "energy"}), ("qv", {"budget": 9000})):
        config = place(twelve, name, **extra).lora_config()
        assert config.rank_pattern == config.alpha_pattern == {}
    single = place(twelve, "dominant", budget=1000)  # 80 parameters a rank
    assert (single.rank, single.alpha, single.trainable_parameters) == (12, 24, 960)
    assert type(single.lora_config().lora_alpha) is int


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_snippet_builds_the_same_config(architecture, method):
    energy = map_of(tiny_models.make(architecture))
    for placement in (
        place(energy, "dominant"),
        place(energy, "all-linear", rank=4, allocation="energy"),
    ):
        scope: dict = {}
        exec(placement.snippet(method), scope)
        assert scope["config"].to_dict() == placement.lora_config(method).to_dict()


def test_a_saved_adapter_loads_and_changes_the_logits(twelve, tmp_path):
    import torch

    model = tiny_models.make("llama")
    placement = place(map_of(model), "all-linear", rank=4, allocation="energy")
    ids = torch.arange(10)[None]
    with torch.no_grad():
        base = model(ids).logits
        adapted = peft.get_peft_model(model, placement.lora_config())
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        trained = adapted(ids).logits
        adapted.save_pretrained(tmp_path)
        loaded = peft.PeftModel.from_pretrained(tiny_models.make("llama"), tmp_path)(ids).logits
    assert not torch.allclose(base, trained, atol=1e-3)
    torch.testing.assert_close(loaded, trained)


def test_eva_keeps_the_planned_ranks_also_where_they_differ():
    import torch

    model = tiny_models.make("llama")
    placement = place(map_of(model), "down", rank=4, alpha=8, allocation="energy")
    planned = {m.module: (m.rank, 2.0) for m in placement.modules}
    assert len(set(planned.values())) == 2
    adapted = peft.get_peft_model(model, placement.lora_config("eva"))
    rows = torch.randint(3, 90, (16, 12), generator=torch.Generator().manual_seed(0))
    batches = [{"input_ids": rows[i : i + 4], "labels": rows[i : i + 4]} for i in range(0, 16, 4)]
    peft.initialize_lora_eva_weights(adapted, batches, show_progress_bar=False)
    assert attached(adapted) == planned


# --- the package -----------------------------------------------------------------------------------------------------


def test_json_round_trip(twelve):
    placement = place(twelve, "all-linear", budget=20_000, allocation="energy")
    again = Placement.model_validate_json(placement.model_dump_json())
    assert again == placement and again.signature == placement.signature
    assert isinstance(again.modules[0], PlacedModule)


def test_placements_of_a_real_probe(tiny_folder, task_file):
    energy = domlora.probe(domlora.load_model(str(tiny_folder)), domlora.load_task(str(task_file)), samples=2)
    placement = domlora.place(energy, "dominant")
    assert names_of(placement) == [energy.dominant["module"]]
    assert isinstance(placement, domlora.Placement)
