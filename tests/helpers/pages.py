"""One page of the dashboard in Streamlit's own test runner, and what it says."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


def page(name: str = "compare", **query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    for key, value in query.items():
        app.query_params[key] = value
    return app.switch_page(f"{name}/page.py").run()


def typed(app: AppTest, key: str, value: str) -> None:
    """Puts what is not among its options into a select box; the test runner's own boxes know their options alone."""
    box = app.selectbox(key=key)
    box.options.append(value)
    box.set_value(value).run()


def text(app: AppTest) -> str:
    """All that the page says in words."""
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(element.value for kind in kinds for element in kind)
