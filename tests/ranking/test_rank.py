"""Which probe to trust: simulated runs whose truth is known, brute force, and what a ranking must not claim."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from domlora.comparison.run import Run, Variant
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError, UsageError
from domlora.placements.placement import Placement
from domlora.probes.config import Trained
from domlora.ranking import metrics
from domlora.ranking.rank import fitting, qualifies, rank
from domlora.ranking.result import CHANCE
from tests.helpers.ranked import GAINS, ROWS, scored, world


def row(found, probe) -> pd.Series:
    return found.table.set_index("probe").loc[probe]


# --- what must come out ----------------------------------------------------------------------------------------------


def test_a_perfect_probe_has_rho_1_no_regret_and_all_hits():
    run, evaluations = world(GAINS)
    found = rank(run, evaluations, [scored(run, np.exp(GAINS))])
    page = row(found, "page")
    assert page["rho"] == pytest.approx(1, abs=0.002)
    assert page["low"] > 0.97
    assert page["within"] == pytest.approx(1, abs=0.01)
    assert page["regret"] == pytest.approx(0, abs=1e-9)
    assert page["hits"] == 1
    assert page["pick"] == found.best == run.placements[int(GAINS.argmax())].name
    assert (page["pick_rank"], page["verdict"]) == (1, "better than chance")
    assert found.ceiling == pytest.approx(1, abs=0.01)
    assert "PAGE (rho 1.00) orders modules better than chance on these 30 modules." in found.sentence
    assert "Neither the size nor the depth of a module says more than chance does." in found.sentence


def test_random_scores_are_told_apart_from_chance_only_as_often_as_the_level_allows():
    run, evaluations = world(GAINS, noise=0.05)
    generator = np.random.default_rng(0)
    covered = told = 0
    for _ in range(60):
        found = rank(run, evaluations, [scored(run, generator.random(30))])
        page = row(found, "page")
        covered += page["low"] <= 0 <= page["high"]
        told += page["verdict"] != CHANCE
    assert covered >= 53  # 57 expected of 60; fewer than 53 has a probability of about 2 %
    assert told == 60 - covered  # one probe: its interval alone is the interval for all at once


def test_a_probe_of_noise_says_so_in_words():
    run, evaluations = world(GAINS)
    noise = np.random.default_rng(1).random(30)
    found = rank(run, evaluations, [scored(run, noise), scored(run, -noise, "fisher")])
    assert "No probe is told apart from chance on these 30 modules" in found.sentence


@pytest.fixture(scope="module")
def borderline():
    """A probe whose own 95 % interval of rho is just above zero: ranked alone, and among seven of noise."""
    run, evaluations = world(GAINS)
    generator = np.random.default_rng(1)
    page = scored(run, GAINS + generator.normal(0, 1.5, 30))
    others = ("page-no-first", "gradient-norm", "fisher", "saliency", "activation-norm", "weight-norm", "spectral")
    noise = [scored(run, generator.random(30), name) for name in others]
    alone, among = (rank(run, evaluations, maps) for maps in ([page], [page, *noise]))
    assert row(alone, "page")["low"] == row(among, "page")["low"] > 0
    return alone, among


def test_the_more_probes_are_tried_the_more_it_takes_to_be_told_apart_from_chance(borderline):
    alone, among = (row(found, "page")["verdict"] for found in borderline)
    assert (alone, among) == ("better than chance", CHANCE)


def test_the_lead_over_a_trivial_rule_counts_all_probes_that_were_tried(borderline):
    (rule, alone), (same_rule, among) = (found.baseline_lead for found in borderline)
    assert rule == same_rule
    assert alone["page"][0] == among["page"][0]
    assert among["page"][1] < 0 < alone["page"][1]
    assert among["page"][2] > alone["page"][2]


def test_prefers_turns_the_scores_of_probes_that_like_them_low():
    run, evaluations = world(GAINS)
    found = rank(run, evaluations, [scored(run, -GAINS, "plop"), scored(run, -GAINS, "page")])
    assert row(found, "plop")["rho"] == pytest.approx(1, abs=0.002)
    assert row(found, "page")["rho"] == pytest.approx(-1, abs=0.002)
    assert row(found, "plop")["pick"] == found.best
    assert row(found, "page")["verdict"] == "worse than chance"
    assert found.scores["plop"].to_numpy() == pytest.approx(found.scores["page"].to_numpy())  # kept as they were given


def test_rho_is_spearmans_of_scipy_with_ties():
    scores = np.round(np.random.default_rng(2).random(30), 1)
    run, evaluations = world(GAINS, noise=0.3)
    found = rank(run, evaluations, [scored(run, scores)])
    gains = found.modules.set_index("placement")["improvement"].loc[[p.name for p in run.placements]]
    assert row(found, "page")["rho"] == pytest.approx(stats.spearmanr(scores, gains).statistic)
    base = np.mean(evaluations[0].losses)
    by_hand = {e.variant.split(" ")[0]: base - np.mean(e.losses) for e in evaluations[1:]}
    assert gains.to_dict() == pytest.approx(by_hand)


def test_rho_within_kinds_is_the_correlation_of_ranks_without_kind_means():
    scores, gains = np.random.default_rng(4).random((2, 30))
    kinds = np.arange(30) % 5
    frame = pd.DataFrame({"s": stats.rankdata(scores), "g": stats.rankdata(gains), "k": kinds})
    free = frame[["s", "g"]] - frame.groupby("k")[["s", "g"]].transform("mean")
    found = metrics.jackknife(scores[None], gains, kinds, within=True).value[0]
    assert found == pytest.approx(stats.pearsonr(free["s"], free["g"])[0])


def test_a_probe_that_knows_only_the_kind_is_good_overall_and_useless_within():
    kind_gains = np.tile([0.2, 0.1, 0.3, 0.8, 0.9], 6) + np.random.default_rng(0).normal(0, 0.02, 30)
    run, evaluations = world(kind_gains)
    found = rank(run, evaluations, [scored(run, np.tile([2.0, 1, 3, 4, 5], 6))])
    assert row(found, "page")["rho"] > 0.9
    assert math.isnan(row(found, "page")["within"]) and math.isnan(row(found, "page")["within_low"])
    assert row(found, "size")["rho"] > 0.7
    assert found.baseline_lead[0] == "size"
    assert "PAGE is above taking the largest module first" in found.sentence
    others = rank(run, evaluations, [scored(run, np.tile([1.0, 2, 3, 4, 4], 6))])
    assert "No probe is above the best trivial rule, taking the largest module first" in others.sentence


def test_jackknife_agrees_with_a_plain_loop():
    generator = np.random.default_rng(8)
    scores, gains, kinds = generator.random((3, 12)), generator.random(12), np.arange(12) % 3
    scores[1] = np.round(scores[1], 1)
    plain, within = (metrics.jackknife(scores, gains, kinds, within=only) for only in (False, True))
    for i in range(12):
        rest = np.delete(np.arange(12), i)
        for p in range(3):
            own, others = scores[p][rest], gains[rest]
            assert plain.without[i, p] == pytest.approx(stats.spearmanr(own, others).statistic)
            frame = pd.DataFrame({"s": stats.rankdata(own), "g": stats.rankdata(others), "k": kinds[rest]})
            free = frame[["s", "g"]] - frame.groupby("k")[["s", "g"]].transform("mean")
            assert within.without[i, p] == pytest.approx(np.corrcoef(free["s"], free["g"])[0, 1])


@pytest.mark.parametrize("modules, of_seeds, noise", [(10, 0, 1.0), (37, 2.0, 1.0), (10, 0, 0.1), (37, 0, 0.1)])
@pytest.mark.parametrize("r", [0.0, 0.8])
def test_interval_of_rho_covers_what_other_modules_would_show(modules, of_seeds, noise, r):
    """The truth is the rho of normal variables of which one is measured with noise."""
    random, held = np.random.default_rng(modules), []
    measured = r / np.sqrt(1 + noise**2 * (1 + of_seeds**2))
    truth = 6 / np.pi * np.arcsin(measured / 2)
    for _ in range(200):
        gains = random.normal(size=modules)
        scores = r * gains + np.sqrt(1 - r**2) * random.normal(size=modules)
        gains = gains + noise * random.normal(size=modules) + noise * of_seeds * random.normal(size=modules)
        low, high = metrics.jackknife(scores[None], gains, np.zeros(modules)).interval()
        held.append(low[0] <= truth <= high[0])
    assert np.mean(held) >= 0.92


def test_a_small_sample_in_perfect_order_is_not_taken_for_certainty():
    low, high = metrics.jackknife(np.arange(5.0)[None], np.arange(5.0), np.zeros(5)).interval()
    assert low[0] < 0.5
    assert high[0] == 1
    constant = metrics.jackknife(np.zeros((1, 5)), np.arange(5.0), np.zeros(5)).interval()
    assert (constant[0][0], constant[1][0]) == (0, 0)


def test_the_lead_of_one_probe_over_another_covers():
    random, held = np.random.default_rng(0), []
    for _ in range(200):
        gains = random.normal(size=20)
        scores = 0.7 * gains + np.sqrt(1 - 0.49) * random.normal(size=(2, 20))  # both are as good
        _, low, high = metrics.jackknife(scores, gains, np.zeros(20)).above(0, 1)
        held.append(low <= 0 <= high)
    assert np.mean(held) >= 0.92


# --- regret and hits --------------------------------------------------------------------------------------------------


def test_regret_is_the_loss_of_the_pick_beside_the_best():
    run, evaluations = world(GAINS)
    scores = np.zeros(30)
    worst = int(GAINS.argmin())
    scores[worst] = 1
    page = row(rank(run, evaluations, [scored(run, scores)]), "page")
    assert page["regret"] == pytest.approx(1.4, abs=0.02)
    assert page["regret_low"] < 1.4 < page["regret_high"]
    assert (page["pick"], page["pick_rank"]) == (run.placements[worst].name, 30)


def regret(scores, losses, seed):
    return (metrics.regret_weights(scores, losses, seed) * losses).sum(axis=1)


@pytest.mark.parametrize("seeds, of_seeds", [(1, 0.0), (2, 0.3)])
def test_regret_is_not_inflated_by_choosing_and_judging_on_the_same_rows_or_seeds(seeds, of_seeds):
    """All modules are truly alike: nothing is lost by any pick, though the best found always looks better."""
    crossed, naive = [], []
    for trial in range(60):
        random = np.random.default_rng(trial)
        losses = random.normal(1.0, 0.5, (30, seeds, ROWS)) + of_seeds * random.normal(size=(30, seeds, 1))
        scores = np.zeros((1, 30))
        scores[0, 7] = 1
        crossed.append(regret(scores, losses, seed=0).mean())
        naive.append((losses[7] - losses[losses.mean(axis=(1, 2)).argmin()]).mean())
    assert np.mean(naive) > 0.12
    assert abs(np.mean(crossed)) < (0.1 if of_seeds else 0.04)


def test_regret_against_a_plain_loop():
    losses = np.random.default_rng(0).random((4, 2, 9))
    scores = np.array([[0, 3, 1, 2], [1, 1, 0, 0.0]])
    found = regret(scores, losses, seed=5)
    total, count = np.zeros((2, 9)), np.zeros(9)
    generator = np.random.default_rng(5)
    for _ in range(metrics.HALVINGS):
        order = generator.permutation(9)
        for on, judged in ((order[:4], order[4:]), (order[4:], order[:4])):
            for s in range(2):
                best = min(range(4), key=lambda m, on=on, s=s: losses[m, 1 - s, on].mean())
                total[s, judged] += losses[best, s, judged]
            count[judged] += 1
    assert found[0] == pytest.approx(losses[1] - total / count)
    assert found[1] == pytest.approx((losses[0] + losses[1]) / 2 - total / count)  # two share the first place


def test_a_random_module_loses_the_mean_over_modules_and_hits_by_chance():
    run, evaluations = world(GAINS)
    random = row(rank(run, evaluations, [scored(run, GAINS)]), "random")
    assert random["regret"] == pytest.approx(GAINS.max() - GAINS.mean(), abs=0.01)
    assert random["hits"] == pytest.approx(5 / 30)
    assert (random["rho"], random["picked"], random["pick_rank"]) == (0, 30, 15.5)


@pytest.mark.parametrize(
    ("scores", "hits"), [([4, 3, 2, 1], 1), ([1, 2, 3, 4], 0), ([1, 1, 1, 1], 0.5), ([2, 1, 1, 1], 2 / 3)]
)
def test_hit_rate_shares_tied_places(scores, hits):
    found = metrics.hit_rate(np.array(scores, dtype=float), np.array([9.0, 8, 2, 1]), 2)
    assert found == pytest.approx(hits)


def test_ceiling_tells_how_much_of_the_order_is_noise():
    generator = np.random.default_rng(0)
    truth = generator.normal(0, 1, 60)
    sure = truth[:, None] + generator.normal(0, 0.1, (60, 40))
    weak = truth[:, None] + generator.normal(0, 6.0, (60, 40))
    assert metrics.ceiling(sure, 0) > 0.99
    measured = stats.spearmanr(truth, weak.mean(axis=1)).statistic  # what a probe that knows the truth reaches
    assert metrics.ceiling(weak, 0) == pytest.approx(measured, abs=0.12)
    assert metrics.ceiling(generator.normal(0, 1, (60, 40)), 0) < 0.5
    assert math.isnan(metrics.ceiling(weak[:, :3], 0))


# --- which variants count ---------------------------------------------------------------------------------------------


def test_each_module_counts_at_its_best_rate_on_validation_rows():
    better = {i: 1e-2 if i % 2 else 1e-3 for i in range(30)}
    run, evaluations = world(
        GAINS, rates=(1e-3, 1e-2), validation=lambda i, rate: GAINS[i] if rate == better[i] else GAINS[i] / 10
    )
    found = rank(run, evaluations, [scored(run, GAINS)])
    chosen = found.modules.set_index("placement")["learning_rate"]
    assert [chosen[p.name] for p in run.placements] == [better[i] for i in range(30)]
    assert row(found, "page")["rho"] > 0.99
    assert found.modules["improvement"].max() == pytest.approx(GAINS.max() / 2, abs=0.01)


def test_seeds_are_averaged_and_a_missing_one_leaves_the_module_in():
    run, evaluations = world(GAINS, seeds=2)
    whole = rank(run, evaluations, [scored(run, GAINS)])
    assert whole.seeds == 2
    lost = run.variants[3].name
    variants = tuple(v if v.name != lost else Variant(**{**vars(v), "status": "diverged"}) for v in run.variants)
    run = Run(**{**vars(run), "variants": variants})
    found = rank(run, [e for e in evaluations if e.variant != lost], [scored(run, GAINS)])
    assert len(found.modules) == 30
    assert found.seeds == 1  # the mean over the seeds that each has
    assert found.modules.set_index("placement").loc[run.placements[1].name, "seeds"] == 1
    assert row(found, "page")["rho"] == pytest.approx(1, abs=0.01)


def test_modules_without_a_result_and_groups_are_left_out_by_name():
    run, evaluations = world(GAINS)
    lost = run.variants[0].name
    group = Placement(
        name="both", modules=(run.placements[0].modules[0], run.placements[1].modules[0]), rank=2, alpha=4
    )
    variants = tuple(v if v.name != lost else Variant(**{**vars(v), "status": "diverged"}) for v in run.variants)
    run = Run(**{**vars(run), "variants": variants, "placements": (*run.placements, group)})
    maps = [scored(world(GAINS)[0], GAINS)]
    found = rank(run, evaluations, maps)
    assert len(found.modules) == 29
    assert found.left_out == {"q@0": "nothing finished: 1 diverged", "both": "more than one module"}
    assert "q@0 is left out: nothing finished: 1 diverged" in found.warnings


def test_a_probe_that_lacks_a_module_is_left_out_with_the_reason():
    run, evaluations = world(GAINS)
    short = scored(run, GAINS, "plop")
    short = EnergyMap(short.modules.iloc[2:].reset_index(drop=True), short.provenance)
    found = rank(run, evaluations, [scored(run, GAINS), short])
    assert "plop" not in set(found.table["probe"])
    assert found.left_out == {"plop": "no score of 2 of the 30 modules"}
    with pytest.raises(UsageError, match="no probe has scored the modules of run r1: plop: no score of 2"):
        rank(run, evaluations, [short])


def test_one_row_gives_numbers_without_intervals():
    run, evaluations = world(GAINS, rows=1)
    found = rank(run, evaluations, [scored(run, GAINS)])
    assert row(found, "page")["rho"] == pytest.approx(1, abs=0.02)
    assert math.isnan(row(found, "page")["low"]) and math.isnan(row(found, "page")["regret_low"])
    assert found.sentence.startswith("One row gives no interval")


# --- errors and words -------------------------------------------------------------------------------------------------


def test_too_few_modules_are_one_clear_line():
    run, evaluations = world(GAINS[:4])
    with pytest.raises(
        UsageError, match="run r1 has 4 single modules with a result, and to rank probes takes 5: train"
    ):
        rank(run, evaluations, [scored(run, GAINS[:4])])


def test_maps_of_something_else_are_refused():
    run, evaluations = world(GAINS)
    with pytest.raises(UsageError, match="is of tiny on math, run r1 of tiny on math"):
        rank(run, evaluations, [scored(run, GAINS, model_revision="other")])
    with pytest.raises(UsageError, match="two maps of probe page"):
        rank(run, evaluations, [scored(run, GAINS)] * 2)
    with pytest.raises(UsageError, match="measure some with `domlora probe`"):
        rank(run, evaluations, [])
    with pytest.raises(DomLoRAError, match="lacks the base model's loss on the test rows"):
        rank(run, evaluations[1:], [scored(run, GAINS)])


def test_cost_is_relative_to_page():
    run, evaluations = world(GAINS)
    maps = [scored(run, GAINS, seconds=4.0), scored(run, GAINS, "weight-norm", seconds=1.0)]
    found = rank(run, evaluations, maps)
    assert (row(found, "weight-norm")["seconds"], row(found, "weight-norm")["relative_cost"]) == (1.0, 0.25)
    assert math.isnan(row(rank(run, evaluations, maps[1:]), "weight-norm")["relative_cost"])
    maps = [*maps, scored(run, GAINS, "fisher", seconds=9.0, notes={"shared_pass": ["fisher", "plop"]})]
    found = rank(run, evaluations, maps)
    assert math.isnan(row(found, "fisher")["relative_cost"])  # PAGE was measured alone
    assert row(found, "weight-norm")["relative_cost"] == 0.25


def test_what_makes_the_evidence_weak_is_said():
    run, evaluations = world(GAINS[:10], noise=3.0, rates=(1e-3,))
    found = rank(run, evaluations, [scored(run, GAINS[:10])])
    said = " ".join(found.warnings)
    for words in (
        "10 modules are few",
        "is itself uncertain",
        "adapters differ in size",
        "one learning rate",
        "one seed",
    ):
        assert words in said
    run, evaluations = world(np.linspace(-0.5, 0.1, 30))
    found = rank(run, evaluations, [scored(run, GAINS)])
    assert "5 of 30 adapters improve the loss beyond their interval" in " ".join(found.warnings)
    run, evaluations = world(GAINS, rates=(1e-3, 1e-2))
    said = " ".join(rank(run, evaluations, [scored(run, GAINS)]).warnings)
    assert "rate tried is the best of" in said
    assert "adapters improve the loss beyond their interval" not in said


def test_json_is_complete_and_has_no_nan():
    run, evaluations = world(GAINS)
    found = rank(run, evaluations, [scored(run, GAINS), scored(run, GAINS, "interference")])
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {p["probe"] for p in data["probes"]} == {"page", "interference with chat", "random", "size", "depth"}
    assert len(data["modules"]) == 30
    assert data["scores"]["page"][found.modules["module"].iloc[0]] == pytest.approx(GAINS.max())
    assert data["sentence"] == found.sentence


def test_runs_that_qualify_and_maps_that_fit():
    run, _ = world(GAINS[:5])
    assert qualifies(run)
    assert not qualifies(world(GAINS[:4])[0])
    assert not qualifies(Run(**{**vars(run), "status": "running"}))

    class Summary:
        def __init__(self, **facts):
            self.__dict__ |= {
                "id": "a", "model_revision": "r", "task_hash": "t", "probe": "page", "against": None, "trained": None,
                "samples": 32, "created": datetime(2026, 1, 1, tzinfo=UTC),
            } | facts  # fmt: skip

    listed = [
        Summary(id="few", samples=8), Summary(id="new", created=datetime(2026, 1, 2, tzinfo=UTC)), Summary(id="old"),
        Summary(id="other", model_revision="x"), Summary(id="task", task_hash="x"), Summary(id="plop", probe="plop"),
        Summary(id="while", samples=99, trained=Trained(run="r", variant="v", step=1)),
        Summary(id="chat", probe="interference", against="chat"),
        Summary(id="code", probe="interference", against="code"),
    ]  # fmt: skip
    assert [m.id for m in fitting(run, listed)] == ["new", "plop", "chat", "code"]
