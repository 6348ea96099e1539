"""Which characters of a rendered conversation the model is to write: every turn of the assistant that is learned.

A template that says so itself (`{% generation %}`) is believed. Any other renders the conversation twice, once with
unmistakable placeholders in the place of what the assistant says; where both texts agree but for the placeholders, the
places of the turns are known exactly, whatever the template strips, moves, repeats or adds:

    <|im_start|>user\\nIs 7 prime?<|im_end|>\\n<|im_start|>assistant\\nyes<|im_end|>\\n
    <|im_start|>user\\nIs 7 prime?<|im_end|>\\n<|im_start|>assistant\\nPLACE<|im_end|>\\n
                                                                 ^^^^^^^^^^^^^ learned: the answer and its end token

Where they do not agree (a template that counts, cuts or reorders what is said) the conversation is refused: no place is
ever guessed by looking for words. What the model writes of a turn:

    its thoughts, content and calls, where the template shows them, with what the template puts between these, and
    before thoughts and calls back to where the model is asked to speak (`<think>`, `<tool_call>`)
    the marker that ends the turn (`Edges.end`); white space after that is the template's

An empty block of thoughts before an answer is written by the template. Rendering takes a fixed number of passes over a
conversation, so its cost is linear in the length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from domlora.data.placeholders import Kind, Place, Placeholders, Shown
from domlora.data.samples import Message, Sample
from domlora.data.template import ChatTemplate, Refused

NO_END = "learned without an end token, as the chat template writes none after them"
LEFT_OUT_END = "learned without their end token, as the chat template's own marks leave it out"
HIDDEN = "that the chat template does not show"
# A marker is one piece however many characters it has: `<|im_end|>`, `</s>`, `[/INST]`; else words and white space.
_WORD = "domlora0word"
_MARKER = re.compile(r"<[^<>\s]+>")
_ATOM = re.compile(r"<[^<>\s]+>|\[/?\w+\]|\s+|\w+|.", re.DOTALL)


Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a user must know of a conversation: how often it is so, as `data.remarks` counts it."""

    noun: str
    rest: str
    count: int = 1


class Marked(NamedTuple):
    """The text of a conversation.

    Attributes:
        spans: (first, last) of the characters that are learned, a span a turn, in order.
    """

    text: str
    spans: list[Span]
    notes: list[Note]


@dataclass(frozen=True)
class Edges:
    """What a template writes where a turn of the assistant begins and ends, seen at the first that something precedes.

    Attributes:
        opening: all that it writes between the turn before and where the assistant begins to speak; None if unknown.
        header: what of it asks the assistant to speak.
        end: what follows a turn before anything else is said, white space included.
        blank: white space within a line that the model writes before an answer.
    """

    opening: str | None
    header: str
    end: str
    blank: str = ""


def mark(sample: Sample, template: ChatTemplate) -> Marked:
    """The text of a conversation in the model's chat template, and what of it is learned.

    Raises:
        Refused: by the template, or because a place is not certain, or because a turn would not be shown as it stands.
    """
    messages, tools = sample.messages, sample.tools
    text, own = template.render_marked(messages, tools)
    every = _shown(messages, template, tools, of=lambda message: True)
    notes = _not_shown(messages, text, every)
    if tools and template.render(messages) == text:
        notes.append(Note("tool", HIDDEN, len(tools)))
    edges = _edges(messages, template, tools)
    if template.marks_answers:
        spans, more = _as_the_template_says(messages, text, own, every, edges)
    else:
        spans, more = _between_placeholders(messages, text, every, edges, template, tools)
    if not spans:
        raise Refused("the model's chat template shows nothing of what is to be learned")
    return Marked(text, spans, notes + more)


def _shown(
    messages: Sequence[Message],
    template: ChatTemplate,
    tools: Sequence[str],
    of: Callable[[Message], bool],
    thoughts: bool = False,
) -> Shown:
    """What the template shows of the messages that are chosen."""
    placeholders = Placeholders(messages)
    return placeholders.find(template.render(placeholders.put(messages, of, thoughts), tools))


def _as_the_template_says(
    messages: Sequence[Message], text: str, own: list[Span], every: Shown, edges: Edges
) -> tuple[list[Span], list[Note]]:
    spans: list[Span] = []
    for first, last in own:
        if spans and spans[-1][1] == first:  # two blocks of one turn
            spans[-1] = (spans[-1][0], last)
        elif first < last:
            spans.append((first, last))
    thoughts = sum("reasoning" in every.hidden(turn) for turn in range(len(messages)))
    notes = [Note("thought", HIDDEN, thoughts)] if thoughts else []
    turns = [turn for turn, message in enumerate(messages) if message.role == "assistant"]
    learned = [messages[turn].trained and every.shows(turn) for turn in turns]
    if not all(learned):
        if len(spans) != len(turns):
            raise Refused(
                f"the model's chat template marks {len(spans)} spans for {len(turns)} turns of the assistant, so that "
                "those that are not to be learned cannot be told apart"
            )
        spans = [span for span, wanted in zip(spans, learned, strict=True) if wanted]
    end = edges.end.strip()
    cut = sum(bool(end) and text.startswith(end, last) for _, last in spans)
    return spans, [*notes, Note("turn", LEFT_OUT_END, cut)] if cut else notes


def _between_placeholders(
    messages: Sequence[Message],
    text: str,
    every: Shown,
    edges: Edges,
    template: ChatTemplate,
    tools: Sequence[str],
) -> tuple[list[Span], list[Note]]:
    places, thoughts, split = _spoken(messages, text, template, tools)
    if split:
        every = _shown(messages, template, tools, of=lambda message: True, thoughts=True)
    spans, endless = [], 0
    if any(every.interrupted(turn) for turn in places):
        raise Refused(
            "the model's chat template shows another turn in the middle of one of the assistant's (the result of a "
            "call before the text beside it, say): bring rows whose calls have no text beside them"
        )
    for turn, pieces in places.items():
        if not messages[turn].trained:
            continue
        first, last = pieces[0].first, pieces[-1].last
        lead = _lead(turn, every, edges)
        if text.endswith(lead, 0, first) and (lead.isspace() or pieces[0].kind != "content"):
            first -= len(lead)
        end = _end(every.after(turn), pieces[-1].kind, edges.end.rstrip(), final=turn == len(messages) - 1)
        if end and text.startswith(end, last):
            last += len(end)
        else:
            endless += 1
        spans.append((first, last))
    notes = [Note("thought", HIDDEN, thoughts)] if thoughts else []
    return spans, [*notes, Note("turn", NO_END, endless)] if endless else notes


def _spoken(
    messages: Sequence[Message], text: str, template: ChatTemplate, tools: Sequence[str]
) -> tuple[dict[int, list[Place]], int, bool]:
    """Where the text shows what the assistant says, by turn, how many thoughts it does not show, and whether thoughts
    within a content are pieces of their own, as they are where the content is not shown as it stands."""
    for thoughts in (False, True):
        shown = _shown(messages, template, tools, of=lambda m: m.role == "assistant", thoughts=thoughts)
        places = shown.locate(text)
        if places is not None:
            return places, sum(shown.hidden(turn).count("reasoning") for turn in range(len(messages))), thoughts
    raise Refused(
        "the model's chat template counts, cuts or rewrites what the assistant says, so that its place in the text is "
        "not certain: bring rows, or a template, that are shown as they stand"
    )


def _edges(messages: Sequence[Message], template: ChatTemplate, tools: Sequence[str]) -> Edges:
    """How turns begin and end, from the conversation up to its first answer that something precedes."""
    first = next((i for i, message in enumerate(messages) if i and message.role == "assistant"), None)
    if first is None:  # one turn of the assistant alone: how it ends after a question
        return replace(_edges([Message("user", ""), *messages], template, tools), opening=None)
    # What is said does not matter here: words that no template looks into stand for it.
    turns = [Message(m.role, f"{_WORD}{i}", name=m.name, call_id=m.call_id) for i, m in enumerate(messages)]
    before, upto = turns[:first], turns[: first + 1]
    try:
        asked = template.render(before, tools, prompt=True)
        answered = template.render(upto, tools)
    except Refused:
        return Edges(None, "", "")
    opening = _after(asked, f"{_WORD}{first - 1}")
    header = asked[_common(asked, _or_nothing(template, before, tools)) :]
    tail = _after(answered, f"{_WORD}{first}") or ""
    end = _end_of(template, upto, tools, header, tail, f"{_WORD}{first}")
    blank = answered.removeprefix(asked).partition(f"{_WORD}{first}")[0] if answered.startswith(asked) else ""
    blank = "" if blank.strip(" ") else blank
    return Edges(opening, header, end, blank)


def _end_of(
    template: ChatTemplate, upto: Sequence[Message], tools: Sequence[str], header: str, tail: str, word: str
) -> str:
    """What follows an answer, whatever comes next: asked on by the template, and asked another question.

    Args:
        upto: a conversation that ends with the answer `word`.
        header: how the assistant is asked to speak.
        tail: what the template writes after that answer where nothing follows.
    """
    asked_on = _after(_or_nothing(template, upto, tools, prompt=True), word)
    if asked_on is None:
        return _first_word(tail)
    end = asked_on.removesuffix(header) if asked_on.endswith(header) else tail[: _common(tail, asked_on)]
    question = f"{_WORD}q"
    going_on = _or_nothing(template, [*upto, Message("user", question), Message("assistant", f"{_WORD}a")], tools)
    following = (_after(going_on, word) or "").partition(question)[0]
    # Nothing in common: the last turn of a conversation ends in a way of its own.
    end = end[: _common(end, following)] or end
    if header:
        return end
    # It may always ask the assistant on, so that what both have in common reaches into the next turn's beginning.
    if template.end_of_text and template.end_of_text in end:
        return end[: end.index(template.end_of_text) + len(template.end_of_text)]
    return _without_opening(end, going_on.partition(f"{_WORD}0")[0])


def _without_opening(end: str, opening: str) -> str:
    """An end without a last marker that opens a conversation too, unless it is the only one."""
    atoms = _ATOM.findall(end.rstrip())
    return "".join(atoms[:-1]) if len(atoms) > 1 and atoms[-1] in _ATOM.findall(opening) else end


def _or_nothing(template: ChatTemplate, messages: Sequence[Message], tools: Sequence[str], prompt: bool = False) -> str:
    try:
        return template.render(messages, tools, prompt=prompt)
    except Refused:  # some templates want every conversation to end in a certain role
        return ""


def _after(text: str, word: str) -> str | None:
    _, found, after = text.rpartition(word)
    return after if found else None


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike, counted in whole markers, words and runs of white space."""
    length = 0
    for a, b in zip(_ATOM.finditer(one), _ATOM.finditer(other), strict=False):
        if a[0] != b[0]:
            break
        length = a.end()
    return length


def _first_word(text: str) -> str:
    """Up to the end of its first word, white space before that included."""
    found = re.match(r"\s*\S+", text)
    return found[0] if found else ""


def _lead(turn: int, every: Shown, edges: Edges) -> str:
    """What the template writes between where the assistant is asked to speak and the first that it says."""
    before, follows = every.before(turn)
    if follows and edges.opening is not None and before.startswith(edges.opening):
        return before[len(edges.opening) :]
    if edges.header and edges.header in before:
        return before.rpartition(edges.header)[2]
    if follows and edges.opening and (alike := _common(before, edges.opening)):
        return before[alike:]
    return edges.blank if before.endswith(edges.blank) else ""


def _end(after: str, kind: Kind, marker: str, final: bool) -> str:
    """What of that which the template writes after the last piece of a turn belongs to it: its end token, if any."""
    if marker and after.startswith(marker):
        return marker
    marked = bool(marker) and marker.lstrip() in after
    if kind == "call" or (kind == "reasoning" and marked):  # the rest of the call, or what closes the thoughts, first
        call, found, _ = after.partition(marker.lstrip()) if marker else ("", "", "")
        return call + found if found else _rest_of_call(after, other_end=bool(marker))
    return _first_word(after) if final else ""  # a template may end the last turn in another way


def _rest_of_call(after: str, other_end: bool) -> str:
    """Up to what closes arguments and call, and the end token of its own that a template may have for calls."""
    closing = (atom for atom in _ATOM.finditer(after) if atom[0] in ("}", "]") or atom[0].startswith("</"))
    closed = max((atom.end() for atom in closing), default=0)
    marker = _MARKER.match(after, closed) if other_end else None
    return after[: marker.end() if marker else closed]


def _not_shown(messages: Sequence[Message], text: str, every: Shown) -> list[Note]:
    """What the template does not show of a conversation, counted, but for thoughts.

    Raises:
        Refused: a question or an answer is not shown, or not as it stands.
    """
    notes: list[Note] = []
    position = 0
    for turn, message in enumerate(messages):
        hidden = every.hidden(turn)
        if hidden.count("call"):
            notes.append(Note("tool call", HIDDEN, hidden.count("call")))
        if "name" in hidden or (message.role == "assistant" and message.name and message.name not in text):
            notes.append(Note("name", HIDDEN))
        if "content" in hidden:
            if message.role in ("system", "tool"):
                notes.append(Note("system text" if message.role == "system" else "tool result", HIDDEN))
            elif message.tool_calls and "call" not in hidden:
                notes.append(Note("text beside a tool call", HIDDEN))
            else:
                raise Refused(f"the model's chat template does not show turn {turn + 1} ({message.role}) as it stands")
        elif message.role != "assistant":
            for part in message.parts or (message.content,):
                position = _shown_as_it_stands(text, part.strip(), position, turn, message.role)
    return notes


def _shown_as_it_stands(text: str, part: str, position: int, turn: int, role: str) -> int:
    """Where the text of a turn that is not the assistant's ends, looked for from `position` on first."""
    for form in (part, json.dumps(part, ensure_ascii=False)[1:-1], json.dumps(part)[1:-1]):
        at = text.find(form, position)
        at = text.find(form) if at < 0 else at
        if at >= 0:
            return max(position, at + len(form))
    raise Refused(f"the model's chat template changes the text of turn {turn + 1} ({role})")
