"""The main job in a real browser: see the maps, open a cell, launch a probe of a small model, see its map appear."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(home):
    """Address of the running dashboard, as a user starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless", "true"]
    # One thread: models this small are no faster with more, and far slower where something else has the other core.
    environment = {**os.environ, "DOMLORA_HOME": str(home), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--server.port", str(port)], cwd=ROOT, env=environment)
    url = f"http://localhost:{port}"
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health").read()
            break
        except OSError:
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture
def page():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic", "--disable-background-networking"]
        )
        yield browser.new_page(viewport={"width": 1440, "height": 1000})
        browser.close()


def click_cell(page, column: int, row: int, columns: int, rows: int) -> None:
    """Clicks the middle of a heatmap's cell."""
    box = page.locator(".nsewdrag").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * (column + 0.5) / columns, box["y"] + box["height"] * (row + 0.5) / rows)


def test_a_click_on_a_cell_opens_its_module_and_the_link_reopens_it(app, page):
    from playwright.sync_api import expect

    page.goto(app)
    expect(page.get_by_text("smollm2-135m", exact=False).first).to_be_visible()
    page.get_by_role("link", name="Energy map").click()
    page.get_by_role("combobox", name="Energy map").click()
    page.get_by_role("option", name=re.compile("smollm2-135m on math")).click()
    expect(page.get_by_role("heading", name="smollm2-135m on math")).to_be_visible()
    expect(page.locator(".nsewdrag").first).to_be_visible()
    page.wait_for_timeout(1500)  # the chart's own drawing
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
