"""Choices that a link or an earlier visit left behind: forgotten, thinned out or lowered before they are drawn."""

import pytest
from streamlit.testing.v1 import AppTest


def one_of_three():
    import streamlit as st

    from dashboard.shared.widgets import forget_unknown

    forget_unknown("one", ["a", "b", "c"])
    st.selectbox("One", ["a", "b", "c"], key="one")


def several_or_the_default():
    import streamlit as st

    from dashboard.shared.widgets import forget_unknown

    forget_unknown("several", ["a", "b", "c"])
    st.multiselect("Several", ["a", "b", "c"], ["a"], key="several")


def several_that_are_left():
    import streamlit as st

    from dashboard.shared.widgets import keep_known

    keep_known("several", ["a", "b", "c"])
    st.multiselect("Several", ["a", "b", "c"], key="several")


def a_number():
    import streamlit as st

    from dashboard.shared.widgets import at_most

    at_most("rank", 8)
    st.number_input("Rank", 1, 8, 4, key="rank")


def clicking():
    from types import SimpleNamespace

    import streamlit as st

    from dashboard.shared.widgets import clicks, toggle_clicked

    for points in ([{"customdata": "q"}], [{"customdata": "v"}], [], [{"customdata": "q"}]):
        st.session_state["chart"] = SimpleNamespace(selection=SimpleNamespace(points=points))
        toggle_clicked("chart", "picked")
    st.write(f"{st.session_state['picked']} after {clicks()} clicks")


@pytest.mark.parametrize(
    ("page", "key", "held", "shown"),
    [
        (one_of_three, "one", "b", "b"),
        (one_of_three, "one", "gone", "a"),
        (one_of_three, "one", None, None),
        (several_or_the_default, "several", ["b", "c"], ["b", "c"]),
        (several_or_the_default, "several", ["b", "gone"], ["a"]),
        (several_that_are_left, "several", ["gone", "c", "b"], ["c", "b"]),
        (several_that_are_left, "several", ["gone"], []),
        (several_that_are_left, "several", [], []),
        (a_number, "rank", 7, 7),
        (a_number, "rank", 64, 8),
        (a_number, "rank", None, 4),
    ],
)
def test_what_a_widget_shows_of_what_it_held(page, key, held, shown):
    app = AppTest.from_function(page)
    if held is not None or page is one_of_three:
        app.session_state[key] = held
    app.run()
    assert not app.exception
    (widget,) = (*app.selectbox, *app.multiselect, *app.number_input)
    assert widget.value == shown


def test_a_click_picks_and_a_second_one_drops():
    app = AppTest.from_function(clicking).run()
    assert app.markdown[0].value == "['v'] after 3 clicks"
