"""Which probe to trust, in a real browser: train single modules of a small model, see the ranking, choose a probe."""

import re

from tests.helpers.browser import MARKS
from tests.helpers.sweeping import write_task

pytestmark = MARKS


def test_ranking_probes_from_start_to_chart(app, page, tiny_folder, tmp_path):
    from playwright.sync_api import expect

    settings = {
        "model": "another one", "own_model": tiny_folder, "task": "another one",
        "own_task": write_task(tmp_path / "rows.jsonl", 60), "modules": 8, "rates": "1e-2, 1e-1", "steps": 4,
        "samples": 4, "rank": 2, "validation_rows": 6, "test_rows": 12,
    }  # fmt: skip
    page.goto(f"{app}/probes?" + "&".join(f"{name}={value}" for name, value in settings.items()))
    expect(page.get_by_text("24 single modules, 20 steps")).to_be_visible()  # what comes with domlora is shown first
    page.get_by_text("Train single modules and rank").click()
    expect(page.get_by_text("24 variants")).to_be_visible()
    page.get_by_role("button", name="Train and rank", exact=True).click()
    expect(page).to_have_url(re.compile("jobs="))
    page.get_by_role("button", name="Show its ranking").click(timeout=240_000)
    expect(page).not_to_have_url(re.compile("jobs="))
    # While the page runs anew, what it showed before stands beside what it shows now.
    expect(page.get_by_text("8 single modules, 4 steps")).to_have_count(1)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    expect(page.get_by_text("8 single modules, 4 steps", exact=False)).to_be_visible()
    expect(page.locator(".gtitle").first).to_contain_text("probes order these modules better")
    expect(page.locator(".gtitle").nth(1)).to_contain_text("PAGE: rho")

    page.get_by_role("combobox", name="Scores of").click()
    page.keyboard.type("PLoP")  # the list draws only the options that it has room for
    page.keyboard.press("Enter")
    expect(page.locator(".gtitle").nth(1)).to_contain_text("PLoP: rho")
    expect(page).to_have_url(re.compile("scored_by=PLoP"))
    page.goto(page.url)  # a link reopens the view
    expect(page.locator(".gtitle").nth(1)).to_contain_text("PLoP: rho")

    with page.expect_download() as download:
        page.get_by_role("button", name="Table as CSV").click()
    table = download.value.path().read_text(encoding="utf-8")
    assert all(f"\n{name}," in table for name in ("page", "plop", "random", "size"))
