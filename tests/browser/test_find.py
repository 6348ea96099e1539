"""A search in a real browser: ask for it, watch a rung end, read the answer, take it away."""

import json
import re

from tests.helpers.browser import MARKS

pytestmark = MARKS
WAIT = 600_000  # milliseconds that the whole race of a small model may take on a machine that is busy

SETTINGS = {
    "model": "ref-llama", "task": "math", "minutes": 10, "steps": 8, "samples": 4, "rank": 2, "batch_size": 1,
    "max_length": 96, "validation_rows": 8, "test_rows": 8, "forgetting_rows": 0,
}  # fmt: skip


def test_finding_a_placement_from_start_to_download(app, page):
    from playwright.sync_api import expect

    page.goto(f"{app}/find?{'&'.join(f'{name}={value}' for name, value in SETTINGS.items())}")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile(r"/find\?job=\w+$"))
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()

    expect(page.locator(".gtitle").filter(has_text=re.compile("Rung 1"))).to_be_visible(timeout=WAIT)
    expect(page.get_by_text("leads with a validation loss")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()

    expect(page.get_by_role("heading", name=re.compile("^Adapt "))).to_be_visible(timeout=WAIT)
    expect(page.locator(".gtitle").filter(has_text="the finalists are named")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="adapter_config.json").click()
    config = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert config["peft_type"] == "LORA"
    assert config["r"] == 2

    headline = page.get_by_role("heading", name=re.compile("^Adapt ")).inner_text()
    page.goto(page.url)  # a link reopens it
    expect(page.get_by_role("heading", name=headline)).to_be_visible()
    page.get_by_role("button", name="New search and earlier ones").click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    expect(page.get_by_text(headline)).to_be_visible()
    page.get_by_role("button", name=re.compile("ref-llama on math")).click()
    expect(page.get_by_role("heading", name=headline)).to_be_visible()
    expect(page).to_have_url(re.compile(r"/find\?search=\w+$"))
