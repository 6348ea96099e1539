"""The energy map in a real browser: its cells, its address, and picked cells as placements on Launch."""

import re
from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from tests.helpers.browser import MARKS, click_cell, hover_cells, settled
from tests.helpers.maps import KINDS, deep_map

pytestmark = MARKS
ROWS = KINDS
NONE = ((3, "q"), (9, "down"))  # cells without a module


def click(page, layer: int, kind: str) -> None:
    """Clicks a cell of SmolLM2's map, once it is drawn anew."""
    settled(page)
    click_cell(page, column=layer, row=ROWS.index(kind), columns=30, rows=len(ROWS))


def test_picked_cells_open_launch_as_placements(app, page):
    from playwright.sync_api import expect

    page.goto(f"{app}/energy_map")
    settled(page)
    page.get_by_role("combobox", name="Energy map").click()
    page.get_by_role("option", name=re.compile("smollm2-135m on math")).click()
    expect(page.get_by_role("heading", name="smollm2-135m on math")).to_be_visible()
    page.get_by_text("Pick modules", exact=True).first.click()
    expect(page.get_by_text("Click cells to pick modules (0 picked)")).to_be_visible()
    for layer, kind, count in ((4, "q", 1), (20, "up", 2), (9, "v", 3), (9, "v", 2)):  # the last click drops its cell
        click(page, layer, kind)
        expect(page.get_by_text(f"Click cells to pick modules ({count} picked)")).to_be_visible()
    query = parse_qs(urlparse(page.url).query)
    assert query["cells"] == ["model.layers.4.self_attn.q_proj", "model.layers.20.mlp.up_proj"]

    link = page.url
    page.goto(link)  # the link alone brings the picks back
    expect(page.get_by_text("Click cells to pick modules (2 picked)")).to_be_visible()
    page.get_by_role("button", name="Launch them as one placement").click()
    expect(page.get_by_role("heading", name="Launch")).to_be_visible()
    expect(page.get_by_text(re.compile("variants"))).to_be_visible()
    query = parse_qs(urlparse(page.url).query)
    assert query["picked"] == ["model.layers.4.self_attn.q_proj", "model.layers.20.mlp.up_proj"]
    assert query["kind"] == ["Comparison"]

    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(1000)
    page.go_back()
    expect(page).to_have_url(re.compile(r"/energy_map\?(.*&)?map=smollm2"))
    expect(page.get_by_text("Click cells to pick modules (2 picked)")).to_be_visible()
    back = parse_qs(urlparse(page.url).query)
    assert back["map"] == parse_qs(urlparse(link).query)["map"]
    assert back["cells"] == query["picked"]

    page.get_by_role("button", name="Launch each by itself").click()
    expect(page.get_by_role("heading", name="Launch")).to_be_visible()
    expect(page.get_by_text("Click cells to pick modules (2 picked)")).to_be_visible()
    expect(page.get_by_text(re.compile(r"\(2 placements × "))).to_be_visible()  # and none that nobody asked for
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()


@pytest.mark.parametrize("width", [800, 1440])
def test_every_cell_says_and_chooses_its_own_module(app, page, width):
    from playwright.sync_api import expect

    page.set_viewport_size({"width": width, "height": 1200})
    for layers in (18, 30, 80):
        energy = deep_map(layers, model="deep", gaps=NONE)
        Store().maps.add(energy)
        page.goto(f"{app}/energy_map?{urlencode({'map': energy.id})}")  # by its id alone
        settled(page)
        said = hover_cells(page, layers, len(ROWS))
        names = {(row.layer, row.kind): row.module for row in energy.modules.itertuples()}
        for i, text in enumerate(said):
            layer, kind = i % layers, ROWS[i // layers]
            wanted = names.get((layer, kind), f"layer {layer} has no {kind}")
            assert text.startswith(wanted + ("layer" if (layer, kind) in names else "")), (layers, layer, kind, text)

        last = layers - 1
        points = [(layers // 2, 2, 0.5, 0.5), (last - 1, 5, 0.3, 0.1), (1, 4, 0.7, 0.9)]
        if layers == 80 and width == 800:
            points = points[:1]  # a cell is four pixels wide
        for column, row, across, down in points:
            click_cell(page, column, row, layers, len(ROWS), across=across, down=down)
            module = names[column, ROWS[row]]
            expect(page.get_by_role("combobox", name="Module")).to_have_value(module)
            page.wait_for_timeout(1000)  # the chart's own drawing
        click_cell(page, *(3, ROWS.index("q")), layers, len(ROWS))  # no module there: nothing happens
        settled(page)
        expect(page.get_by_role("combobox", name="Module")).to_have_value(module)
        assert parse_qs(urlparse(page.url).query) == {"map": [f"deep on math ({energy.id})"], "module": [module]}


def test_the_address_names_what_is_shown_and_nothing_else(app, page):
    from playwright.sync_api import expect

    small, large, fisher = (
        deep_map(18, model="deep-18"),
        deep_map(30, model="deep-30"),
        deep_map(12, model="deep-30", key="f" * 64, config=ProbeConfig(probe="fisher")),
    )
    for energy in (small, large, fisher):
        Store().maps.add(energy)
    module = page.get_by_role("combobox", name="Module")

    page.goto(f"{app}/energy_map?map=no-such-map")
    expect(page.get_by_text("There is no energy map “no-such-map” here")).to_be_visible(timeout=60_000)
    expect(page.locator(".gtitle")).to_have_count(0)
    assert page.url.endswith("?map=no-such-map")

    page.goto(
        f"{app}/energy_map?{urlencode({'map': large.id, 'module': 'model.layers.29.mlp.up_proj', 'log': 'true'})}"
    )
    settled(page)
    expect(module).to_have_value("model.layers.29.mlp.up_proj")
    assert parse_qs(urlparse(page.url).query)["scale"] == ["log"]  # as links of earlier versions ask
    page.get_by_role("combobox", name="Probe").click()
    page.get_by_role("option", name="Fisher").click()
    settled(page)
    expect(module).to_have_value(fisher.dominant["module"])  # that layer does not exist there
    assert "module" not in parse_qs(urlparse(page.url).query)

    page.get_by_role("combobox", name="Energy map").focus()
    page.get_by_test_id("stSelectbox").filter(has_text="Energy map").get_by_label("Clear value").click()
    expect(page.get_by_text("Choose an energy map.")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
    page.get_by_role("combobox", name="Energy map").click()
    page.get_by_role("option", name="deep-30").click()
    settled(page)
    expect(page.get_by_role("heading", name="deep-30 on math")).to_be_visible()
