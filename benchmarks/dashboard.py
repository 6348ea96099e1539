"""How fast each page of the dashboard is in a real browser, with what is shipped and with a store of thousands.

    python benchmarks/dashboard.py                          what is shipped
    python benchmarks/dashboard.py --maps 2000 --runs 500   and so many copies of it under names of their own

first     from the address to the page drawn: charts there, nothing running, in a dashboard that was just started
warm      the same again, in a new tab
rerun     from a click on a widget of the page to the end of the script that draws it again, as the browser sees it

Seconds; medians of `--rounds`, but for the first.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from domlora.energy import files as energy_files
from domlora.paths import sample_data_path
from domlora.store.packing import FILE, unpack
from domlora.store.store import Store

ROOT = Path(__file__).parents[1]
DRAWN = '[data-testid="stApp"][data-test-script-state="notRunning"]'
LIMIT = 120_000  # milliseconds


def toggle(label: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_text(label, exact=True).first.click()


def other_option(label: str) -> Callable[[Page], None]:
    """Chooses another option of a select box: the next one each time."""

    def act(page: Page) -> None:
        page.get_by_role("combobox", name=label).first.click()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")

    return act


def written(label: str, text: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.get_by_role("textbox", name=label).first.fill(text)
        page.keyboard.press("Enter")

    return act


# A page -> what is done on it to make it draw itself anew.
PAGES: dict[str, Callable[[Page], None] | None] = {
    "": written("Filter", "smollm2"),
    "find": other_option("Task"),
    "energy_map": other_option("Module"),
    "matrix": toggle("relative depth"),
    "launch": other_option("Task"),
    "compare": toggle("Curves"),
    "probes": other_option("Scores of"),
    "jobs": None,
}


def fill(home: Path, maps: int, runs: int) -> None:
    """Copies of what is shipped, of models and tasks of their own."""
    os.environ["DOMLORA_HOME"] = str(home)
    store = Store()
    shipped = [energy_files.read(path) for path in sorted((sample_data_path() / "maps").glob("*.parquet"))]
    for i in range(maps):
        energy = shipped[i % len(shipped)]
        changed = {"key": f"{i:064x}"[::-1], "model": f"model-{i // 20}", "task": f"task-{i % 20}"}
        store.maps.add(type(energy)(energy.modules, energy.provenance.model_copy(update=changed)))
    packed = sorted((sample_data_path() / "runs").glob(f"*/{FILE}"))
    with tempfile.TemporaryDirectory() as folder:
        for i in range(runs):
            content = json.loads(gzip.decompress(packed[i % len(packed)].read_bytes()))
            (run,) = content["runs"]
            id = f"{i:012x}"[::-1]
            run |= {"id": id, "key": id * 5, "model": f"model-{i % 25}", "facts": run["facts"] | {"shipped": False}}
            for table in ("variants", "metrics", "evaluations", "answers"):
                for row in content[table]:
                    row["run"] = id
            (Path(folder) / FILE).write_bytes(gzip.compress(json.dumps(content).encode(), 1))
            unpack(store, Path(folder))
    store.close()


@contextmanager
def started(home: Path) -> Iterator[str]:
    """A dashboard that was just started, at its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless", "true"]
    environment = {**os.environ, "DOMLORA_HOME": str(home)}
    process = subprocess.Popen(
        [*command, "--server.port", str(port)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    url = f"http://localhost:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health").read()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def drawn(page: Page) -> None:
    """Waits until nothing runs and every chart that was sent is there."""
    page.wait_for_selector(DRAWN, timeout=LIMIT)
    page.wait_for_function(
        "() => document.querySelectorAll('[data-testid=stSkeleton]').length === 0"
        " && [...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(c => c.querySelector('.main-svg'))",
        timeout=LIMIT,
    )


def opened(browser, address: str) -> tuple[Page, float]:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector('[data-testid="stMainBlockContainer"] h1', timeout=LIMIT)
    drawn(page)
    return page, time.perf_counter() - began


WATCH = """() => {
    window.ends = [];
    const app = document.querySelector('[data-testid=stApp]');
    new MutationObserver(() => {
        if (app.dataset.testScriptState === 'notRunning') window.ends.push(performance.now());
    }).observe(app, {attributes: true, attributeFilter: ['data-test-script-state']});
    window.began = performance.now();
}"""


def rerun(page: Page, act: Callable[[Page], None]) -> float:
    """From the act to the last time that the script ended and the page was drawn; what comes 2 s later is not of it."""
    page.wait_for_timeout(500)  # what the browser still does of the drawing before
    page.evaluate(WATCH)
    act(page)
    page.wait_for_function("() => window.ends.length > 0", timeout=LIMIT)
    page.wait_for_timeout(2000)
    drawn(page)
    return page.evaluate("() => (window.ends.at(-1) - window.began) / 1000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=0)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--home", type=Path, help="a store that is there, instead of a new one")
    parser.add_argument("--pages", default=",".join(PAGES))
    arguments = parser.parse_args()
    home = arguments.home or Path(tempfile.mkdtemp())
    if arguments.home is None:
        fill(home, arguments.maps, arguments.runs)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    print(f"{'page':12} {'first':>7} {'warm':>7} {'rerun':>7}")
    with sync_playwright() as playwright, started(home) as url:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in arguments.pages.split(","):
            page, first = opened(browser, f"{url}/{name}")
            page.close()
            warm, again, act = [], [], PAGES[name]
            for _ in range(arguments.rounds):
                page, seconds = opened(browser, f"{url}/{name}")
                warm.append(seconds)
                if act is not None:
                    again.append(rerun(page, act))
                page.close()
            told = f"{statistics.median(again):7.2f}" if again else ""
            print(f"{name or 'overview':12} {first:7.2f} {statistics.median(warm):7.2f} {told}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
