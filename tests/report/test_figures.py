"""Figures of reports: plain dicts that JSON can hold, that say what the numbers say, and do nothing with a name."""

import json
import re

import numpy as np
import pytest

from domlora.colours import COLOURS
from domlora.energy.energy_map import EnergyMap
from domlora.energy.files import read
from domlora.paths import sample_data_path
from domlora.probes.config import ProbeConfig
from domlora.report import contests, figures
from domlora.search.answer import make_answer
from domlora.search.standings import points
from domlora.store.store import Store
from tests.helpers import stored_searches as searches
from tests.helpers.compared import fill
from tests.helpers.maps import make_map


def is_plain(figure) -> bool:
    """Whether it is JSON without NaN, and comes back as it was."""
    return json.loads(json.dumps(figure, allow_nan=False)) == figure


@pytest.mark.parametrize("path", sorted((sample_data_path() / "maps").glob("*math.parquet")), ids=lambda p: p.stem)
def test_every_module_has_its_cell_with_module_share_and_rank(path):
    energy = read(path)
    seen = 0
    for stack in energy.table["stack"].unique():
        figure = figures.heatmap(energy, stack)
        assert is_plain(figure)
        (cells,) = figure["data"]
        for y, kind in enumerate(cells["y"]):
            for x, layer in enumerate(cells["x"]):
                if cells["z"][y][x] is None:
                    assert cells["text"][y][x] == ""
                    continue
                rows = energy.table[(energy.table["layer"] == layer) & (energy.table["kind"] == kind)]
                (row,) = rows[rows["stack"] == stack].to_dict("records")
                assert cells["z"][y][x] == pytest.approx(row["share"])
                text = cells["text"][y][x]
                assert row["module"] in text and f"{row['share']:.2%}" in text and f"rank {row['rank']} of" in text
                seen += 1
    assert seen == len(energy.table)


def test_the_first_module_is_framed_on_its_cell_and_in_its_stack_alone(energy):
    figure = figures.heatmap(energy, "decoder")
    (frame,) = figure["layout"]["shapes"]
    kinds = figure["data"][0]["y"]
    best = energy.dominant
    assert (frame["x0"] + 0.5, kinds[int(frame["y0"] + 0.5)]) == (best["layer"], best["kind"])


def test_a_probe_that_prefers_low_scores_is_drawn_the_other_way_and_without_shares(energy):
    low = EnergyMap(energy.modules, energy.provenance.model_copy(update={"config": ProbeConfig(probe="plop")}))
    figure = figures.heatmap(low, "decoder")
    assert figure["data"][0]["reversescale"]
    assert "share" not in json.dumps(figure["data"])
    (bars,) = figures.strongest(low, 5)["data"]
    assert bars["x"] == sorted(bars["x"], reverse=True)  # the first on top: the last bar is the lowest score
    assert "error_x" not in bars


def test_modules_in_no_layer_are_left_out_and_nothing_fails():
    energy = make_map([3.0, 2.0, 1.0])
    energy.modules["layer"] = [np.nan, 0.0, 1.0]
    figure = figures.heatmap(energy, "decoder")
    assert figure["data"][0]["z"] == [pytest.approx([1 / 3, 1 / 6])]
    assert figure["layout"]["shapes"] == []  # the first module is not on the map


def test_bars_have_the_bootstrap_interval_of_their_module(energy):
    (bars,) = figures.strongest(energy, 15)["data"]
    first = energy.dominant.name
    low, high = energy.bootstrap.low[first], energy.bootstrap.high[first]
    assert bars["x"][-1] + bars["error_x"]["array"][-1] == pytest.approx(high)
    assert bars["x"][-1] - bars["error_x"]["arrayminus"][-1] == pytest.approx(low)


def test_differences_are_those_of_the_comparison_and_the_baseline_is_left_out(energy, compared):
    comparison = compared(fill(energy, steps=20, ended=True))
    figure = contests.differences(comparison)
    assert is_plain(figure)
    drawn = {trace["y"][0]: (trace["x"][0], trace["marker"]["color"]) for trace in figure["data"]}
    assert drawn.keys() == {"dominant", "qv"}
    assert drawn["qv"] == (pytest.approx(comparison.table.loc["qv", "difference"]), COLOURS[1])
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < 0 < comparison.table["difference_high"].max() < high


def test_curves_are_means_over_the_seeds_that_judge_at_the_chosen_rate(energy, compared):
    run = fill(energy, steps=20, ended=True)
    metrics = Store().runs.metrics(run.id)
    figure = contests.curves(compared(run), metrics)
    assert is_plain(figure)
    lines = {trace["name"]: trace for trace in figure["data"] if "name" in trace}
    assert lines.keys() == {"dominant, lr=0.001", "qv, lr=0.001", "all-linear, lr=0.001"}
    line = lines["dominant, lr=0.001"]
    assert line["x"] == [0, 10, 20]
    assert line["y"] == pytest.approx([2.505, 2.255, 2.005])
    assert line["customdata"][-1] == pytest.approx([2.0, 2.01])
    assert sum(trace.get("fill") == "toself" for trace in figure["data"]) == 3


def test_curves_of_a_run_that_goes_on_are_those_of_the_best_rate_so_far(energy, compared):
    run = fill(energy, steps=10, ended=False)
    figure = contests.curves(compared(run), Store().runs.metrics(run.id))
    assert next(t["name"] for t in figure["data"] if "name" in t) == "dominant, lr=0.001"
    assert contests.curves(compared(run), Store().runs.metrics(run.id).head(0)) is None


def test_a_rate_at_which_all_diverged_is_a_cross_at_the_edge(energy, compared):
    lost = [f"qv lr=0.01 seed={seed}" for seed in (0, 1)]
    comparison = compared(fill(energy, steps=20, ended=True, diverged=lost))
    figure = contests.learning_rates(comparison)
    assert is_plain(figure)
    line = next(trace for trace in figure["data"] if trace["name"] == "qv")
    assert line["marker"]["symbol"] == ["square", "x"]
    assert "all seeds diverged" in line["hovertext"][1]
    low, high = figure["layout"]["yaxis"]["range"]
    assert all(low < y < high for trace in figure["data"] for y in trace["y"])


def test_forgetting_has_a_bar_for_each_contestant_and_task(energy, compared):
    comparison = compared(fill(energy, steps=20, ended=True))
    figure = contests.forgetting(comparison)
    assert is_plain(figure)
    assert [(t["name"], t["x"], t["y"]) for t in figure["data"]] == [
        (name, ["chat"], [pytest.approx(0.1)]) for name in ("dominant", "qv", "all-linear")
    ]


def test_a_race_draws_each_entry_once_and_losses_above_the_base_at_the_edge(energy):
    answer = make_answer(searches.race(energy), None)
    table = points(answer.race, answer.rungs)
    figure = contests.race(table, {"qv": COLOURS[0], "dominant": COLOURS[1]})
    assert is_plain(figure)
    drawn = [
        (x, y, text)
        for trace in figure["data"]
        for x, y, text in zip(trace["x"], trace["y"], trace["hovertext"], strict=True)
        if x is not None
    ]
    assert len(drawn) == len(table)
    high = figure["layout"]["yaxis"]["range"][1]
    assert next(y for _, y, text in drawn if "9.000" in text) == searches.BASE < high
    fell = next(trace for trace in figure["data"] if trace["name"] == "fell out")
    ends = [i for i in range(len(fell["x"])) if fell["x"][i] is None]
    assert {fell["marker"]["symbol"][i - 1] for i in ends} == {"x"}
    assert figure["layout"]["xaxis"]["ticktext"] == ["start", "8", "16"]


def test_a_name_is_text_in_every_figure():
    name = '<a href="https://evil.example">%{x}</a>\u202e'
    energy = make_map([3.0, 1.0])
    energy.modules["module"] = [name, "b"]
    for figure in (figures.heatmap(energy, "decoder"), figures.strongest(energy, 2)):
        text = json.dumps(figure, ensure_ascii=False)
        assert "evil.example" in text
        assert not re.search(r"<a\b", text)
        assert "\u202e" not in text
