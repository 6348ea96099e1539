"""A comparison in a real browser: launch it, see its curves move, cancel a variant, read and take away the result."""

import json
import re

import pytest

from domlora.energy.files import read
from domlora.paths import sample_data_path
from domlora.store.store import Store
from tests.helpers.browser import MARKS
from tests.helpers.compared import fill

pytestmark = MARKS
PLACEMENTS = ("dominant", "qv", "all-linear")
STEPS = 250


@pytest.fixture
def rows_file(tmp_path):
    """Sixty rows in chat form: enough to train, validate and test on."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"what is {i % 7} and the {'lazy' if i % 2 else 'quick'} dog?"},
                {"role": "assistant", "content": "four, the brown fox" + " jumps over" * (i % 3)},
            ]
        }
        for i in range(60)
    ]
    path = tmp_path / "sixty.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def last_step(page) -> int:
    """The step that the title of the curves speaks of."""
    found = re.search(r"at step (\d+)", page.locator(".gtitle").first.text_content())
    return int(found[1]) if found else -1


def wait_beyond(page, step: int) -> int:
    """Waits until the curves have grown beyond a step, without touching the page."""
    for _ in range(120):
        if (reached := last_step(page)) > step:
            return reached
        page.wait_for_timeout(500)
    raise AssertionError(f"the curves do not grow beyond step {last_step(page)}")


def test_comparing_three_placements_from_start_to_download(app, page, tiny_folder, rows_file):
    from playwright.sync_api import expect

    settings = {
        "kind": "Comparison", "model": "another one", "own_model": tiny_folder, "task": "another one",
        "own_task": rows_file, "rates": "1e-3, 1e-2", "seeds": 2, "steps": STEPS, "samples": 8, "rank": 2,
        "validation_rows": 8, "test_rows": 12, "evaluate_every": 5, "forgetting_rows": 0, "answers": 1,
    }  # fmt: skip
    query = "&".join(f"{name}={value}" for name, value in settings.items())
    query += "".join(f"&placements={name}" for name in PLACEMENTS)
    page.goto(f"{app}/launch?{query}")
    expect(page.get_by_text("12 variants")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("link", name="Watch it on Compare").click(timeout=120_000)

    expect(page.get_by_text("variants: 6 training")).to_be_visible(timeout=120_000)
    wait_beyond(page, wait_beyond(page, 0))

    page.get_by_text("Cancel", exact=True).click()
    page.wait_for_timeout(1500)  # the box opens with an animation that drops what is typed meanwhile
    page.get_by_role("combobox", name="Variants").fill("qv lr=0.01 seed=1000")
    page.get_by_role("option", name="qv lr=0.01 seed=1000").click()
    page.get_by_role("button", name="Cancel these").click()
    expect(
        page.get_by_text("Stopping: qv lr=0.01 seed=1000.").or_(page.get_by_text("1 cancelled")).first
    ).to_be_visible()
    page.get_by_role("combobox", name="Variants").click()
    expect(page.get_by_role("option", name="qv lr=0.001 seed=1000")).to_be_visible()
    assert not page.get_by_role("option", name="qv lr=0.01 seed=1000").count(), "it leaves the list at once"
    page.keyboard.press("Escape")
    expect(page.get_by_text("1 cancelled").first).to_be_visible()

    expect(page.get_by_text("11 done, 1 cancelled").first).to_be_visible(timeout=300_000)
    expect(page.get_by_text("trainable parameters (log)")).to_be_visible()  # the first view of a run that has ended
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    expect(page).to_have_url(re.compile(r"run=[0-9a-f]{12}$"))
    page.goto(page.url)  # a link reopens it
    expect(page.get_by_text("trainable parameters (log)")).to_be_visible()

    page.get_by_text("Take away", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Table as CSV").click()
    table = download.value.path().read_text(encoding="utf-8")
    assert all(name in table for name in PLACEMENTS)
    with page.expect_download() as download:
        page.get_by_role("button", name="Adapter and recipes as ZIP").click()
    assert download.value.path().read_bytes().startswith(b"PK")


@pytest.fixture
def two_runs(home):
    """The newer and the older of two finished runs."""
    energy = read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")
    return fill(energy, steps=20, ended=True, key="ab"), fill(energy, steps=20, ended=True, key="cd")


@pytest.mark.parametrize("width", [1440, 800])
def test_back_and_forward_bring_view_and_address_together(app, page, two_runs, width):
    from playwright.sync_api import expect

    newer, older = two_runs
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(f"{app}/compare")
    result, curves = page.get_by_text("differ from all-linear beyond"), page.get_by_text("qv, lr=0.001 is lowest")
    expect(page).to_have_url(f"{app}/compare?run={newer.id}")  # at once, though it is the newest
    expect(result).to_be_visible(timeout=60_000)
    page.get_by_text("Curves", exact=True).click()
    expect(page.get_by_text("all-linear, lr=0.001 is")).to_be_visible()
    page.get_by_role("button", name="Options").click()
    page.get_by_role("textbox", name="Filter").fill("qv")
    page.get_by_role("textbox", name="Filter").press("Enter")
    expect(curves).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_text("Result", exact=True).click()
    expect(result).to_be_visible()
    page.go_back()
    expect(page).to_have_url(f"{app}/compare?run={newer.id}&view=Curves&variant_filter=qv")
    expect(curves).to_be_visible()
    expect(result).to_be_hidden()
    page.go_forward()
    expect(result).to_be_visible()
    page.get_by_role("combobox", name="Run").fill(older.id)
    page.get_by_role("option", name=older.id).click()
    expect(page).to_have_url(re.compile(f"run={older.id}"))
    page.go_back()
    expect(page).to_have_url(re.compile(f"run={newer.id}"))
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile(newer.id))


def test_a_run_is_named_in_the_table_and_deleted_once_that_is_said_twice(app, page, two_runs):
    from playwright.sync_api import expect

    newer, older = two_runs
    page.goto(f"{app}/compare?run={newer.id}&view=All+runs")
    expect(page.get_by_text(re.compile(r"\d runs\. Choose rows"))).to_be_visible(timeout=60_000)
    choose_row(page, 1)
    page.get_by_role("textbox", name="Name").fill("the older")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert Store().runs.get(older.id).notes.name == "the older"
    page.get_by_role("button", name="Open this run").click()
    expect(page).to_have_url(f"{app}/compare?run={older.id}")
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("the older"))
    page.goto(f"{app}/compare?run={newer.id}&view=All+runs")
    expect(page.get_by_text(re.compile(r"\d runs\. Choose rows"))).to_be_visible(timeout=60_000)
    choose_row(page, 0)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Nothing brings them back")).to_be_visible()
    assert {newer.id, older.id} < {run.id for run in Store().runs.list()}  # and those that come with domlora
    page.get_by_role("button", name="Delete 1 run").click()
    expect(page).to_have_url(re.compile(f"run={older.id}"))
    left = {run.id for run in Store().runs.list()}
    assert older.id in left and newer.id not in left
    page.goto(f"{app}/compare?run={newer.id}")
    expect(page.get_by_text(f"The store has no run '{newer.id}'")).to_be_visible()
    assert not page.locator(".js-plotly-plot").count(), "no other run is shown in its place"


def choose_row(page, row: int) -> None:
    """Ticks the box at the left of a table's row."""
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    page.mouse.click(box["x"] + 16, box["y"] + 35 * (row + 1.5))
