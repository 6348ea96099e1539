"""Cells picked on the energy map in a real browser become placements on the Launch page."""

import re
from urllib.parse import parse_qs, urlparse

from tests.helpers.browser import MARKS, click_cell

pytestmark = MARKS
ROWS = ("q", "k", "v", "o", "gate", "up", "down")


def click(page, layer: int, kind: str) -> None:
    """Clicks a cell of SmolLM2's map, once it is drawn anew."""
    page.wait_for_timeout(1500)
    click_cell(page, column=layer, row=ROWS.index(kind), columns=30, rows=len(ROWS))


def test_picked_cells_open_launch_as_placements(app, page):
    from playwright.sync_api import expect

    page.goto(f"{app}/energy_map")
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

    page.goto(link)
    page.get_by_role("button", name="Launch each by itself").click()
    expect(page.get_by_role("textbox", name="Further placements")).to_have_value("q@4, up@20")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()
