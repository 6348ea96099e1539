"""All runs in one table: what they are called and came to; opened, drawn together, named, tagged, put away, deleted.

In: the runs of the store, and the one that is open. What is changed goes into the store at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.compare import tables
from dashboard.shared import address, files, filtering, queries, words
from domlora.comparison.run import Run
from domlora.errors import DomLoRAError
from domlora.jobs.removing import is_computed, remove_run

HEIGHT = 36  # pixels of a row
ORDER = (
    "pinned", "name", "model", "task", "best placement", "loss", "rows", "variants", "steps", "status", "created",
    "tags", "notes", "archived", "id",
)  # fmt: skip
MOST = 14  # rows before the table scrolls


def label(run: Run) -> str:
    """How a run is chosen: by its name, where it has one, and by what it is."""
    named = f"{run.notes.name} · " if run.notes.name else ""
    return f"{named}{queries.run_label(run)}"


def draw(runs: Sequence[Run], current: Run | None) -> None:
    """The table, and what can be done with the rows that are chosen."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    address.follow_text("runs_filter")
    typed = left.text_input(
        "Filter", key="runs_filter", placeholder="name, model, task, tag, placement", help=filtering.HELP,
        **address.kept("runs_filter"),
    )  # fmt: skip
    address.follow_switch("archived")
    archived = right.toggle("Archived", key="archived", **address.kept("archived"))
    fits = filtering.matcher(typed)
    listed = [run for run in runs if (archived or not run.notes.archived) and fits(_words(run))]
    hidden = sum(run.notes.archived for run in runs) if not archived else 0
    if not listed:
        st.info("No run fits the filter." if typed else f"All {hidden} runs are archived.")
        return
    store = queries.store()
    frame = tables.run_table(listed, {run.id for run in listed if is_computed(store, run)})
    ids = list(frame["id"])
    chosen = _table(frame, ids)
    files.table(frame, "runs", "runs")
    by_id = {run.id: run for run in runs}
    if chosen:
        _actions([by_id[id] for id in chosen], current, runs)
    else:
        st.caption(
            f"{words.count(len(listed), 'run')}{f', {hidden} archived' if hidden else ''}. "
            "Choose rows to open, draw together, name, tag, pin, archive or delete them."
        )


def _words(run: Run) -> str:
    placements = " ".join(placement.name for placement in run.placements)
    return f"{run.id} {run.notes.name} {run.model} {run.task} {' '.join(run.notes.tags)} {placements} {run.notes.text}"


def _table(frame: pd.DataFrame, ids: list[str]) -> list[str]:
    """Draws the table and returns the ids of the chosen rows."""
    key = f"runs-{hash(tuple(ids))}"  # with other runs, other rows lie under the same numbers: nothing is chosen then
    columns = st.column_config
    shown = frame.assign(
        notes=[text.partition("\n")[0] for text in frame["notes"]],
        pinned=["★" if pinned else "" for pinned in frame["pinned"]],
    )
    optional = [name for name in ("name", "tags", "notes") if not frame[name].map(bool).any()]
    optional += [name for name in ("pinned", "archived") if not frame[name].any()]
    event = st.dataframe(
        shown.drop(columns=optional), key=key, hide_index=True, width="stretch", on_select="rerun",
        selection_mode="multi-row", height=HEIGHT * (min(MOST, len(ids)) + 1),
        column_order=ORDER, placeholder="",
        column_config={
            "pinned": columns.TextColumn("pin", width=40),
            "created": columns.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "loss": columns.NumberColumn(format="%.3f", help="mean over seeds, nats per response token"),
            "rows": columns.TextColumn(help="what the loss is measured on"),
            "tags": columns.ListColumn(),
        },
    )  # fmt: skip
    return [ids[i] for i in event.selection.rows if i < len(ids)]


def _actions(chosen: list[Run], current: Run | None, runs: Sequence[Run]) -> None:
    ids = [run.id for run in chosen]
    with st.container(horizontal=True):
        if len(chosen) == 1:
            st.button("Open this run", key="runs_open", type="primary", on_click=_open, args=(ids[0],))
        else:
            st.button("Draw together", key="runs_together", type="primary", on_click=_draw_together, args=(ids,))
        for field, yes, no in (("pinned", "Pin", "Unpin"), ("archived", "Archive", "Take out of the archive")):
            set_already = all(getattr(run.notes, field) for run in chosen)
            st.button(
                no if set_already else yes, key=f"runs_{field}", on_click=_note, args=(ids, {field: not set_already})
            )
        if st.button("Delete", key="runs_delete", icon=":material/delete:"):
            _confirm(chosen, current)
    common = [tag for tag in chosen[0].notes.tags if all(tag in run.notes.tags for run in chosen)]
    known = list(dict.fromkeys([*common, *(tag for run in runs for tag in run.notes.tags)]))
    of = "-".join(ids)
    with st.form(f"runs_form_{of}", border=False):
        left, right = st.columns(2)
        if len(chosen) == 1:
            left.text_input("Name", chosen[0].notes.name, key=f"runs_name_{of}", max_chars=80)
        right.multiselect(
            "Tags", known, common, key=f"runs_tags_{of}", accept_new_options=True, placeholder="type a new one"
        )
        if len(chosen) == 1:
            st.text_area("Notes", chosen[0].notes.text, key=f"runs_text_{of}", height=80)
        st.form_submit_button("Save", on_click=_save, args=(chosen, common, of))


def _save(chosen: list[Run], common: list[str], of: str) -> None:
    """What the form says; tags that only some of the runs have stay with those."""
    held = st.session_state
    changes = {field: held[f"runs_{field}_{of}"] for field in ("name", "text") if f"runs_{field}_{of}" in held}
    for run in chosen:
        own = [tag for tag in run.notes.tags if tag not in common]
        _note([run.id], {**changes, "tags": [*held[f"runs_tags_{of}"], *own]})
    st.toast("Saved.")


def _open(id: str) -> None:
    address.put_all({"run": id, "view": None})


def _draw_together(ids: list[str]) -> None:
    address.put_all({"run": ids[0], "with": ids[1:], "view": "Curves"})


def _note(ids: list[str], changes: dict) -> None:
    try:
        queries.store().runs.set_notes(ids, **changes)
    except DomLoRAError as error:  # deleted in the meantime
        st.toast(str(error))
    queries.forget_lists()


@st.dialog("Delete for good?")
def _confirm(chosen: list[Run], current: Run | None) -> None:
    """Asks once more; what is being computed is left out, and said."""
    store = queries.store()
    busy = [run for run in chosen if is_computed(store, run)]
    gone = [run for run in chosen if run not in busy]
    for run in busy:
        st.warning(f"{words.literal(label(run))} is being computed: cancel it first.")
    for run in gone[:10]:
        st.markdown(f"- {words.literal(label(run))}")
    if gone[10:]:
        st.markdown(f"- and {len(gone) - 10} more")
    st.caption("Curves, results, answers and adapters go with a run. Nothing brings them back.")
    if st.button(f"Delete {words.count(len(gone), 'run')}", key="runs_delete_sure", type="primary", disabled=not gone):
        try:
            for run in gone:
                remove_run(store, run.id)
        except DomLoRAError as error:
            st.error(str(error))
            return
        finally:
            queries.forget_lists()
        if current is None or current in gone:
            address.put("run", None)
        st.rerun()
