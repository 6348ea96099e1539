"""Launch and Jobs, as a browser draws them: what a box shows is what runs, and what was asked for twice runs once."""

import json
import re
from urllib.parse import urlencode

import pytest

from domlora.jobs.queue import Queue
from domlora.jobs.spec import ProbeRequest
from domlora.store.store import Store
from tests.helpers.browser import MARKS

pytestmark = MARKS

STRANGE = "<script>alert(1)</script> <img src=x onerror=alert(1)> **b** [red]x[/red] $z$"
WAIT = 240_000  # milliseconds; a probe takes seconds, and minutes on a machine that is busy


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_trained_stands_out_and_what_rows_say_is_text(app, page, tmp_path, scheme):
    from playwright.sync_api import expect

    path = tmp_path / "strange.jsonl"
    path.write_text(json.dumps({"prompt": f"ask {STRANGE}", "completion": f"say {STRANGE}"}), encoding="utf-8")
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.set_viewport_size({"width": 800, "height": 1000})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{app}/launch?{urlencode({'model': 'ref-llama', 'task': 'another one', 'own_task': path})}")
    panel = page.get_by_text("What the model will learn")
    panel.click()
    trained = page.locator("mark")
    expect(trained).to_have_text(f"say {STRANGE}<|im_end|>", timeout=WAIT)
    expect(page.get_by_text(f"ask {STRANGE}")).to_be_visible()

    assert trained.evaluate("e => getComputedStyle(e).textDecorationLine") == "underline"
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    panel.click()
    expect(trained).to_have_count(0)
    assert not dialogs


@pytest.mark.parametrize("width", [1440, 800])
def test_what_the_box_shows_is_what_runs_and_runs_once(app, page, tiny_folder, width):
    from playwright.sync_api import expect

    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(f"{app}/launch?{urlencode({'task': 'math', 'samples': 4, 'rank': 4, 'max_length': 256})}")
    box = page.get_by_role("combobox", name=re.compile("Model"))
    expect(box).to_have_value("smollm2-135m", timeout=WAIT)
    box.click()
    page.keyboard.type(str(tiny_folder))
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"Measures PAGE of {tiny_folder.name} on math.")).to_be_visible(timeout=WAIT)
    expect(box).to_have_value(str(tiny_folder))
    box.click()
    page.keyboard.type("someone/another-model")
    page.keyboard.press("Escape")  # not taken: the box goes back to what runs
    expect(box).to_have_value(str(tiny_folder))
    box.click()
    page.keyboard.type("no model at all")
    page.keyboard.press("Enter")
    expect(page.get_by_text("no model 'no model at all'")).to_be_visible(timeout=WAIT)
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_disabled()
    page.goto(page.url.replace("model=no+model+at+all", urlencode({"model": tiny_folder})))

    start.click(timeout=WAIT)
    launched = page.locator(".st-key-launched")
    expect(launched).to_contain_text(f"Probe of {tiny_folder} on math", timeout=WAIT)
    expect(launched).to_be_in_viewport()
    expect(launched.get_by_text("spreads as over")).to_be_visible(timeout=WAIT)  # the finding, not "Done."

    page.goto(re.sub(r"[&?]job=\w+", "", page.url))
    expect(page.get_by_role("link", name=re.compile(r"Measured on \d+ \w+ \d+: open it"))).to_be_visible(timeout=WAIT)
    page.get_by_role("button", name="Open it").click()
    expect(page).to_have_url(re.compile("/energy_map"))
    (job,) = Queue(Store()).list()
    assert (job.request.model, job.status) == (str(tiny_folder), "done")


def test_old_addresses_and_further_placements_are_taken(app, page, tiny_folder):
    from playwright.sync_api import expect

    query = {
        "kind": "Comparison", "model": "another one", "own_model": tiny_folder, "task": "math",
        "placements": ["qv", "random:1"], "more_placements": "down@1, o", "steps": "seven",
    }  # fmt: skip
    page.set_viewport_size({"width": 800, "height": 1000})
    page.goto(f"{app}/launch?{urlencode(query, doseq=True)}")
    expect(page.get_by_role("combobox", name=re.compile("Model"))).to_have_value(str(tiny_folder), timeout=WAIT)
    for name in ("qv", "random:1", "down@1", "o"):
        expect(page.get_by_test_id("stMultiSelect").first.get_by_text(name, exact=True)).to_be_visible()
    expect(page.get_by_text("cannot be chosen here: seven")).to_be_visible()
    expect(page.get_by_text("Trains 4 placements on")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    expect(page).not_to_have_url(re.compile("own_model|more_placements"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    page.get_by_role("radio", name=re.compile("quick look")).click()
    expect(page).to_have_url(re.compile("steps=30"))
    expect(page).to_have_url(re.compile("random%3A1"))


def test_many_jobs_are_cancelled_and_tried_again_at_once(app, page):
    from playwright.sync_api import expect

    queue = Queue(Store())
    for name in ("one", "two", "three"):
        queue.submit(ProbeRequest(model=f"/no/such/{name}", task="math"))
    page.goto(f"{app}/jobs")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("button", name="Cancel", exact=True).first).to_be_disabled()

    def choose_all():
        box = table.bounding_box()
        page.mouse.click(box["x"] + 20, box["y"] + 18)  # the head of the column of boxes

    choose_all()
    page.get_by_role("button", name="Cancel 3 jobs").click(timeout=WAIT)
    expect(page.get_by_text("3 jobs will stop within seconds.")).to_be_visible()
    assert {job.status for job in queue.list()} == {"cancelled"}
    choose_all()
    page.get_by_role("button", name="Try 3 jobs again").click(timeout=WAIT)
    expect(page.get_by_text("3 jobs queued again.")).to_be_visible()
    assert len(queue.list()) == 6
    assert len([job for job in queue.list() if job.status != "cancelled"]) == 3
