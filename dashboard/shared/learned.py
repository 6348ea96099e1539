"""What the chosen model will learn of the chosen task, token by token, before anything is started.

In: the subject of a form and the settings that decide how rows are read. Out: a panel that finds nothing out unless it
is open. The rows are read in a process of their own, one at most for each visitor, and the panel looks at that now and
then until it has ended. What rows say is data: all of it is escaped.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboard.shared import task_facts
from dashboard.shared.showing import Question, Showing
from dashboard.shared.subject import Subject
from domlora.models.fetch import found_here
from domlora.models.reference import resolve
from domlora.models.shown import Run, Shown
from domlora.visible import visible

REFRESH_SECONDS = 1.0
KEPT = 64  # answers
LAYOUT = "\n\t"  # control characters that are shown as what they are
HELD = "showing"  # in the session's state: its last question

# Readable on the light and on the dark theme; what is trained is underlined too, for those who see no colour.
TEXT = (
    "white-space:pre-wrap;overflow-wrap:anywhere;font-family:'Source Code Pro',monospace;font-size:0.8rem;"
    "line-height:1.6;max-height:20rem;overflow-y:auto;padding:0.5rem 0.75rem;margin:0.25rem 0 0.75rem;"
    "border:1px solid rgba(128,128,128,0.4);border-radius:0.25rem"
)
TRAINED = (
    "color:inherit;background-color:rgba(60,140,220,0.2);text-decoration:underline;text-underline-offset:0.2em;"
    "unicode-bidi:isolate"
)
READ = "opacity:0.75;unicode-bidi:isolate"
CAPTION = "font-size:0.875rem;opacity:0.8"


def panel(subject: Subject, split: str, max_length: int) -> None:
    """Draws the panel.

    Args:
        split: whose first rows are shown.
        max_length: tokens that are kept of a sample.

    Raises:
        DomLoRAError: the model's files cannot be looked at.
    """
    box = st.expander("What the model will learn", key="learned", on_change="rerun", bind="query-params")
    with box:
        question = _question(subject, split, max_length) if box.open else None
        known = _answers().get(question) if question is not None else None
        showing = _showing(question if known is None else None)
        if known is not None:
            _draw(known)
        elif showing is not None and showing.answer is None:
            _live(showing)
        elif showing is not None and question is not None:
            _end(question, showing.answer)


def _question(subject: Subject, split: str, max_length: int) -> Question | None:
    """What to find out; None, and a line, where that cannot be asked yet."""
    task_hash = None if subject.problems else task_facts.task_hash(subject.task)
    if task_hash is None:
        st.caption("Shown once a model and a task are chosen that can be read.")
        return None
    files = found_here(resolve(subject.model, subject.revision))
    if files is None:
        st.caption(f"Shown once {subject.name} is on this machine. A job fetches it first, and so does this command:")
        st.code(f"domlora models get {subject.model}", language=None)
        return None
    return Question(subject.model, subject.revision, files, subject.task, task_hash, split, max_length)


def _showing(question: Question | None) -> Showing | None:
    """What finds it out for this visitor: begun where it is not, and whatever was asked before is given up."""
    held: Showing | None = st.session_state.get(HELD)
    if held is not None and held.question != question:
        held.stop()
        del st.session_state[HELD]
    if question is None:
        return None
    if HELD not in st.session_state:
        st.session_state[HELD] = Showing(question)
    return st.session_state[HELD]


@st.cache_resource(show_spinner=False)
def _answers() -> dict[Question, Shown]:
    """The last answers to anybody."""
    return {}


@st.fragment(run_every=REFRESH_SECONDS)
def _live(showing: Showing) -> None:
    if showing.answer is not None:
        st.rerun()  # once more, without the fragment's clock
    st.caption("Reading the first rows as the model does …")


def _end(question: Question, answer: Shown | str | None) -> None:
    if isinstance(answer, Shown):
        answers = _answers()
        answers[question] = answer
        for old in list(answers)[:-KEPT]:
            answers.pop(old, None)
        _draw(answer)
        return
    st.warning(answer)
    if st.button("Try again", key="learned_again"):
        del st.session_state[HELD]
        st.rerun()


def _draw(shown: Shown) -> None:
    st.html(html_of(shown))


def html_of(shown: Shown) -> str:
    """The samples with what is trained marked, and what there is to say of them."""
    parts = [_line("What is underlined is trained, the rest is read only.")]
    for sample in shown.samples:
        parts += [_line(sample.words), f'<div style="{TEXT}" tabindex="0">{"".join(map(_run, sample.runs))}</div>']
    return "".join([*parts, *map(_line, shown.sentences)])


def _line(text: str) -> str:
    return f'<div style="{CAPTION}">{escape(visible(text))}</div>'


def _run(run: Run) -> str:
    tag, style = ("mark", TRAINED) if run.trained else ("span", READ)
    return f'<{tag} style="{style}">{escape(visible(run.text, keep=LAYOUT))}</{tag}>'
