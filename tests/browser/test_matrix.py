"""Architectures × tasks in a real browser: a cell that is missing is measured, appears, and is compared."""

import json
import re

from tests.helpers.browser import MARKS

pytestmark = MARKS


def test_a_missing_cell_is_measured_and_compared(app, page, tiny_folder, task_file):
    from playwright.sync_api import expect

    query = f"model=another+one&own_model={tiny_folder}&task=another+one&own_task={task_file}&samples=8&rank=4"
    page.goto(f"{app}/launch?{query}")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("button", name="Open its energy map")).to_be_visible(timeout=120_000)

    page.get_by_role("link", name="Architectures × tasks").click()
    expect(page.get_by_text("cells have no map by PAGE")).to_be_visible()
    page.goto(f"{app}/matrix?architectures=tiny-llama&matrix_tasks=rows&matrix_tasks=math")
    expect(page.get_by_text("1 of 2 cells has no map by PAGE")).to_be_visible()
    expect(page.locator(".annotation-text").filter(has_text="no map yet")).to_have_count(1)
    page.get_by_role("button", name="Measure the missing cell").click()
    expect(page.get_by_text("All 2 cells are measured")).to_be_visible(timeout=120_000)
    expect(page.locator(".annotation-text").filter(has_text="no map yet")).to_have_count(0)  # without a reload
    expect(page.get_by_text(re.compile("tiny-llama: .*on .* 2 tasks")).first).to_be_visible()
    expect(page.get_by_role("button", name="Measure missing cells")).to_be_disabled()

    page.get_by_text("Agreement", exact=True).click()
    expect(page.get_by_text("Spearman's rho of all scores")).to_be_visible()
    expect(page).to_have_url(re.compile("panel=Agreement"))
    page.goto(page.url)  # a link reopens the view
    expect(page.get_by_text("Spearman's rho of all scores")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Agreement as JSON").click()
    (between,) = json.loads(download.value.path().read_text(encoding="utf-8"))["between_tasks"]
    assert sorted(between["labels"]) == ["math", "rows"]
