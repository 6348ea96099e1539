"""The dashboard as a user starts it, and a page of a real browser."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.helpers.browser import CHROMIUM

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
    environment.pop("HF_HUB_OFFLINE", None)  # of the tests, not of a user
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
    process.wait(60)


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
