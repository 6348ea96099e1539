"""Charts of a comparison: what they say, that no point is lost, and that colours stay."""

import numpy as np
import pandas as pd
import pytest

from dashboard.compare.charts import curves, forgetting, pareto, sensitivity, smooth
from dashboard.compare.parallel import parallel
from dashboard.shared.contestants import colours, differences, symbols

ORDER = ["dominant", "qv", "all-linear"]


@pytest.fixture
def variants():
    rows = [
        {
            "variant": f"{name} lr={rate:g} seed={seed}", "contestant": name, "placement": name, "method": "lora",
            "learning_rate": rate, "seed": seed, "status": "done", "parameters": 1000 * (i + 1),
        }
        for i, name in enumerate(ORDER)
        for rate in (0.001, 0.01)
        for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def metrics(variants):
    """Loss falls by a tenth of the step; dominant is lowest, the second seed always 0.2 above the first."""
    rows = [
        {
            "variant": v.variant, "step": step, "name": "eval_loss",
            "value": 2 + ORDER.index(v.contestant) * 0.1 + v.seed * 0.2 - step / 10,
        }
        for v in variants.itertuples()
        for step in (0, 5, 10)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def title(figure):
    """In one line."""
    return figure.layout.title.text.replace("<br>", " ")


def drawn(figure):
    return {trace.name: trace for trace in figure.data if trace.name and trace.fill is None}


def test_before_training_no_variant_is_called_the_lowest(metrics, variants):
    figure = curves(metrics[metrics["step"] == 0], variants, ORDER, "eval_loss")
    assert title(figure) == "Validation loss before training; the next evaluation is yet to come"


def test_a_line_is_the_mean_over_seeds_and_its_band_their_range(metrics, variants):
    figure = curves(metrics, variants, ORDER, "eval_loss")
    line = drawn(figure)["dominant, lr=0.001"]
    assert list(line.x) == [0, 5, 10]
    assert np.allclose(line.y, [2.1, 1.6, 1.1])
    assert np.allclose(line.customdata, [[2.0, 2.2], [1.5, 1.7], [1.0, 1.2]])
    assert sum(trace.fill == "toself" for trace in figure.data) == 6
    assert title(figure) == "Validation loss at step 10: dominant, lr=0.001 is lowest (1.100)"
    assert figure.layout.hovermode == "x unified"


def test_the_colour_of_a_contestant_does_not_depend_on_who_else_is_drawn(metrics, variants):
    alone = curves(metrics, variants[variants["contestant"] == "qv"], ORDER, "eval_loss")
    together = curves(metrics, variants, ORDER, "eval_loss")
    assert drawn(alone)["qv, lr=0.01"].line.color == drawn(together)["qv, lr=0.01"].line.color
    assert len({drawn(together)[f"{name}, lr=0.01"].line.color for name in ORDER}) == len(ORDER)


def test_rates_differ_by_dash_so_that_colour_is_not_needed(metrics, variants):
    lines = drawn(curves(metrics, variants, ORDER, "eval_loss"))
    assert lines["qv, lr=0.001"].line.dash != lines["qv, lr=0.01"].line.dash


@pytest.mark.parametrize(
    ("group", "lines"),
    [("contestant and rate", 6), ("placement", 3), ("method", 1), ("learning rate", 2), ("nothing: each seed", 12)],
)
def test_group_decides_what_a_line_stands_for(metrics, variants, group, lines):
    assert len(drawn(curves(metrics, variants, ORDER, "eval_loss", group=group))) == lines


def test_a_diverged_variant_is_a_line_of_its_own_and_leaves_the_mean_alone(metrics, variants):
    lost = "dominant lr=0.001 seed=1"
    variants.loc[variants["variant"] == lost, "status"] = "diverged"
    metrics = metrics[(metrics["variant"] != lost) | (metrics["step"] < 10)]
    lines = drawn(curves(metrics, variants, ORDER, "eval_loss"))
    assert np.allclose(lines["dominant, lr=0.001"].y, [2.0, 1.5, 1.0])
    early = lines["dominant, lr=0.001: stopped early"]
    assert list(early.x) == [0, 5] and early.text[0] == "diverged, lr=0.001, seed 1"


def test_losses_that_are_not_numbers_are_not_drawn(metrics, variants):
    metrics.loc[metrics["step"] == 10, "value"] = np.inf
    assert all(max(trace.x) == 5 for trace in curves(metrics, variants, ORDER, "eval_loss").data)


def test_a_metric_without_points_says_so(metrics, variants):
    assert title(curves(metrics, variants, ORDER, "grad_norm")) == "Gradient norm: no point yet"


def test_zoom_is_kept_while_the_curves_grow_and_lost_with_the_metric(metrics, variants):
    before = curves(metrics[metrics["step"] < 10], variants, ORDER, "eval_loss", revision="r")
    after = curves(metrics, variants, ORDER, "eval_loss", revision="r")
    other = curves(metrics, variants, ORDER, "train_loss", revision="r")
    assert before.layout.uirevision == after.layout.uirevision != other.layout.uirevision


def test_a_live_run_has_room_for_all_its_steps(metrics, variants):
    low, high = curves(metrics, variants, ORDER, "eval_loss", steps=400).layout.xaxis.range
    assert low < 0 and 400 < high < 410


def test_curves_of_runs_that_cannot_be_compared_name_no_best(metrics, variants):
    figure = curves(metrics, variants.assign(run="one"), ORDER, "eval_loss", ranked=False)
    assert title(figure) == "Validation loss of several runs over the steps"
    assert set(drawn(figure)) == {f"one, {name}, lr={rate}" for name in ORDER for rate in ("0.001", "0.01")}


def test_smoothing_keeps_a_constant_and_starts_at_the_first_value():
    assert np.allclose(smooth(np.full(7, 3.0), 0.9), 3.0)
    assert smooth(np.array([5.0, 1.0]), 0.9)[0] == 5.0
    assert np.allclose(smooth(np.array([5.0, 1.0]), 0.0), [5.0, 1.0])


def results(**changes):
    table = pd.DataFrame(
        {
            "contestant": ORDER, "trainable_parameters": [16_896, 460_800, 2_442_240], "loss": [1.7, 1.48, 1.38],
            "low": [1.65, 1.4, 1.3], "high": [1.75, 1.5, np.nan], "learning_rate": [5e-3, 2e-3, 1e-3], "seeds": 2,
            "on_front": True,
        }
    )  # fmt: skip
    return table.assign(**changes)


def test_pareto_shows_every_contestant_with_its_interval_and_the_front():
    figure = pareto(results(), ORDER, reference=2.3)
    names = [trace.name for trace in figure.data]
    assert names == ["Pareto front", *ORDER]
    assert figure.layout.xaxis.type == "log"
    assert np.isclose(drawn(figure)["qv"].error_y.array[0], 0.02)
    assert drawn(figure)["all-linear"].error_y.array is None
    assert "145 times the fewest parameters" in title(figure)
    assert "2,442,240 trainable parameters" in drawn(figure)["all-linear"].hovertemplate
    assert figure.layout.annotations[0].text == "no adapter 2.300"


def test_pareto_says_so_when_the_smallest_is_the_best():
    figure = pareto(results(loss=[1.0, 1.4, 1.5], on_front=[True, False, False]), ORDER)
    assert title(figure) == "dominant has the lowest loss (1.000) and no more parameters than the others"


def test_pareto_of_one_contestant_compares_it_with_nobody():
    figure = pareto(results().iloc[:1], ORDER)
    assert title(figure) == "dominant: loss 1.700 with 16,896 parameters"


def test_pareto_rings_the_lowest_loss_alone():
    marked = drawn(pareto(results(), ORDER))
    assert marked["all-linear"].marker.line.width and not marked["qv"].marker.line.width


@pytest.mark.parametrize(
    ("values", "tick"), [([1.71, 1.95], None), ([2.0], None), ([10_000, 400_000], "D2"), ([1e3, 1e7], 1)]
)
def test_a_log_axis_has_ticks_over_a_narrow_range_too(values, tick):
    """Ticks at powers of ten, or at 1, 2 and 5 times these, may all lie outside of a narrow range."""
    table = results().iloc[: len(values)].assign(trainable_parameters=values)
    assert pareto(table, ORDER).layout.xaxis.dtick == tick


def test_forgetting_names_nobody_where_no_loss_rises():
    table = pd.DataFrame({"contestant": ["qv"], "task": "chat", "change": [-0.1], "low": [-0.2], "high": [0.0]})
    assert title(forgetting(table, ORDER)) == "Nobody forgets: no mean loss on the other tasks rises"


def test_variants_run_through_their_settings_to_their_loss(variants):
    table = variants.assign(loss=[2 + i / 10 for i in range(len(variants))])
    table.loc[0, "loss"] = np.nan
    figure = parallel(table)
    axes = {axis.label: axis for axis in figure.data[0].dimensions}
    assert list(axes) == ["placement", "parameters", "learning rate", "validation loss"]
    assert axes["learning rate"].ticktext == ("0.001", "0.01")
    assert len(axes["validation loss"].values) == len(variants) - 1
    assert title(figure) == "Lowest of 11: dominant at rate 0.001 (2.100)"
    several = parallel(table.assign(run=["a", "b"] * 6), ranked=False)
    assert title(several) == "11 variants of 2 runs, from their settings to their loss"
    assert title(parallel(table.iloc[:1])) == "No variant has finished yet"


def test_sensitivity_marks_a_rate_at_which_all_diverged_and_the_edge():
    table = pd.DataFrame(
        {
            "contestant": ["dominant"] * 3 + ["qv"] * 3, "learning_rate": [1e-3, 3e-3, 1e-2] * 2,
            "loss": [1.9, 1.8, 1.7, 1.6, 1.5, np.nan], "low": np.nan, "high": np.nan,
            "diverged": [0, 0, 0, 0, 1, 2], "chosen": [False, False, True, False, True, False],
        }
    )  # fmt: skip
    figure = sensitivity(table, ORDER)
    assert drawn(figure)["qv, all diverged"].x == (1e-2,)
    assert title(figure) == "Best rate at the edge of the range for dominant: try further rates"
    assert "diverged seeds: 1" in drawn(figure)["qv"].hovertext[1]
    assert "0.001" not in drawn(figure)["dominant"].hovertext[0], "the rate stands above all hovers of that rate"
    assert list(drawn(figure)["dominant"].marker.line.width) == [0, 0, 2], "the chosen rate has a ring"


def test_a_rate_far_too_high_leaves_room_for_those_that_matter():
    """Losses as SmolLM2-135M had them on GSM8K: the choice is between 0.958 and 1.021, and some end at 23."""
    table = pd.DataFrame(
        {
            "contestant": ["qv"] * 5 + ["all-linear"] * 5, "learning_rate": [1e-3, 4e-3, 1.6e-2, 6.4e-2, 0.256] * 2,
            "loss": [1.021, 0.981, 1.075, 6.881, 23.293, 0.958, 0.958, 1.368, 7.313, 8.576], "low": np.nan,
            "high": np.nan, "diverged": 0, "chosen": False,
        }
    )  # fmt: skip
    figure = sensitivity(table, ORDER)
    low, high = figure.layout.yaxis.range
    assert low < 0.958
    assert 1.368 < high < 2
    assert figure.layout.annotations[0].text == "4 losses lie above, up to 23.3"
    calm = sensitivity(table[table["learning_rate"] < 0.01], ORDER)
    assert calm.layout.yaxis.range is None
    assert not calm.layout.annotations


def test_differences_leave_out_the_baseline_and_count_what_is_sure():
    table = pd.DataFrame(
        {
            "contestant": ORDER, "difference": [0.3, 0.01, 0.0], "difference_low": [0.2, -0.1, 0.0],
            "difference_high": [0.4, 0.1, 0.0],
        }
    )  # fmt: skip
    figure = differences(table, ORDER, "all-linear")
    assert [trace.y[0] for trace in figure.data] == ["qv", "dominant"]
    assert title(figure) == "1 of 2 differ from all-linear beyond their 95 % interval"


def test_forgetting_names_who_forgets_most():
    table = pd.DataFrame(
        {"contestant": ["dominant", "qv"], "task": "chat", "change": [0.1, 0.4], "low": [0.0, 0.3], "high": [0.2, 0.5]}
    )
    figure = forgetting(table, ORDER)
    assert title(figure) == "qv changes the other tasks' loss most upward (+0.400 on average)"
    assert len({bar.marker.pattern.shape for bar in figure.data}) == 2


def test_nine_contestants_are_told_apart_by_colour_and_symbol():
    names = [f"random {i}" for i in range(16)]
    colour, symbol = colours(names), symbols(names)
    assert len({(colour[name], symbol[name]) for name in names}) == 16
