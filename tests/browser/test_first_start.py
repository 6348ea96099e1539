"""An empty home in a real browser: every page has real content at once, and nothing is asked of other hosts."""

import re
from urllib.parse import urlparse

import pytest

from tests.helpers.browser import MARKS

pytestmark = MARKS

WITH_CHARTS = ("", "find", "energy_map", "matrix", "compare", "probes")
WITHOUT = ("launch", "jobs")
HAS_DATA = """() => [...document.querySelectorAll('.js-plotly-plot')].some(
    plot => plot.data.some(trace => (trace.z ?? trace.y ?? trace.x ?? []).length > 0) && plot.querySelector('.main-svg')
)"""


@pytest.mark.parametrize("width", [1440, 800])
def test_every_page_has_a_chart_with_data_on_an_empty_home(app, page, width):
    from playwright.sync_api import expect

    hosts = set()
    page.on("request", lambda request: hosts.add(urlparse(request.url).hostname))
    page.set_viewport_size({"width": width, "height": 1000})
    for name in (*WITH_CHARTS, *WITHOUT):
        page.goto(f"{app}/{name}")
        expect(page.get_by_role("heading", level=1).first).to_be_visible(timeout=60_000)
        if name in WITH_CHARTS:
            page.wait_for_function(HAS_DATA, timeout=60_000)
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)
        assert page.get_by_test_id("stException").count() == 0, name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert hosts <= {"localhost", None}


def test_overview_leads_to_what_it_shows(app, page):
    from playwright.sync_api import expect

    page.goto(app)
    expect(page.get_by_text("1. Measure.")).to_be_visible()
    page.get_by_role("button", name="Open its map").first.click()
    expect(page).to_have_url(re.compile("/energy_map"))
    page.goto(app)
    page.get_by_role("button", name="See its training").first.click()
    expect(page).to_have_url(re.compile("/compare"))
    page.goto(app)
    page.get_by_role("button", name="Find my placement").click()
    expect(page).to_have_url(re.compile("/find"))
    page.goto(app)
    page.get_by_role("button", name="Measure a model").click()
    expect(page).to_have_url(re.compile("/launch"))


def test_a_click_on_a_thumbnail_and_on_a_row_opens_it(app, page):
    from playwright.sync_api import expect

    page.goto(app)
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    expect(plot).to_be_visible()
    page.wait_for_timeout(1500)  # the chart's own drawing
    box = plot.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page).to_have_url(re.compile("/energy_map"))
    page.goto(app)
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    box = table.bounding_box()
    page.mouse.click(box["x"] + 150, box["y"] + 36 + 18)  # somewhere in the first row, which is drawn on a canvas
    expect(page).not_to_have_url(re.compile(r"localhost:\d+/$"))


def test_the_menu_switches_the_theme(app, page):
    from playwright.sync_api import expect

    def ground() -> str:
        return page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")

    page.emulate_media(color_scheme="light")
    page.goto(f"{app}/jobs")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
    assert ground() == "rgb(255, 255, 255)"
    page.get_by_test_id("stMainMenuButton").click()
    page.get_by_test_id("stMainMenuItem-theme-Dark").click()
    page.wait_for_function(
        "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor !== 'rgb(255, 255, 255)'"
    )
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
    assert ground() != "rgb(255, 255, 255)"  # it is remembered
