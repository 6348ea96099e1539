"""What stands in a page's address by its own hand: the address decides, a choice is written into it."""

from streamlit.testing.v1 import AppTest


def script():
    import streamlit as st

    from dashboard.shared import address

    address.follow("size", (1, 2, 3), 2, lambda size: f"size {size}")
    st.selectbox("Size", (1, 2, 3), key="size", **address.kept("size", lambda size: f"size {size}"))
    address.follow_many("of", ["a", "b"], ["a"])
    st.multiselect("Of", ["a", "b"], key="of", **address.kept("of"))
    address.follow_text("words")
    st.text_input("Words", key="words", **address.kept("words"))
    address.follow_number("part", 0.0, 1.0, 0.5)
    st.slider("Part", 0.0, 1.0, step=0.25, key="part", **address.kept("part"))
    address.follow_switch("log")
    st.toggle("Log", key="log", **address.kept("log"))


def values(app: AppTest) -> tuple:
    boxes = (app.selectbox, app.multiselect, app.text_input, app.slider, app.toggle)
    return tuple(one[0].value for one in boxes)


def test_widgets_follow_the_address_and_it_follows_them():
    app = AppTest.from_function(script)
    for key, value in {"size": "size 3", "of": ["b", "c"], "words": "x|y", "part": "0.25", "log": "True"}.items():
        app.query_params[key] = value
    assert values(app.run()) == (3, ["b"], "x|y", 0.25, True)
    app.selectbox[0].set_value(1).run()
    app.multiselect[0].set_value([]).run()
    app.text_input[0].set_value("").run()
    assert app.query_params["size"] == "size 1" and app.query_params["of"] == ""
    assert "words" not in app.query_params
    assert values(app) == (1, [], "", 0.25, True)
    app.query_params["size"] = "2"  # another entry of the browser's history
    app.query_params["log"] = "false"
    assert values(app.run()) == (2, [], "", 0.25, False)


def test_what_an_address_says_that_cannot_be_is_left_alone():
    app = AppTest.from_function(script)
    for key, value in {"size": "huge", "of": "zzz", "part": "much", "log": "perhaps"}.items():
        app.query_params[key] = value
    assert values(app.run()) == (2, [], "", 0.5, False)
    assert not app.exception
