"""The main job in a real browser: see the maps, open a cell, launch a probe of a small model, see its map appear."""

import re

from tests.helpers.browser import MARKS, click_cell, settled

pytestmark = MARKS


def test_a_click_on_a_cell_opens_its_module_and_the_link_reopens_it(app, page):
    from playwright.sync_api import expect

    page.goto(app)
    expect(page.get_by_text("smollm2-135m", exact=False).first).to_be_visible()
    page.get_by_role("link", name="Energy map").click()
    settled(page)
    page.get_by_role("combobox", name="Energy map").click()
    page.get_by_role("option", name=re.compile("smollm2-135m on math")).click()
    expect(page.get_by_role("heading", name="smollm2-135m on math")).to_be_visible()
    settled(page)
    click_cell(page, column=4, row=0, columns=30, rows=7)
    expect(page).to_have_url(re.compile("module=model.layers.4.self_attn.q_proj"))
    page.goto(page.url)
    expect(page.get_by_role("combobox", name="Module")).to_have_value(re.compile("layers.4.self_attn.q_proj"))


def test_launching_a_probe_of_a_small_model_shows_its_map(app, page, tiny_folder, task_file, home):
    from playwright.sync_api import expect

    query = f"model=another+one&own_model={tiny_folder}&task=another+one&own_task={task_file}&samples=8&rank=4"
    page.goto(f"{app}/launch?{query}")
    expect(page.get_by_text("format messages, 8 train rows")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Open its energy map").click(timeout=120_000)
    expect(page.get_by_role("heading", name="tiny-llama on rows")).to_be_visible()
    expect(page.get_by_text("of 14 modules")).to_be_visible()
