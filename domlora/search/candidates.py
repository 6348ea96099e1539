"""Which placements race: the first picks of each probe, what people commonly adapt, and random ones to beat.

In: maps of several probes of one model and task. Out: candidates, the most telling first, with the reason for each;
what could not be one, and why. A budget is kept by lower ranks. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from domlora.comparison.placements import check_trainable
from domlora.energy.energy_map import EnergyMap
from domlora.errors import PlacementError
from domlora.placements.place import place_all, refused, short_name
from domlora.placements.placement import Placement
from domlora.probes.config import ProbeConfig, ProbeName
from domlora.probes.registry import PROBES
from domlora.search.config import FindConfig

# Measured in one pass that costs little more than PAGE alone; the others take a pass, or a decomposition, each.
CHEAP: tuple[ProbeName, ...] = (
    "page", "page-no-first", "gradient-norm", "fisher", "saliency", "activation-norm", "plop", "weight-norm",
)  # fmt: skip
# What people adapt without measuring anything, and what it is; the first two are told most by.
COMMON = {
    "all-linear": "vanilla LoRA",
    "qv": "query and value, as in the LoRA paper",
    "attention": "all attention projections",
    "mlp": "all MLP projections",
    "o": "attention's output projection in all layers",
    "down": "the down projection in all layers",
    "gate": "the gate projection in all layers",
    "up": "the up projection in all layers",
    "q": "the query projection in all layers",
    "v": "the value projection in all layers",
}
RANDOM = 2  # single modules of the dominant one's size
FIRST = 4  # candidates before those: the dominant module, `all-linear`, `qv`, PAGE's first modules


@dataclass(frozen=True)
class Candidate:
    """A placement that takes part.

    Attributes:
        why: what proposes it, in words: `PAGE's first module`.
        probes: those whose pick it is.
        control: it is random, and there to be beaten.
    """

    placement: Placement
    why: tuple[str, ...]
    probes: tuple[ProbeName, ...] = ()
    control: bool = False

    @property
    def name(self) -> str:
        return self.placement.name


@dataclass(frozen=True)
class Proposed:
    """All that take part, and what does not.

    Attributes:
        everywhere: trainable parameters of all linear modules at the full rank, whether that takes part or not.
        left_out: what could not take part -> why.
    """

    candidates: tuple[Candidate, ...]
    everywhere: int
    left_out: Mapping[str, str]


def probe_configs(config: FindConfig, samples: int) -> tuple[ProbeConfig, ...]:
    """What is measured before anything is proposed, in one pass over so many samples."""
    training = config.training
    return tuple(
        ProbeConfig(probe=name, samples=samples, max_length=training.max_length, dtype=training.dtype) for name in CHEAP
    )


def propose(maps: Mapping[ProbeName, EnergyMap], config: FindConfig) -> Proposed:
    """Proposes candidates; of two that train the same modules the first stays, with the reasons of both.

    Args:
        maps: that of `page` among them, in the order in which probes are to have their say.

    Raises:
        PlacementError: nothing fits: the budget is below rank 1 of the smallest module, or nothing can be trained.
    """
    page, seed = maps["page"], config.training.data_seed
    found: dict[frozenset[str], Candidate] = {}
    left_out: dict[str, str] = {}

    def add(energy: EnergyMap, name: str, why: str, *, called: str | None = None, probe: ProbeName | None = None,
            control: bool = False) -> None:  # fmt: skip
        try:
            held = {p.modules[0].module for p in (c.placement for c in found.values()) if len(p.modules) == 1}
            placements = [
                _within(energy, one, config)
                for one in place_all(energy, [name], rank=1, alpha=2, seed=seed, trainable=True, held=held)
            ]
        except PlacementError as error:
            left_out.setdefault(called or name, str(error).removeprefix(f"{name}: "))
            return
        for placement in placements:
            modules = frozenset(module.module for module in placement.modules)
            one = placement.model_copy(update={"name": called}) if called else placement
            known = found.get(modules)
            probes = (probe,) if probe else ()
            if known is None:
                found[modules] = Candidate(one, (why,), probes, control)
            elif not control:
                found[modules] = replace(
                    known, why=(*known.why, why), probes=tuple(dict.fromkeys((*known.probes, *probes)))
                )

    add(page, "dominant", "PAGE's first module (DomLoRA)", probe="page")
    common = list(COMMON.items())
    for name, words in common[:2]:
        add(page, name, words)
    several = min(page.provenance.layers, max(len(page.modules) // 4, 2))
    add(page, f"top-k:{several}", f"PAGE's first {several} modules", probe="page")
    for name, words in common[2:6]:
        add(page, name, words)
    for probe, energy in maps.items():
        if probe != "page":
            title = PROBES[probe].title
            first = short_name(energy, str(energy.dominant["module"]))
            add(energy, first, f"{title}'s first module", probe=probe)
    add(page, "top-share:0.5", "the fewest modules with half of PAGE's energy", probe="page")
    for probe, energy in maps.items():
        if probe != "page":
            why = f"{PROBES[probe].title}'s first {several} modules"
            add(energy, f"top-k:{several}", why, called=f"top-{several}:{probe}", probe=probe)
    for name, words in common[6:]:
        add(page, name, words)
    # Last, so that none is what a probe has picked.
    add(page, f"random:{RANDOM}", "random, of the dominant module's size", control=True)
    if not found:
        raise PlacementError(f"{next(iter(left_out))}: {next(iter(left_out.values()))}")
    everywhere = place_all(page, ["all-linear"], rank=1, trainable=True)[0].trainable_parameters * config.training.rank
    real = [candidate for candidate in found.values() if not candidate.control]
    random = [candidate for candidate in found.values() if candidate.control]
    return Proposed((*real[:FIRST], *random, *real[FIRST:]), everywhere, left_out)


def _within(energy: EnergyMap, placement: Placement, config: FindConfig) -> Placement:
    """At the highest rank that its modules, the settings and the budget allow, with the scale alpha / rank unchanged.

    Args:
        placement: at rank 1.

    Raises:
        PlacementError: the budget is below rank 1, or a comparison cannot train it.
    """
    check_trainable(placement)
    if lost := [module.module for module in placement.modules if refused(energy, module.kind)]:
        raise PlacementError(f"it holds {lost[0]}, which PEFT refuses in this architecture")
    smallest = placement.trainable_parameters
    rank = min(config.training.rank, *(min(m.in_features, m.out_features) for m in placement.modules))
    if config.parameters is not None:
        rank = min(rank, config.parameters // smallest)
    if rank < 1:
        raise PlacementError(
            f"at rank 1 it has {smallest:,} trainable parameters, above the {config.parameters:,} allowed"
        )
    return placement.at_rank(rank, config.training.alpha * rank / config.training.rank)


def candidate_json(candidate: Candidate) -> dict[str, Any]:
    """A candidate but for its placement, which its run keeps."""
    return {
        "name": candidate.name,
        "why": list(candidate.why),
        "probes": list(candidate.probes),
        "control": candidate.control,
    }


def candidate_of(made: Mapping[str, Any], placement: Placement) -> Candidate:
    """What `candidate_json` gave, with its placement."""
    return Candidate(placement, tuple(made["why"]), tuple(made["probes"]), made["control"])
