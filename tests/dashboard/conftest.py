"""What every test of a page begins with."""

import pytest

from dashboard.shared import queries


@pytest.fixture(autouse=True)
def fresh_caches():
    """Streamlit's caches live as long as the process; every test begins without them."""
    import streamlit as st

    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def may_fetch(monkeypatch):
    """Pages say what would be fetched, and fetch nothing."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@pytest.fixture
def shipped_runs():
    """Asks for the comparisons that come with domlora, which other tests do without."""


@pytest.fixture(autouse=True)
def only_own_runs(request, monkeypatch):
    if "shipped_runs" not in request.fixturenames:
        monkeypatch.setattr(queries, "take_in_runs", lambda store: None)


@pytest.fixture
def no_shipped_maps(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "sample_data_path", lambda: tmp_path / "nothing")
