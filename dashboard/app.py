"""Navigation, nothing else: `streamlit run dashboard/app.py`."""

import sys
from pathlib import Path

import streamlit as st

# `streamlit run` puts this folder on the path, and the pages import it as a package.
sys.path.insert(0, str(Path(__file__).parents[1]))

PAGES = Path(__file__).parent / "views"  # a folder called pages would be Streamlit's own, older way of navigation

st.set_page_config(page_title="domlora", page_icon=":material/grid_on:", layout="wide")
st.navigation(
    [
        st.Page(PAGES / "overview.py", title="Overview", icon=":material/home:", default=True),
        st.Page(PAGES / "energy_map.py", title="Energy map", icon=":material/grid_on:", url_path="energy_map"),
        st.Page(PAGES / "matrix.py", title="Architectures × tasks", icon=":material/view_module:", url_path="matrix"),
        st.Page(PAGES / "launch.py", title="Launch", icon=":material/play_arrow:", url_path="launch"),
        st.Page(PAGES / "compare.py", title="Compare", icon=":material/compare_arrows:", url_path="compare"),
        st.Page(PAGES / "probes.py", title="Probes", icon=":material/leaderboard:", url_path="probes"),
        st.Page(PAGES / "jobs.py", title="Jobs", icon=":material/list:", url_path="jobs"),
    ]
).run()
