"""Navigation, nothing else: `streamlit run dashboard/app.py`."""

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
# `streamlit run` puts this folder on the path, and the pages import it as a package.
sys.path.insert(0, str(HERE.parent))
MARK = str(HERE / "shared" / "mark.svg")
# The bar on top holds title and menu: what Streamlit leaves free below it is not needed.
LESS_ROOM = "<style>.stMainBlockContainer {padding-top: 4.5rem; padding-bottom: 3rem}</style>"


def page(folder: str, title: str, icon: str, *, default: bool = False) -> st.Page:
    """The page of a folder, at the address of that name."""
    return st.Page(
        f"{folder}/page.py", title=title, icon=f":material/{icon}:", default=default,
        url_path=None if default else folder,
    )  # fmt: skip


st.set_page_config(page_title="domlora", page_icon=MARK, layout="wide", initial_sidebar_state="collapsed")
st.logo(MARK, size="large")
st.html(LESS_ROOM)
st.navigation(
    [
        page("overview", "Overview", "home", default=True),
        page("find", "Find", "search"),
        page("energy_map", "Energy map", "grid_on"),
        page("matrix", "Architectures × tasks", "view_module"),
        page("launch", "Launch", "play_arrow"),
        page("compare", "Compare", "compare_arrows"),
        page("probes", "Probes", "leaderboard"),
        page("jobs", "Jobs", "list"),
    ],
    position="top",
).run()
