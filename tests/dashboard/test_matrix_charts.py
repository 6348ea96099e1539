"""Figures of models × tasks: the right value in the right cell, one scale and one colour a task, words that fit."""

import math

import numpy as np
import pandas as pd
import pytest

from dashboard.matrix import charts, heatmaps
from dashboard.shared import figures
from dashboard.shared.figures import COLOURS
from domlora.matrix import agreement, matrix, sample_size, winners
from domlora.probes.config import ProbeConfig
from tests.helpers.matrix_cells import FUSED, cell

TASKS = ("instruction", "math", "code", "chat")


def scale_of(*maps, measure="share", log=False):
    return heatmaps.Scale.of(maps, measure, log)


# Small multiples


def test_each_cell_of_a_heatmap_is_the_share_of_its_module():
    energy = cell("a", "math", winner=(2, "v"))
    figure = heatmaps.figure({"math": energy}, "a", scale_of(energy), "layer", 30)
    heatmap = figure.data[0]
    kinds = list(figure.layout.yaxis.ticktext)
    assert kinds == ["q", "k", "v", "o", "gate", "up", "down"]
    for row in energy.table.itertuples():
        assert heatmap.z[kinds.index(row.kind)][row.layer] == pytest.approx(row.share)


def test_the_winner_is_framed_and_named():
    energy = cell("a", "math", winner=(2, "v"))
    figure = heatmaps.figure({"math": energy}, "a", scale_of(energy), "layer", 30)
    (frame,) = figure.layout.shapes
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (1.5, 2.5, 1.5, 2.5)  # the third layer, the third kind
    assert figure.layout.annotations[0].text == "<b>math</b><br>layer 2<br>v"


@pytest.mark.parametrize(("wins", "words"), [
    ([(1, "down")] * 4, "a: layer 1 down leads on 4 of 4 tasks"),
    ([(1, "down"), (0, "v"), (1, "down"), (1, "down")], "a: layer 1 down leads on 3 of 4 tasks"),
    ([(1, "down"), (0, "v"), (2, "q"), (3, "o")], "a: another module leads on each of 4 tasks"),
])  # fmt: skip
def test_the_title_says_on_how_many_tasks_a_module_leads(wins, words):
    maps = {task: cell("a", task, winner) for task, winner in zip(TASKS, wins, strict=True)}
    figure = heatmaps.figure(maps, "a", scale_of(*maps.values()), "layer", 30)
    assert figure.layout.title.text == words


def test_models_of_all_sizes_share_one_colour_scale():
    small, large = cell("a", "math", layers=2), cell("b", "math", layers=12)
    scale = scale_of(small, large)
    axes = [heatmaps.figure({"math": e}, "m", scale, "layer", 12).layout.coloraxis for e in (small, large)]
    assert [(axis.cmin, axis.cmax) for axis in axes] == [(0, small.dominant["share"])] * 2


def test_a_log_scale_is_labelled_with_values_and_not_with_logarithms():
    scale = scale_of(cell("a", "math"), log=True)
    at, names = scale.ticks()
    assert at[-1] < 0  # the logarithm of a share
    assert all(name.endswith("%") for name in names)
    assert names[-1] == f"{10 ** at[-1]:.1%}"


def test_no_energy_is_an_empty_cell_on_a_log_scale():
    energy = cell("a", "math")
    energy.modules.loc[0, "energy"] = 0.0
    figure = heatmaps.figure({"math": energy}, "a", scale_of(energy, log=True), "layer", 30)
    assert math.isnan(figure.data[0].z[0][0])


def test_maps_without_any_energy_can_be_drawn():
    energy = cell("a", "math")
    energy.modules["energy"] = 0.0
    scale = scale_of(energy, log=True)
    assert heatmaps.figure({"math": energy}, "a", scale, "layer", 30).data
    assert heatmaps.colour_bar(scale).data


def test_relative_depth_puts_the_last_layers_of_all_models_at_one():
    for layers in (1, 4, 30):
        energy = cell("a", "math", winner=(layers - 1, "down"), layers=layers)
        figure = heatmaps.figure({"math": energy}, "a", scale_of(energy), "relative depth", 30)
        assert figure.data[0].x[-1] == pytest.approx(1.0 if layers > 1 else 0.0)
        (frame,) = figure.layout.shapes
        assert (frame.x0 + frame.x1) / 2 == pytest.approx(figure.data[0].x[-1])


def test_a_layer_of_two_models_is_equally_wide_and_with_relative_depth_the_models_are():
    def span(layers, alignment):
        energy = cell("a", "math", layers=layers)
        return heatmaps.figure({"math": energy}, "a", scale_of(energy), alignment, 30).layout.xaxis.range

    assert span(28, "layer") == span(4, "layer") == (-0.5, 29.5)
    assert all(low < 0 < 1 < high for low, high in (span(28, "relative depth"), span(4, "relative depth")))


def test_a_missing_map_says_so_beside_the_others():
    energy = cell("a", "math")
    figure = heatmaps.figure({"math": energy, "code": None}, "a", scale_of(energy), "layer", 30)
    assert [text.text.split("<br>")[1] for text in figure.layout.annotations] == ["layer 1", "no map yet"]
    assert len(figure.layout.shapes) == 1
    assert figure.data[1].xaxis == "x2"  # without a trace its title would be put over the first map


def test_a_fused_model_keeps_its_own_kinds():
    energy = cell("gpt", "math", winner=(1, "qkv"), kinds=FUSED)
    figure = heatmaps.figure({"math": energy}, "gpt", scale_of(energy), "layer", 30)
    assert tuple(figure.layout.yaxis.ticktext) == FUSED


def test_each_stack_has_kinds_of_its_own():
    energy = cell("t5", "math", kinds=("q", "down"))
    energy.modules.loc[energy.modules["layer"] < 2, "stack"] = "encoder"
    assert heatmaps.kinds_of([energy]) == ["decoder down", "decoder q", "encoder down", "encoder q"]


def test_experts_that_are_modules_of_their_own_are_added_up():
    energy = cell("moe", "math", winner=(0, "q"), layers=1, kinds=("q", "up"))
    twice = pd.concat([energy.modules, energy.modules.iloc[[1]].assign(module="second expert")], ignore_index=True)
    both = type(energy)(twice, energy.provenance)
    figure = heatmaps.figure({"math": both}, "moe", scale_of(both), "layer", 30)
    up = both.table.loc[both.table["kind"] == "up", "share"]
    assert len(up) == 2
    assert figure.data[0].z[1][0] == pytest.approx(up.sum())
    assert "and 1 more modules" in figure.data[0].text[1][0]


def test_a_probe_that_prefers_low_scores_has_the_scale_turned_round():
    energy = cell("a", "math", config=ProbeConfig(probe="plop", samples=8))
    assert list(heatmaps.measures(energy.probe)) == ["energy"]
    scale = scale_of(energy, measure="energy")
    assert scale.axis()["reversescale"]
    assert scale.low > 0  # scores that are no amounts do not begin at 0


def test_many_tasks_are_drawn_in_blocks():
    assert [len(block) for block in heatmaps.blocks([str(i) for i in range(12)])] == [5, 5, 2]


# Colours


def test_a_task_has_one_colour_whatever_it_is_shown_with():
    alone, among = charts.task_colours(["math"]), charts.task_colours(["own", "chat", "math"])
    assert alone["math"] == among["math"]
    assert among["own"] not in {among["chat"], among["math"]}
    assert set(charts.task_colours(TASKS).values()) <= set(COLOURS)
    assert len({charts.TASK_COLOURS[task] for task in TASKS}) == 4


def test_a_kind_has_one_symbol_and_no_two_share_it():
    kinds = [*figures.KIND_SYMBOLS, "conv"]
    assert len({figures.kind_symbol(kind) for kind in kinds}) == len(kinds)


# Agreement


@pytest.fixture
def two_models():
    maps = [cell("a", "math"), cell("a", "code"), cell("a", "chat", (0, "v")), cell("b", "math", (3, "up"), layers=6)]
    return matrix.Matrix(maps, ("a", "b"), ("math", "code", "chat"))


@pytest.mark.parametrize("what", list(charts.AGREEMENTS))
def test_every_number_of_an_agreement_stands_in_its_cell(two_models, what):
    found = agreement.between_tasks(two_models, "a")
    values = {"rho": found.rho, "winner": found.winner_probability, "overlap": found.overlap}[what]
    heatmap, text = charts.agreement(found, what).data
    np.testing.assert_allclose(heatmap.z, values)
    for x, y, shown in zip(text.x, text.y, text.text, strict=True):
        assert shown == f"{values[y, x]:.2f}"
    assert heatmap.zmax == 1
    assert heatmap.zmin == (-1 if what == "rho" else 0)


def test_the_hover_text_has_names_interval_and_what_was_compared(two_models):
    found = agreement.between_models(two_models, "math")
    words = charts.agreement(found, "rho").data[0].customdata[0][1]
    assert "a and b" in words
    assert f"95 % interval {found.rho_low[0, 1]:.2f} to {found.rho_high[0, 1]:.2f}" in words
    assert "28 cells of kind × depth of 7 kinds" in words  # the 4 layers of the shallower one


def test_numbers_are_readable_on_every_colour(two_models):
    found = agreement.between_tasks(two_models, "a")
    heatmap, text = charts.agreement(found, "winner").data
    for x, y, colour in zip(text.x, text.y, text.textfont.color, strict=True):
        assert colour == ("#111" if heatmap.z[y][x] > 0.5 else "#fff")


def test_maps_without_single_samples_still_say_whether_the_winner_is_the_same():
    maps = [cell("a", task, winner, keep_samples=False) for task, winner in
            (("math", (1, "down")), ("code", (1, "down")), ("chat", (0, "v")))]  # fmt: skip
    found = agreement.between_tasks(matrix.Matrix(maps), "a")
    heatmap = charts.agreement(found, "winner").data[0]
    assert (heatmap.z[0][1], heatmap.z[0][2]) == (1, 0)
    assert "resamples" not in heatmap.customdata[0][1]


def test_two_models_without_a_kind_in_common_have_an_empty_cell():
    maps = [cell("a", "math", (1, "q"), kinds=("q", "k")), cell("b", "math", (1, "up"), kinds=("up", "down"))]
    heatmap, text = charts.agreement(agreement.between_models(matrix.Matrix(maps), "math"), "rho").data
    assert math.isnan(heatmap.z[0][1])
    assert sorted(zip(text.x, text.y, strict=True)) == [(0, 0), (1, 1)]


# Winners and samples


def test_winners_stand_at_their_depth_on_the_line_of_their_model(two_models):
    table = winners.winners(two_models).assign(layers=4)
    figure = charts.winners(table, ["a", "b"], ["math", "code", "chat"])
    marks = {trace.marker.color: trace for trace in figure.data if trace.hovertext}
    math_marks = marks[charts.TASK_COLOURS["math"]]
    assert list(math_marks.x) == pytest.approx([1 / 3, 3 / 5])
    assert [round(y) for y in math_marks.y] == [0, 1]
    ys = [trace.y[0] for trace in figure.data if trace.hovertext]
    assert len(set(ys)) == 3  # tasks with the same winner do not hide each other
    assert "layer 1 of 4, down" in math_marks.hovertext[0]
    assert "% of resamples" in math_marks.hovertext[0]


def test_winners_of_maps_without_samples_have_no_frequency():
    found = matrix.Matrix([cell("a", "math", keep_samples=False)])
    figure = charts.winners(winners.winners(found).assign(layers=4), ["a"], ["math"])
    assert "resamples" not in figure.data[0].hovertext[0]
    assert "share" in figure.data[0].hovertext[0]


def test_winners_of_a_probe_whose_scores_are_no_amounts_have_no_share():
    found = matrix.Matrix([cell("a", "math", config=ProbeConfig(probe="plop", samples=8))])
    figure = charts.winners(winners.winners(found).assign(layers=4), ["a"], ["math"], shares=False)
    assert "share" not in figure.data[0].hovertext[0]


def test_sample_curves_mark_the_paper_and_where_enough_is_reached():
    curve = sample_size.sample_curve(cell("a", "math", samples=16))
    count = sample_size.enough(curve)
    figure = charts.sample_curves({"math": curve}, {"math": count}, 0.95, 32, "a")
    line, mark = figure.data[0], figure.data[1]
    assert list(line.x) == list(curve["samples"])
    assert list(line.y) == list(curve["agreement"])
    assert list(mark.x) == [count]
    assert any(list(trace.x) == [32, 32] for trace in figure.data)
    assert figure.layout.title.text == f"a: {count} samples are enough on every task"
    assert line.line.color == charts.TASK_COLOURS["math"]


def test_sample_curves_that_reach_nothing_say_so():
    curve = pd.DataFrame({"samples": [1, 2, 4], "agreement": [0.2, 0.3, 0.4], "low": 0.1, "high": 0.5})
    figure = charts.sample_curves({"math": curve}, {"math": None}, 0.95, 32, "a")
    assert figure.layout.title.text == "a: enough samples on 0 of 1 tasks"


def test_titles_fit_beside_the_menu():
    name = "a-model-with-a-very-long-name-indeed-and-then-some"
    energy = cell(name, "math")
    figure = heatmaps.figure({"math": energy, "code": energy}, name, scale_of(energy), "layer", 30)
    assert len(figure.layout.title.text) <= charts.TITLE
    assert figure.layout.title.text.endswith("leads on 2 of 2 tasks")
