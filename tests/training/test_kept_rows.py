"""A run keeps the rows that it trained on, as tokens and as conversations."""

from __future__ import annotations

import json

from domlora.data.encoding import EncodedSample
from domlora.data.samples import Message, Sample, ToolCall
from domlora.data.tasks import load_task
from domlora.energy.measure import probe
from domlora.models.loading import load_model
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from domlora.training.compare import compare
from domlora.training.kept_rows import conversation, is_kept, keep, kept
from domlora.training.lock import run_folder
from tests.helpers.sweeping import write_task

ROW = EncodedSample((5, 6, 7), (False, True, True), row=1)
SAMPLE = Sample((Message("user", "2+2?"), Message("assistant", "4")), row=1)


def test_rows_come_back_in_their_order_with_what_is_learned_marked():
    run_folder("r").mkdir(parents=True)
    assert not is_kept("r") and kept("r") is None
    assert keep("r", [ROW, ROW], [SAMPLE, SAMPLE]) is None
    tokens, said = kept("r")
    assert [json.loads(line) for line in tokens] == 2 * [
        {"input_ids": [5, 6, 7], "attention_mask": [1, 1, 1], "labels": [-100, 6, 7]}
    ]
    assert json.loads(said[0]) == {
        "messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
    }


def test_a_line_break_of_any_kind_stays_within_its_row():
    run_folder("r").mkdir(parents=True)
    said = "a\u2028b\nc\x85"
    keep("r", [ROW], [Sample((Message("user", said), Message("assistant", "d")))])
    (line,) = kept("r")[1]
    assert json.loads(line)["messages"][0]["content"] == said


def test_thoughts_tools_and_names_are_kept_and_a_text_is_no_conversation():
    call = Message("assistant", "", reasoning="hm", tool_calls=(ToolCall("add", '{"a": 1}'),))
    tool = Message("tool", "2", name="add")
    found = conversation(Sample((Message("user", "1+1"), call, tool, Message("assistant", "2")), tools=('{"x": 1}',)))
    assert found["messages"][1] == {
        "role": "assistant", "content": "", "reasoning_content": "hm",
        "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
    }  # fmt: skip
    assert found["messages"][2] == {"role": "tool", "content": "2", "name": "add"}
    assert json.loads(found["tools"]) == [{"x": 1}]
    assert conversation(Sample((Message("assistant", "The river."),), whole=True)) == {"text": "The river."}


def test_rows_that_cannot_be_written_are_a_reason_and_no_half_of_them(tmp_path):
    assert keep("not-there", [ROW], [SAMPLE]) == "No such file or directory"
    assert not is_kept("not-there")


def test_a_comparison_keeps_the_rows_it_trained_each_beside_its_conversation(tiny_folder, tmp_path):
    model, task, store = (
        load_model(tiny_folder, device="cpu"),
        load_task(str(write_task(tmp_path / "t.jsonl"))),
        Store(),
    )
    energy = probe(model, task, ProbeConfig(samples=2))
    run = compare(
        model, task, ["dominant"], energy=energy, store=store, learning_rates=[1e-3], seeds=1, steps=2, batch_size=2,
        validation_rows=3, test_rows=3, forgetting_rows=0, answers=0,
    ).run  # fmt: skip
    store.close()
    tokens, said = kept(run.id)
    assert len(tokens) == len(said) == run.facts["train_rows"]
    for line, row in zip(tokens, said, strict=True):
        text = model.tokenizer.decode(json.loads(line)["input_ids"])
        assert all(message["content"] in text for message in json.loads(row)["messages"])
