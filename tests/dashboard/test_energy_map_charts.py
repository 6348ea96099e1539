"""Figures from tables: the right value at the right place."""

import numpy as np
import pytest

from dashboard.energy_map import achieved_charts, charts, grid
from dashboard.shared import heatmap
from dashboard.shared.scale import Scale, tick_texts, ticks
from domlora.ranking import rank
from tests.helpers.maps import deep_map, make_map
from tests.helpers.ranked import GAINS, scored, world


def test_heatmap_puts_each_energy_in_its_cell_and_outlines_the_winner():
    figure = heatmap.heatmap(make_map([1, 6, 3]), "decoder", "energy", log=False)
    assert list(figure.data[0].z[0]) == [1, 6, 3]
    (outline,) = figure.layout.shapes
    assert (outline.x0, outline.x1) == (0.5, 1.5)
    assert "Layer 1 down leads with 60.0%" in figure.layout.title.text


def test_every_cell_carries_its_module_for_a_click():
    energy = make_map([1, 6, 3])
    markers = heatmap.heatmap(energy, "decoder", "share", log=True).data[1]
    at = dict(zip(markers.x, markers.customdata, strict=True))
    assert at == {i: f"model.layers.{i}.mlp.down_proj" for i in range(3)}


def test_zero_energy_is_an_empty_cell_on_a_log_scale():
    values = heatmap.heatmap(make_map([0, 10]), "decoder", "energy", log=True).data[0].z[0]
    assert np.isnan(values[0])
    assert values[1] == pytest.approx(1)


def test_selected_module_has_an_outline_of_its_own():
    figure = heatmap.heatmap(make_map([1, 6, 3]), "decoder", "share", False, "model.layers.2.mlp.down_proj")
    assert {shape.x0 for shape in figure.layout.shapes} == {0.5, 1.5}
    assert len({shape.line.dash for shape in figure.layout.shapes}) == 2  # told apart without colour


def test_picked_cells_are_outlined_and_no_other_is():
    energy = make_map([1, 6, 3])
    figure = heatmap.heatmap(energy, "decoder", "share", True, "model.layers.2.mlp.down_proj", picked=[])
    assert not figure.layout.shapes and "0 picked" in figure.layout.title.text
    figure = heatmap.heatmap(energy, "decoder", "share", True, picked=list(energy.modules["module"][:2]))
    assert {shape.x0 for shape in figure.layout.shapes} == {-0.5, 0.5}
    assert "2 picked" in figure.layout.title.text


def test_stacks_are_drawn_apart():
    energy = make_map([1, 6, 3])
    energy.modules.loc[2, "stack"] = "vision"
    assert list(heatmap.heatmap(energy, "vision", "energy", False).data[0].z[0]) == [3]
    assert not heatmap.heatmap(energy, "vision", "energy", False).layout.shapes


def test_bars_show_intervals_around_their_share():
    samples = np.random.default_rng(0).exponential(size=(3, 16))
    bar = charts.ranked_bars(make_map(samples.mean(1), samples, samples=16), 3).data[0]
    assert bar.x[-1] == max(bar.x)  # the strongest on top
    assert all(low >= 0 and high >= 0 for low, high in zip(bar.error_x.arrayminus, bar.error_x.array, strict=True))


def test_cumulative_curve_ends_at_the_whole():
    line = charts.cumulative(make_map([5, 3, 2])).data[0]
    np.testing.assert_allclose(line.y, [0.5, 0.8, 1.0])


def test_one_module_alone_can_be_drawn():
    energy = make_map([2.0])
    for figure in (
        heatmap.heatmap(energy, "decoder", "share", True),
        charts.ranked_bars(energy, 5),
        charts.cumulative(energy),
    ):
        assert figure.data


def test_unknown_kinds_follow_the_known_ones():
    import pandas as pd

    from domlora.models.kinds import in_order

    assert in_order(pd.Series(["mix", "down", "q"])) == ["q", "down", "mix"]


@pytest.mark.parametrize(("layers", "ticks", "step"), [(4, 16, 1), (16, 16, 1), (30, 16, 2), (30, 6, 5), (126, 16, 10)])
def test_ticks_stand_at_whole_layers(layers, ticks, step):
    assert heatmap.tick_step(layers, ticks) == step


def test_modules_that_share_a_cell_are_added_up_under_the_best_of_them():
    energy = make_map([1, 6, 3])
    energy.modules["layer"] = [0, 0, 1]
    figure = heatmap.heatmap(energy, "decoder", "share", log=False, selected="model.layers.0.mlp.down_proj")
    assert list(figure.data[0].z[0]) == pytest.approx([0.7, 0.3])
    assert figure.data[1].customdata[0] == "model.layers.1.mlp.down_proj"
    assert "</b> and 1 more of this kind" in figure.data[1].hovertext[0]
    assert [(shape.x0, shape.line.dash) for shape in figure.layout.shapes] == [(-0.5, "solid"), (-0.5, "dot")]


def test_a_layer_without_a_module_keeps_its_place_and_answers_for_itself():
    energy = deep_map(4, gaps=((1, "q"), *((2, kind) for kind in "qkvo")))
    figure = heatmap.heatmap(energy, "decoder", "share", log=None)
    assert list(figure.data[0].x) == [0, 1, 2, 3]
    points = dict(zip(zip(figure.data[1].x, figure.data[1].y, strict=True), figure.data[1].customdata, strict=True))
    assert len(points) == 28
    assert points[1, "q"] == heatmap.NO_MODULE and points[1, "k"] == "model.layers.1.self_attn.k_proj"
    assert "layer 1 has no q" in figure.data[1].hovertext


def test_a_hover_text_says_a_thing_once():
    figure = heatmap.heatmap(make_map([1, 6, 3]), "decoder", "share", log=False)
    assert figure.data[1].hovertext[0].count("share") == 1
    assert figure.data[1].hovertext[0].endswith("share 60.00%, rank 1 of 3")


def test_the_scale_takes_the_logarithm_where_most_cells_would_look_alike():
    assert Scale.of(np.array([100.0] + [1] * 20), None, from_zero=True).log
    assert not Scale.of(np.linspace(1, 2, 20), None, from_zero=True).log
    assert not Scale.of(np.array([100.0, 0] + [1] * 20), None, from_zero=True).log, (
        "an empty cell would be one too many"
    )
    scale = Scale.of(np.array([1e-9, *np.linspace(1, 100, 99)]), True, from_zero=True)
    assert scale.clipped and scale.low > 0.5, "one small value takes no part of the colours"
    for same in ([2.0, 2.0], [0.0], [-1.0], []):
        for log in (None, True, False):
            one = Scale.of(np.array(same), log, from_zero=True)
            assert one.low < one.high


@pytest.mark.parametrize(
    ("low", "high", "log", "texts"),
    [
        (0, 0.021, False, ["0.0%", "0.5%", "1.0%", "1.5%", "2.0%"]),
        (0.011, 0.013, True, ["1.10%", "1.15%", "1.20%", "1.25%", "1.30%"]),  # narrow: as on a linear scale
        (0.004, 0.05, True, ["0.5%", "1.0%", "2.0%", "5.0%"]),
        (0.00001, 0.3, True, ["0.001%", "0.01%", "0.1%", "1%", "10%"]),
    ],
)
def test_ticks_are_told_apart_by_their_digits(low, high, log, texts):
    at = ticks(low, high, log=log)
    assert tick_texts(at, percent=True) == texts


def test_largest_outputs_have_ticks_that_rise():
    energy = make_map([1, 2, 3])
    energy.modules["max_output"] = [2.1, 9.0, 40.0]
    axis = charts.maxima(energy, "down", "model.layers.1.mlp.down_proj").layout.yaxis
    assert list(axis.tickvals) == sorted(axis.tickvals) and len(axis.tickvals) >= 3
    assert len(set(axis.ticktext)) == len(axis.ticktext)


def test_totals_along_the_edges_add_up_to_the_whole():
    energy = deep_map(6)
    _, _, by_layer, by_kind = grid.figure(energy, "decoder", "share", None).data
    assert sum(by_layer.y) == pytest.approx(1) and sum(by_kind.x) == pytest.approx(1)
    of_layer = energy.table[energy.table["layer"] == 2]["share"].sum()
    assert by_layer.y[list(by_layer.x).index(2)] == pytest.approx(of_layer)


def test_a_placement_is_one_outline_round_its_cells():
    square = grid.outline_of({(0, 0), (1, 0), (0, 1), (1, 1)})
    lines = [line.strip() for line in square.split("M")[1:]]
    assert set(lines) == {"-0.5 -0.5 L 1.5 -0.5", "-0.5 1.5 L 1.5 1.5", "-0.5 -0.5 L -0.5 1.5", "1.5 -0.5 L 1.5 1.5"}
    assert len(lines) == 4, "none between two cells"
    assert grid.outline_of({(0, 0), (2, 0)}).count("M") == 8, "two apart have a frame each"
    energy = deep_map(4)
    modules = [f"model.layers.{i}.self_attn.q_proj" for i in range(4)]
    shapes = grid.figure(energy, "decoder", "share", None, placements={"q": modules}).layout.shapes
    (outline,) = [shape for shape in shapes if shape.type == "path"]
    assert outline.name == "q" and outline.path.count("M") == 4


def test_a_map_without_a_leader_says_so():
    assert heatmap.leader(deep_map(8)).endswith("of the energy")
    even = make_map([2] + [1] * 75)
    assert heatmap.leader(even) == "no module stands out; layer 0 down has most, 2.6% of the energy"


def test_what_training_achieved_has_a_map_and_a_scatter():
    run, evaluations = world(GAINS)
    energy = scored(run, GAINS)
    ranking = rank.rank(run, evaluations, [energy])
    best = ranking.modules.iloc[0]
    cells = achieved_charts.grid(energy, ranking, "decoder").data[0]
    assert cells.z[list(cells.y).index(best["kind"])][list(cells.x).index(best["layer"])] == best["improvement"]
    figure = achieved_charts.scatter(energy, ranking, best["module"])
    points = {module: (x, y) for trace in figure.data if trace.customdata is not None
              for module, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)}  # fmt: skip
    assert len(points) == len(GAINS)
    shares = energy.table.set_index("module")["share"]
    assert points[best["module"]] == (shares[best["module"]], best["improvement"])
    assert "rho 1.00" in figure.layout.title.text or "rho 0.99" in figure.layout.title.text
