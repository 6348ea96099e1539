"""A table of a page as a file: CSV for people, Parquet for programs."""

from __future__ import annotations

import io

import pandas as pd
import streamlit as st

from dashboard.shared import words


def table(frame: pd.DataFrame, name: str, key: str) -> None:
    """Two buttons under a table; a file is made when it is asked for.

    Args:
        name: of the file, without an ending.
        key: of the table, unique on the page.
    """
    with st.container(horizontal=True, horizontal_alignment="right"):
        for ending, make in (("csv", _csv), ("parquet", _parquet)):
            # A rerun would replace what the other button hands out: a click that comes meanwhile would find nothing.
            st.download_button(
                {"csv": "CSV", "parquet": "Parquet"}[ending], lambda make=make: make(frame),
                f"{words.file_name(name)}.{ending}", key=f"{key}_{ending}_file", type="tertiary", on_click="ignore",
                icon=":material/download:",
            )  # fmt: skip


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()
