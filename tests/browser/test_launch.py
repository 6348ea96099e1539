"""The panel of Launch that shows what a model will learn, as a browser draws it."""

import json
from urllib.parse import urlencode

import pytest

from tests.helpers.browser import MARKS

pytestmark = MARKS

STRANGE = "<script>alert(1)</script> <img src=x onerror=alert(1)> **b** [red]x[/red] $z$"


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
    expect(trained).to_have_text(f"say {STRANGE}<|im_end|>", timeout=120_000)
    expect(page.get_by_text(f"ask {STRANGE}")).to_be_visible()

    assert trained.evaluate("e => getComputedStyle(e).textDecorationLine") == "underline"
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    panel.click()
    expect(trained).to_have_count(0)
    assert not dialogs
