"""Where the browser is, and how a test points and clicks into a chart."""

from __future__ import annotations

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


MAP = ".nsewdrag[data-subplot='xy']"  # of the first chart with a map: its cells, without the bars along its edges

# What is shown over the middle of each cell, row by row. Plotly answers at most every 50 ms: its clock is put forward.
HOVERS = """
([left, top, width, height, columns, rows]) => {
  const now = Date.now.bind(Date), found = [];
  let time = now();
  Date.now = () => (time += 1000);
  try {
    for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
      const at = {clientX: left + width * (column + 0.5) / columns, clientY: top + height * (row + 0.5) / rows};
      const under = document.elementFromPoint(at.clientX, at.clientY);
      under.dispatchEvent(new MouseEvent("mousemove", {...at, bubbles: true}));
      found.push(under.closest(".js-plotly-plot").querySelector(".hoverlayer").textContent);
    }
  } finally {
    const ahead = time - now();
    Date.now = () => now() + ahead;  // back, and the next pointer would be too early
  }
  return found;
}
"""


def settled(page) -> None:
    """Waits until the page was drawn to its end, charts included."""
    page.wait_for_timeout(1000)
    page.locator('[data-test-script-state="notRunning"]').first.wait_for(timeout=120_000)
    page.locator(MAP).first.wait_for(timeout=60_000)
    page.wait_for_timeout(1500)  # the chart's own drawing


def hover_cells(page, columns: int, rows: int) -> list[str]:
    """What the first map says over the middle of each of its cells, row by row."""
    page.locator(MAP).first.scroll_into_view_if_needed()
    box = page.locator(MAP).first.bounding_box()
    return page.evaluate(HOVERS, [box["x"], box["y"], box["width"], box["height"], columns, rows])


def click_cell(page, column: int, row: int, columns: int, rows: int, *, across: float = 0.5, down: float = 0.5) -> None:
    """Clicks into a heatmap's cell.

    Args:
        across, down: where in the cell, from its left and upper edge; its middle unless said.
    """
    box = page.locator(MAP).first.bounding_box()
    at = box["x"] + box["width"] * (column + across) / columns, box["y"] + box["height"] * (row + down) / rows
    page.mouse.move(*at)
    page.wait_for_timeout(200)  # no hand clicks sooner than Plotly looks where the pointer is
    page.mouse.click(*at)
