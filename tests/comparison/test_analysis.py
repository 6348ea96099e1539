"""The rules of a comparison: rates chosen on validation rows, judged on test rows, paired, and never overclaimed."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from domlora.comparison.analysis import compare_run
from domlora.comparison.config import SweepConfig, variant_name
from domlora.comparison.result import BASELINE, BETTER, SAME, UNKNOWN, WORSE
from domlora.comparison.run import Evaluation, Run, Variant
from domlora.errors import DomLoRAError, UsageError

ROWS = 60
EASE = np.random.default_rng(0).normal(2.0, 0.5, ROWS)  # how hard each test row is, the same for everyone
BASE_LOSS = 1.0  # above what a contestant with level 0 reaches


class World:
    """Builds a run variant by variant, with the row losses that its evaluations hold."""

    def __init__(self, seeds=2, noise=0.02, run_status="done"):
        self.seeds, self.noise, self.run_status = seeds, noise, run_status
        self.random = np.random.default_rng(7)
        self.variants: list[Variant] = []
        self.evaluations = [self.evaluation("base", "test", BASE_LOSS), self.evaluation("base", "validation", 1.0)]

    def evaluation(self, variant, part, level):
        losses = EASE + level + self.random.normal(0, self.noise, ROWS)
        return Evaluation(variant, part, tuple(losses), tuple(np.clip(1 - losses / 6, 0, 1)))

    def add(self, placement, level, *, rate=1e-3, validation=None, parameters=1000, method="lora", status=None,
            results=None, parts=("validation", "test")):  # fmt: skip
        """One variant a seed; `level` is its test loss (one number, or one a seed) above what the rows add."""
        for seed in range(self.seeds):
            own = level[seed] if isinstance(level, list | tuple) else level
            ended = status[seed] if isinstance(status, list | tuple) else status or "done"
            name = variant_name(placement, method, rate, seed)
            on_validation = own if validation is None else validation
            found = {"eval_loss_before": 3.0, "eval_loss_after": 2.0 + on_validation} if ended == "done" else {}
            self.variants.append(
                Variant(name, placement, method, rate, seed, parameters, 1, ended, None, found | (results or {}))
            )
            if ended == "done":
                levels = {"validation": on_validation, "test": own}
                self.evaluations += [self.evaluation(name, part, levels.get(part, own)) for part in parts]
        return self

    def compare(self, **settings):
        names = tuple(dict.fromkeys(variant.placement for variant in self.variants)) or ("dominant",)
        run = Run(
            "r1", "key", "tiny", "folder", "1", "math", "built-in", "hash",
            SweepConfig(placements=names, seeds=self.seeds, rate_seeds=0), (), datetime(2026, 1, 1, tzinfo=UTC),
            self.run_status,
            variants=tuple(self.variants),
        )  # fmt: skip
        return compare_run(run, self.evaluations, **settings)


def sentences(text):
    return [part for part in text.replace(". ", ".\n").split("\n") if part]


def test_rate_is_chosen_on_validation_rows_though_test_rows_prefer_another():
    world = World()
    world.add("dominant", 0.5, rate=1e-3, validation=0.1).add("dominant", 0.1, rate=1e-2, validation=0.5)
    row = world.compare().table.loc["dominant"]
    assert row["learning_rate"] == 1e-3
    assert row["loss"] == pytest.approx(EASE.mean() + 0.5, abs=0.02)


def test_reported_numbers_are_plain_means_over_rows_and_seeds():
    world = World().add("qv", (0.1, 0.3), parameters=5000)
    comparison = world.compare()
    own = [e for e in world.evaluations if e.variant.startswith("qv") and e.part == "test"]
    base = next(e for e in world.evaluations if e.variant == "base" and e.part == "test")
    row = comparison.table.loc["qv"]
    assert row["loss"] == pytest.approx(np.mean([e.losses for e in own]))
    assert row["accuracy"] == pytest.approx(np.mean([e.accuracies for e in own]))
    assert row["loss_before"] == pytest.approx(np.mean(base.losses))
    assert row["change"] == pytest.approx(row["loss"] - row["loss_before"])
    assert (row["seeds"], row["trainable_parameters"], row["modules"]) == (2, 5000, 1)
    assert row["low"] < row["loss"] < row["high"]


def test_validation_rows_are_the_fallback_and_said_so():
    comparison = World().add("qv", 0.1, parts=("validation",)).add("o", 0.3, parts=("validation",)).compare()
    assert comparison.part == "validation"
    assert comparison.best == "qv"
    assert "ithout test evaluations" in comparison.conclusion


def test_pairing_makes_a_small_constant_difference_certain():
    comparison = World().add("all-linear", 0.0, parameters=9000).add("dominant", 0.1).compare()
    row = comparison.table.loc["dominant"]
    assert row["verdict"] == WORSE
    assert row["difference"] == pytest.approx(0.1, abs=0.02)
    assert 0 < row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["better_probability"] < 0.01
    assert row["high"] - row["low"] > 3 * (row["difference_high"] - row["difference_low"])


def test_baseline_is_all_linear_else_the_largest_else_the_one_asked_for():
    world = World().add("dominant", 0.1).add("all-linear", 0.0, parameters=10)
    assert world.compare().baseline == "all-linear"
    assert World().add("dominant", 0.1).add("qv", 0.0, parameters=5000).compare().baseline == "qv"
    asked = world.compare(baseline="dominant").table
    assert asked.loc["dominant", "verdict"] == BASELINE
    assert asked.loc["all-linear", "verdict"] == BETTER
    with pytest.raises(UsageError, match="dominant, all-linear"):
        world.compare(baseline="mlp")


def test_difference_turns_its_sign_with_the_order():
    comparison = World().add("a", 0.0).add("b", 0.2).compare()
    one, other = comparison.difference("a", "b"), comparison.difference("b", "a")
    assert one[0] < 0
    assert other == pytest.approx((-one[0], -one[2], -one[1], 1 - one[3]))


def test_equal_contestants_are_not_told_apart_in_words_either():
    comparison = World(noise=0.3).add("qv", 0.0, parameters=9000).add("dominant", 0.01).compare()
    assert set(comparison.table["verdict"]) == {BASELINE, SAME}
    assert "not told apart" in comparison.conclusion
    assert "dominant has the fewest parameters: 1,000 trainable parameters, 11 % of qv's" in comparison.conclusion


def test_a_clear_leader_is_named_with_gap_interval_and_parameters():
    comparison = World().add("all-linear", 0.5, parameters=100_000).add("qv", 0.3).add("dominant", 0.0).compare()
    first = sentences(comparison.conclusion)[0]
    assert comparison.best == "dominant"
    assert "The lowest test loss is dominant's" in first
    gap = comparison.difference("qv", "dominant")[0]
    assert gap == pytest.approx(0.3, abs=0.02)
    assert f"it leads qv, the next, by {gap:.3f} (95 % interval" in first
    assert "holds for all 3 pairs at once" in first
    assert "1,000 trainable parameters, 1 % of all-linear's" in first
    assert 1 <= len(sentences(comparison.conclusion)) <= 4


def test_a_leader_that_does_not_beat_the_base_model_is_not_praised():
    conclusion = World().add("qv", BASE_LOSS + 0.2).add("o", BASE_LOSS + 0.4).compare().conclusion
    assert "not below the base model's" in conclusion


def test_noise_between_seeds_widens_the_interval_of_a_difference():
    steady = World().add("qv", (0.0, 0.0)).add("o", (0.2, 0.2)).compare(baseline="qv").table.loc["o"]
    shaky = World().add("qv", (0.0, 0.0)).add("o", (0.0, 0.4)).compare(baseline="qv").table.loc["o"]
    assert steady["verdict"] == WORSE
    assert shaky["verdict"] == SAME


def test_one_seed_gives_intervals_over_rows_and_says_what_they_leave_out():
    comparison = World(seeds=1).add("qv", 0.0).add("o", 0.3).compare()
    row = comparison.table.loc["o"]
    assert (row["seeds"], row["verdict"]) == (1, WORSE)
    assert row["difference_low"] < row["difference_high"]
    assert "say nothing about other starts of the adapter" in comparison.conclusion


def test_a_rate_that_lost_a_seed_is_not_chosen_while_another_is_complete():
    world = World().add("qv", 0.3, rate=1e-3).add("qv", 0.0, rate=1e-2, status=["done", "diverged"])
    comparison = world.compare()
    row = comparison.table.loc["qv"]
    assert (row["learning_rate"], row["status"], row["seeds"]) == (1e-3, "done", 2)
    assert "rate 0.01 left out, though lower so far: 1 finished, 1 diverged" in row["note"]
    assert "1 of 4 variants diverged" in comparison.conclusion


def test_incomplete_contestant_is_compared_on_the_seeds_it_has_and_marked():
    world = World().add("all-linear", (0.0, 5.0), parameters=9000)
    comparison = world.add("qv", (0.2, 0.0), status=["done", "cancelled"]).compare()
    row = comparison.table.loc["qv"]
    assert (row["status"], row["seeds"]) == ("incomplete", 1)
    assert "1 of 2 seeds: 1 finished, 1 cancelled" in row["note"]
    assert row["difference"] == pytest.approx(0.2, abs=0.02)  # against seed 0 of the baseline, not its mean
    assert "qv lacks seeds" in comparison.conclusion
    assert any("qv (incomplete)" in warning for warning in comparison.warnings)


def test_contestants_without_a_common_seed_are_not_compared():
    world = World().add("qv", 0.0, status=["done", "diverged"]).add("o", 0.5, status=["diverged", "done"])
    comparison = world.compare(baseline="qv")
    assert comparison.table.loc["o", "verdict"] == UNKNOWN
    assert math.isnan(comparison.table.loc["o", "difference"])
    assert "not told apart from o" in comparison.conclusion


@pytest.mark.parametrize(
    "levels, edge",
    [({1e-3: 0.0, 3e-3: 0.1, 1e-2: 0.2}, "try lower"), ({1e-3: 0.2, 3e-3: 0.1, 1e-2: 0.0}, "try higher"),
     ({1e-3: 0.2, 3e-3: 0.0, 1e-2: 0.2}, ""), ({1e-3: 0.2}, "one rate tried")],
)  # fmt: skip
def test_a_best_rate_at_the_edge_is_flagged(levels, edge):
    world = World()
    for rate, level in levels.items():
        world.add("qv", level, rate=rate)
    comparison = world.compare()
    assert comparison.table.loc["qv", "edge"] == edge
    words = {"": "", "one rate tried": "nly one learning rate was tried for qv"}
    assert words.get(edge, f"at the edge of the rates tried: {edge} for qv") in comparison.conclusion
    assert ("edge" in comparison.conclusion) == (edge not in words)


def test_a_diverged_higher_rate_counts_as_tried_and_a_cancelled_one_does_not():
    for status, edge in (("diverged", ""), ("cancelled", "try higher")):
        world = World().add("qv", 0.2, rate=1e-3).add("qv", 0.0, rate=3e-3).add("qv", 0.0, rate=1e-2, status=status)
        assert world.compare().table.loc["qv", "edge"] == edge


def test_all_diverged_says_so_and_what_to_do():
    world = World().add("qv", 0.0, rate=0.5, status="diverged").add("o", 0.0, rate=1.0, status="diverged")
    comparison = world.compare()
    assert comparison.best is None
    assert comparison.conclusion.startswith("All 4 variants diverged, so nothing can be concluded")
    assert "below 0.5" in comparison.conclusion
    assert set(comparison.table["status"]) == {"diverged"}
    assert not comparison.table["on_front"].any()
    assert list(comparison.learning_rates["diverged"]) == [2, 2]
    json.dumps(comparison.to_json(), allow_nan=False)


def test_a_done_variant_with_an_infinite_loss_counts_as_diverged():
    world = World().add("qv", 0.0).add("o", math.inf)
    comparison = world.compare()
    assert comparison.table.loc["o", "status"] == "diverged"
    assert "no result of o" in comparison.conclusion


def test_an_unfinished_run_is_judged_on_what_is_there_and_said_to_be_training():
    world = World(run_status="running").add("qv", 0.0).add("o", 0.3, status=["done", "training"])
    comparison = world.add("mlp", 0.0, status="queued").compare()
    assert list(comparison.table["status"]) == ["done", "training", "training"]
    assert "Still training: 3 of 6 variants have not ended" in comparison.conclusion
    assert math.isnan(comparison.table.loc["mlp", "loss"])
    nothing = World(run_status="running").add("qv", 0.0, status="queued").compare()
    assert nothing.conclusion == "Still training: 2 of 2 variants have not ended, and none has a result yet."


def test_a_run_without_variants_or_evaluations_does_not_fail():
    assert World().compare().conclusion == "Nothing has been trained yet."
    world = World().add("qv", 0.0)
    world.evaluations = []
    comparison = world.compare()
    assert comparison.best is None
    assert "losses on test or validation rows are missing" in comparison.conclusion


def test_rows_that_differ_in_number_are_refused():
    world = World().add("qv", 0.0)
    last = world.evaluations[-1]
    world.evaluations[-1] = Evaluation(last.variant, last.part, last.losses[:-1], last.accuracies[:-1])
    with pytest.raises(DomLoRAError, match="59 and 60 test rows"):
        world.compare()


def test_a_single_row_gives_no_interval_and_no_verdict():
    world = World().add("qv", 0.0).add("o", 0.5)
    world.evaluations = [Evaluation(e.variant, e.part, e.losses[:1], e.accuracies[:1]) for e in world.evaluations]
    comparison = world.compare(baseline="qv")
    assert comparison.table.loc["o", "verdict"] == UNKNOWN
    assert "ne row gives no interval" in comparison.conclusion
    json.dumps(comparison.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    "level, beaten, verdict, words",
    [(0.0, 3, BETTER, "the better one here"), (0.9, 0, WORSE, "the worse one here"),
     (0.3, 1, SAME, "its place matters is not shown")],
)  # fmt: skip
def test_dominant_is_tested_against_random_controls(level, beaten, verdict, words):
    world = World(noise=0.2 if verdict == SAME else 0.02).add("dominant", level)
    for i, control in enumerate((0.1, 0.2, 0.6) if verdict == SAME else (0.2, 0.3, 0.4), start=1):
        world.add(f"random-{i}", control)
    world.add("dominant", 0.0, method="dora").add("random-1", 0.0, method="rslora")  # no control of its own method
    comparison = world.compare()
    (test,) = comparison.controls
    own = comparison.table["loss"]
    randoms = [f"random-{i}" for i in (1, 2, 3)]
    assert (test.beaten, test.verdict, test.controls) == (beaten, verdict, tuple(randoms))
    assert test.difference == pytest.approx(own["dominant"] - own[randoms].mean())
    assert test.low < test.difference < test.high
    assert f"lower mean loss than {beaten} of 3 random controls" in comparison.conclusion
    assert words in comparison.conclusion


def test_pareto_front_of_loss_against_parameters():
    world = World().add("all-linear", 0.0, parameters=9000).add("qv", 0.3, parameters=3000)
    table = world.add("mlp", 0.4, parameters=5000).add("dominant", 0.5, parameters=100).compare().table
    assert list(table.index) == ["all-linear", "qv", "mlp", "dominant"]
    assert list(table["on_front"]) == [True, True, False, True]


def test_unequal_budgets_are_said():
    world = World().add("dominant", 0.0, parameters=16_896).add("all-linear", 0.1, parameters=2_442_240)
    expected = "placements differ in budget: 16,896 to 2,442,240 trainable parameters"
    assert expected in world.compare().warnings
    assert not World().add("a", 0.0, parameters=100).add("b", 0.1, parameters=119).compare().warnings


def test_sensitivity_table_has_mean_spread_and_ends_of_every_rate():
    world = World().add("qv", (0.1, 0.3), rate=1e-3).add("qv", 0.5, rate=1e-2, status=["done", "diverged"])
    table = world.compare().learning_rates.set_index("learning_rate")
    assert table.loc[1e-3, "loss"] == pytest.approx(2.2)
    assert table.loc[1e-3, "spread"] == pytest.approx(np.std([2.1, 2.3], ddof=1))
    assert list(table.loc[1e-3, ["low", "high"]]) == pytest.approx([2.1, 2.3])
    assert list(table["finished"]) == [2, 1]
    assert list(table["diverged"]) == [0, 1]
    assert list(table["chosen"]) == [True, False]
    assert math.isnan(table.loc[1e-2, "spread"])


def test_forgetting_is_the_paired_change_on_other_tasks():
    world = World()
    world.evaluations.append(world.evaluation("base", "code", 0.0))
    comparison = world.add("qv", 0.4, parts=("test", "code")).add("o", 0.1).compare()
    (row,) = comparison.forgetting.to_dict("records")
    assert (row["contestant"], row["task"], row["rows"], row["seeds"]) == ("qv", "code", ROWS, 2)
    assert row["change"] == pytest.approx(0.4, abs=0.02)
    assert 0.3 < row["low"] < row["change"] < row["high"] < 0.5


def test_exact_match_has_wilsons_interval_over_rows():
    results = {"exact_match_before": 0.1, "exact_match_after": 0.25, "exact_match_rows": 40.0}
    answers = World().add("qv", 0.0, results=results).add("o", 0.0, results={"pass_at_1_after": 0.5}).compare().answers
    qv, o = answers.to_dict("records")
    z, p, n = 1.959964, 0.25, 40  # Wilson 1927, by hand
    centre, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (qv["low"], qv["high"]) == pytest.approx(
        ((centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n))
    )
    assert (qv["before"], qv["after"], qv["measure"]) == (0.1, 0.25, "exact_match")
    assert o["measure"] == "pass_at_1"
    assert math.isnan(o["low"])


def test_methods_are_contestants_of_their_own():
    comparison = World().add("qv", 0.0).add("qv", 0.2, method="dora").compare()
    assert list(comparison.table.index) == ["qv", "qv dora"]
    assert list(comparison.table["method"]) == ["lora", "dora"]


def test_json_keeps_its_contract():
    comparison = World().add("qv", 0.0).add("o", 0.3, status=["done", "diverged"]).compare()
    data = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    wanted = {"placement", "lr", "seed", "trainable_parameters", "eval_loss_before", "eval_loss_after", "status"}
    assert len(data["variants"]) == 4
    assert all(wanted <= set(variant) for variant in data["variants"])
    assert data["variants"][0]["eval_loss_after"] == 2.0
    assert (data["variants"][3]["status"], data["variants"][3]["eval_loss_after"]) == ("diverged", None)
    assert data["best"] == "qv"
    assert [row["contestant"] for row in data["contestants"]] == ["qv", "o"]
    assert data["conclusion"] == comparison.conclusion


def test_csv_reads_back_as_the_table(tmp_path):
    comparison = World().add("qv", 0.0).add("o", 0.3).compare()
    path = tmp_path / "table.csv"
    path.write_text(comparison.to_csv(), encoding="utf-8")
    read = pd.read_csv(path, index_col="contestant")
    assert list(read.columns) == list(comparison.table.columns)
    np.testing.assert_allclose(read["loss"], comparison.table["loss"])


def test_same_run_same_answer_whatever_the_order_of_its_variants():
    world = World().add("qv", 0.0).add("o", 0.3).add("mlp", 0.1)
    one, two = world.compare(), world.compare()
    pd.testing.assert_frame_equal(one.table, two.table)
    world.variants.reverse()
    world.evaluations.reverse()
    turned = world.compare(baseline=one.baseline)
    pd.testing.assert_frame_equal(one.table, turned.table.loc[one.table.index])
    assert turned.difference("qv", "o") == pytest.approx(one.difference("qv", "o"))


def test_runs_that_are_equal_on_every_row_are_one_run():
    world = World(seeds=3).add("qv", (0.0, 0.3, 0.1)).add("o", (0.2, 0.1, 0.3)).add("mlp", (0.1, 0.2, 0.0))
    before = world.compare(baseline="qv").table
    world.add("qv", (0.2, 0.2, 0.2), method="pissa")
    first = {e.part: e for e in world.evaluations if e.variant == variant_name("qv", "pissa", 1e-3, 0)}
    world.evaluations = [
        Evaluation(e.variant, e.part, first[e.part].losses, first[e.part].accuracies) if "pissa" in e.variant else e
        for e in world.evaluations
    ]
    comparison = world.compare(baseline="qv")
    row = comparison.table.loc["qv pissa"]
    assert row["seeds"] == 1
    assert row["loss"] == pytest.approx(np.mean(first["test"].losses))
    pairs = comparison.pairs.set_index(["first", "second"])
    assert pairs.loc[("qv", "qv pissa"), "seeds"] == 1
    assert pairs.loc[("qv", "o"), "seeds"] == 3
    # one start of it, whose spread over starts the others stand in for: never surer than theirs
    assert (
        row["difference_high"] - row["difference_low"]
        > before.loc["o", "difference_high"] - before.loc["o", "difference_low"]
    )
    assert any("seeds of qv pissa gave equal losses on every row" in warning for warning in comparison.warnings)
    assert not any("equal losses" in warning for warning in World().add("qv", 0.0).compare().warnings)


def test_two_seeds_that_differ_by_chance_name_no_winner():
    """Eight worlds in ten of these had a false one when seeds were resampled; ten contestants, two seeds."""
    false = 0
    for trial in range(40):
        world = World()
        world.random = np.random.default_rng(trial)
        for i in range(10):
            world.add(f"random-{i}", tuple(world.random.normal(0.5, 0.1, 2)))
        false += bool(set(world.compare().table["verdict"]) & {BETTER, WORSE})
    assert false <= 5
