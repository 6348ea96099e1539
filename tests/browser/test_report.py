"""A report in a real browser: opened from the disk without any network, its charts are drawn and hover. The button."""

import pytest

from domlora.energy.files import read
from domlora.paths import sample_data_path
from domlora.report import page as pages
from domlora.report.subjects import parts_of
from domlora.store.store import Store
from tests.helpers.browser import MARKS
from tests.helpers.stored_searches import stored
from tests.helpers.waiting import eventually

pytestmark = MARKS
WAIT = 90_000  # milliseconds for a first look on a machine that is busy
LIGHT, DARK = "rgb(31, 36, 48)", "rgb(230, 233, 238)"


@pytest.fixture
def file(tmp_path):
    """A report of a map, a comparison and a search."""
    energy = read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")
    store = Store()
    store.maps.add(energy)
    race = stored(energy, judged=True)
    path = tmp_path / "report.html"
    pages.write(pages.html(parts_of(store, [energy.id, "abab", race.id])), path)
    return path


def ink(page) -> str:
    """The colour of the first chart's numbers."""
    return page.locator(".plot .xtick text").first.evaluate("text => getComputedStyle(text).fill")


def test_a_report_opens_from_the_disk_and_hovers_in_light_and_dark(file, page):
    from playwright.sync_api import expect

    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.route("http*://**", lambda route: route.abort())
    page.emulate_media(color_scheme="light")
    page.goto(file.as_uri())
    plots = page.locator(".plot")
    expect(plots).to_have_count(8, timeout=WAIT)
    for i in range(8):
        expect(plots.nth(i).locator(".main-svg").first).to_be_visible(timeout=WAIT)
    assert ink(page) == LIGHT
    expect(page.locator(".absent:visible")).to_have_count(0)

    cells = plots.first.locator(".nsewdrag").first
    cells.scroll_into_view_if_needed()
    box = cells.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 11.5 / 30, box["y"] + box["height"] * 6.5 / 7)
    expect(plots.first.locator(".hoverlayer")).to_contain_text("model.layers.11.mlp.down_proj")
    expect(plots.first.locator(".hoverlayer")).to_contain_text("share 4.48%, rank 1 of 210")

    page.emulate_media(color_scheme="dark")
    expect(plots.first.locator(".xtick text").first).to_have_css("fill", DARK)
    assert page.evaluate("getComputedStyle(document.body).color") == DARK
    page.set_viewport_size({"width": 800, "height": 900})
    eventually(lambda: plots.first.locator(".main-svg").first.bounding_box()["width"] <= 800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    page.get_by_role("link", name="Search: smollm2-135m on math").click()
    expect(page.get_by_role("heading", name="Search: smollm2-135m on math")).to_be_in_viewport()
    assert {url.partition("#")[0] for url in asked} == {file.as_uri()}
    assert wrong == []


def test_without_script_text_and_tables_are_there(file, page):
    from playwright.sync_api import expect

    context = page.context.browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(file.as_uri())
    expect(plain.get_by_text("This chart needs JavaScript.").first).to_be_visible(timeout=WAIT)
    expect(plain.get_by_role("cell", name="model.layers.12.self_attn.v_proj")).to_be_visible()
    expect(plain.get_by_text("The lowest test loss is all-linear's")).to_be_visible()


def test_the_button_hands_out_the_report_of_what_the_page_shows(app, file, page):
    for address, title in (
        ("compare?run=abababababab&view=Take+away", "Comparison: smollm2-135m on math"),
        ("find?search=5e5e5e5e5e5e", "Search: smollm2-135m on math"),
        ("energy_map?tab=Data+and+provenance", "Energy map: "),
    ):
        page.goto(f"{app}/{address}")
        assert f"<title>{title}" in handed_out(page)


def handed_out(page) -> str:
    """What the button hands out, once the page was drawn to its end: a click before that finds an older button."""
    from playwright.sync_api import TimeoutError as Late
    from playwright.sync_api import expect

    button = page.get_by_role("button", name="Report as HTML")
    for _ in range(4):
        expect(button).to_be_visible(timeout=WAIT)
        page.locator('[data-test-script-state="notRunning"]').first.wait_for(timeout=WAIT)
        page.wait_for_timeout(2000)
        try:
            with page.expect_download(timeout=20_000) as download:
                button.click()
        except Late:
            continue
        return download.value.path().read_text(encoding="utf-8")
    raise AssertionError("the button hands nothing out")
