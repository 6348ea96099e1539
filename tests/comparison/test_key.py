"""The key of a comparison: what decides its numbers, and nothing else."""

from __future__ import annotations

from domlora.comparison.config import SweepConfig
from domlora.comparison.key import sweep_key
from domlora.energy.key import request_key
from domlora.placements.placement import PlacedModule, Placement
from domlora.probes.config import ProbeConfig
from tests.helpers.runs import CONFIG, DOMINANT, QV, placed


def test_key_of_a_comparison_follows_all_that_decides_its_numbers():
    probe = ProbeConfig()
    key = sweep_key("abc", "def", CONFIG, [DOMINANT, QV], probe)
    assert key == sweep_key("abc", "def", CONFIG.model_copy(), (DOMINANT, QV), probe)
    others = [
        sweep_key("abd", "def", CONFIG, [DOMINANT, QV], probe),
        sweep_key("abc", "deg", CONFIG, [DOMINANT, QV], probe),
        sweep_key("abc", "def", CONFIG.model_copy(update={"steps": 61}), [DOMINANT, QV], probe),
        sweep_key("abc", "def", CONFIG, [DOMINANT.model_copy(update={"modules": (placed("down", 1),)}), QV], probe),
        sweep_key("abc", "def", CONFIG, [DOMINANT, QV], ProbeConfig(samples=5)),
        request_key("abc", "def", probe),
    ]
    assert len({key, *others}) == 7 and all(len(other) == 64 for other in others)


def test_how_energies_are_measured_while_training_is_in_the_key_only_where_they_are():
    """The literal was computed with `SWEEP_VERSION` 2."""
    module = PlacedModule(
        module="model.layers.0.mlp.down_proj", stack="decoder", layer=0, kind="down", in_features=64, out_features=32,
        rank=8,
    )  # fmt: skip
    placements = [Placement(name="dominant", modules=(module,), rank=8, alpha=16)]
    key = sweep_key("abc", "def", SweepConfig(), placements, ProbeConfig())
    assert key == "51fc8d21d411bd61d15e50fb3aec11a4b3902f5f46056a78a84b86ceb3e61e59"
    assert key == sweep_key("abc", "def", SweepConfig(energy_samples=4), placements, ProbeConfig())
    asked = [SweepConfig(energy_every=2), SweepConfig(energy_every=3), SweepConfig(energy_every=2, energy_samples=4)]
    assert len({key, *(sweep_key("abc", "def", one, placements, ProbeConfig()) for one in asked)}) == 4


def test_the_alpha_of_rslora_counts_where_rslora_is_trained():
    probe = ProbeConfig()
    rooted = [placement.model_copy(update={"root_alpha": 32.0}) for placement in (DOMINANT, QV)]
    same = [placement.model_copy(update={"root_alpha": placement.alpha}) for placement in (DOMINANT, QV)]
    for methods, counts in ((("lora",), False), (("lora", "rslora"), True)):
        config = CONFIG.model_copy(update={"methods": methods})
        key = sweep_key("abc", "def", config, (DOMINANT, QV), probe)
        assert sweep_key("abc", "def", config, same, probe) == key
        assert (sweep_key("abc", "def", config, rooted, probe) != key) == counts
