"""Figures from tables: the right value at the right place."""

import numpy as np
import pytest

from dashboard.energy_map import charts
from dashboard.shared import heatmap
from tests.helpers.maps import make_map


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
