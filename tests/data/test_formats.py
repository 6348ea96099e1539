"""Each public format: what a row of it becomes. Literal rows in, (role, text) turns out; no files here."""

import json

import pytest

from domlora.data.formats import registry
from domlora.data.formats.chat import Unused
from domlora.data.formats.fields import Fields, RowError
from domlora.data.formats.registry import FORMATS
from domlora.data.samples import Message, ToolCall

EXCHANGE = [("user", "2+2?"), ("assistant", "4")]
USER, ASSISTANT = {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}

ROWS = [
    ("messages", {"messages": [USER, ASSISTANT]}),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "2+2?"}]}, ASSISTANT]}),
    (
        "messages",
        {"messages": '[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]'},
    ),
    ("messages", {"prompt": "2+2?", "completion": "4", "messages": [USER, ASSISTANT]}),
    ("sharegpt", {"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]}),
    ("sharegpt", {"conversations": [USER, ASSISTANT]}),
    ("sharegpt", {"conversation": [USER, ASSISTANT]}),
    ("alpaca", {"instruction": "2+2?", "input": "", "output": "4"}),
    ("alpaca", {"instruction": "2+2?", "context": "", "response": "4", "category": "qa"}),
    ("self_instruct", {"instruction": "2+2?", "instances": [{"input": "", "output": "4"}]}),
    ("sharegpt", {"conversations": ["2+2?", "4"], "source": "lima"}),
    ("prompt_completion", {"inputs": "2+2?", "targets": "4"}),
    ("prompt_completion", {"prompt": "2+2?", "completion": "4"}),
    ("prompt_completion", {"prompt": "2+2?", "response": "4"}),
    ("prompt_completion", {"prompt": [USER], "completion": [ASSISTANT]}),
    ("prompt_completion", {"question": "2+2?", "response": "4"}),
    ("prompt_completion", {"query": "2+2?", "response": "4", "type": "GSM_AnsAug"}),
    ("prompt_completion", {"problem": "2+2?", "solution": "4"}),
    ("prompt_completion", {"question": "2+2?", "answer": "4"}),
    ("gsm8k", {"question": "2+2?", "answer": "2+2=<<2+2=4>>4\n#### 4"}),
    (
        "human_eval",
        {"prompt": "def f():\n", "canonical_solution": "    return 4\n", "test": "", "entry_point": "f"},
    ),
]


def recognise(row):
    return registry.recognise(Fields(row))


def read(row):
    fields = Fields(row)
    return registry.read(registry.recognise(fields), fields)


def messages(row):
    (chat,) = read(row)
    return chat.messages


def turns(row):
    return [[(message.role, message.content) for message in chat.messages] for chat in read(row)]


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_row_is_recognised_by_its_keys(name, row):
    assert name == recognise(row).NAME


@pytest.mark.parametrize("row", [row for name, row in ROWS if name not in ("gsm8k", "human_eval")])
def test_equal_content_in_any_format_is_the_same_exchange(row):
    assert turns(row) == [EXCHANGE]


@pytest.mark.parametrize("row", [{}, {"body": "4"}, {"instruction": "2+2?"}, {"prompt": "a"}])
def test_other_rows_are_not_recognised(row):
    assert recognise(row) is None


def test_keys_that_a_table_filled_with_none_do_not_count():
    row = {"messages": None, "instruction": "2+2?", "input": None, "output": "4"}
    assert recognise(row).NAME == "alpaca"
    assert turns(row) == [EXCHANGE]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_shows_an_example_row_and_names_its_keys(form):
    assert '{"' in form.__doc__
    assert form.NAME and form.KEYS


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("system", "system"), ("developer", "system"),
        ("user", "user"), ("human", "user"), ("Human", "user"),
        ("tool", "tool"), ("function", "tool"), ("observation", "tool"),
        ("assistant", "assistant"), ("gpt", "assistant"), ("chatgpt", "assistant"), ("bing", "assistant"),
        ("function_call", "assistant"),
    ],
)  # fmt: skip
def test_roles_of_all_formats_become_four(name, role):
    assert turns({"conversations": [{"from": name, "value": "text"}]}) == [[(role, "text")]]


CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}


@pytest.mark.parametrize(
    "said",
    [
        {"tool_calls": [CALL]},
        {"tool_calls": json.dumps([CALL])},
        {"tool_calls": [{**CALL, "function": {"name": "add", "arguments": {"a": 2}}}]},
    ],
)
def test_a_tool_call_belongs_to_the_assistant_and_its_result_to_the_tool(said):
    row = {
        "messages": [
            {"role": "assistant", "content": None, **said},
            {"role": "tool", "tool_call_id": "1", "content": "4"},
        ]
    }
    assert messages(row) == [
        Message("assistant", "", tool_calls=(ToolCall("add", '{"a": 2}', "1"),)),
        Message("tool", "4", call_id="1"),
    ]


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "assistant", "content": "", "function_call": {"name": "add", "arguments": '{"a": 2}'}},
        {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 2}}'},
        {"from": "tool_call", "value": '<tool_call>\n[{"name": "add", "arguments": {"a": 2}}]\n</tool_call>'},
    ],
)
def test_older_ways_to_write_a_call_are_the_same_call(turn):
    assert messages({"conversations": [turn]}) == [Message("assistant", "", tool_calls=(ToolCall("add", '{"a": 2}'),))]


def test_tools_of_a_row_are_schemas_however_they_are_written():
    bare = {"name": "add", "parameters": {}}
    full = json.dumps({"type": "function", "function": bare})
    for tools in ([bare], json.dumps([bare]), [json.loads(full)]):
        assert read({"messages": [USER, ASSISTANT], "tools": tools})[0].tools == (full,)


def test_thoughts_of_a_message_are_kept_apart():
    for thoughts in ({"reasoning_content": "add"}, {"thinking": "add"}):
        assert messages({"messages": [{**ASSISTANT, **thoughts}]}) == [Message("assistant", "4", reasoning="add")]
    parts = [{"type": "thinking", "thinking": "add"}, {"type": "text", "text": "4"}]
    assert messages({"messages": [{"role": "assistant", "content": parts}]}) == [
        Message("assistant", "4", reasoning="add")
    ]


@pytest.mark.parametrize("switch", [{"weight": 0}, {"train": False}, {"train": "False"}, {"loss": 0}])
def test_a_turn_that_is_not_to_be_learned_is_context(switch):
    assert messages({"messages": [{**ASSISTANT, **switch}]}) == [Message("assistant", "4", trained=False)]
    assert messages({"messages": [{**ASSISTANT, "weight": 1, "train": True}]}) == [Message("assistant", "4")]


def test_an_empty_system_text_is_not_the_same_as_none():
    assert messages({"messages": [{"role": "system", "content": ""}, USER, ASSISTANT]})[0] == Message("system", "")
    assert messages({"messages": [{"role": "system", "content": None}, USER, ASSISTANT]})[0].role == "user"


def test_text_parts_are_joined_by_line_breaks():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages({"messages": [{"role": "user", "content": parts}]}) == [Message("user", "a\nb", parts=("a", "b"))]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"messages": [{"role": "robot", "content": "a"}]}, "unknown role 'robot'"),
        ({"messages": [{"content": "a"}]}, "unknown role 'None'"),
        ({"messages": ["hello"]}, "where a message is expected"),
        ({"messages": "hello"}, "not JSON where a list of messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "an object in `content` where a text is expected"),
        ({"messages": [{"role": "user"}]}, "without a text"),
        ({"messages": [{**ASSISTANT, "weight": 0.5}]}, "weight 0.5"),
        ({"messages": [{**ASSISTANT, "tool_calls": "soon"}]}, "not JSON"),
        ({"messages": [{**ASSISTANT, "tool_calls": [{"function": {}}]}]}, "without a name"),
        ({"messages": [{**ASSISTANT, "tool_calls": [{"name": "add", "arguments": [1]}]}]}, "are a list, not an object"),
        ({"messages": [USER, ASSISTANT], "images": ["a.png"]}, "only text can be learned"),
        (
            {"messages": [USER, ASSISTANT], "context": "Rome."},
            "`context`.*--columns context=system, or leave it out with --columns context=ignore",
        ),
        ({"instruction": "a", "output": {"b": 1}}, "an object in `output`"),
        ({"prompt": "a", "completion": ["b", "c"]}, "a list in `completion` where a text"),
        ({"prompt": "a", "completion": "b", "label": "funny"}, "label 'funny'.*--columns label=answer"),
        ({"question": "a", "choices": ["b", "c"], "answer": 2}, "none of its 2 choices"),
        ({"text": "a", "question": "b"}, "`question`, which rows of this format"),
        ({"text": "a", "summary": "b"}, "`summary` beside its `text`.*--columns text=prompt,summary=completion"),
        ({"text": "a", "role": "prompter"}, "`role` beside its `text`"),
        ({"question": "a", "reasoning": "on", "answer": "b"}, "'on' in `reasoning`.*--columns reasoning=ignore"),
        ({"messages": [{**ASSISTANT, "thinking": True}]}, "no thoughts"),
        ({"messages": [{**ASSISTANT, "train": "maybe"}]}, "neither true nor false"),
        ({"messages": [USER, ASSISTANT], "conversations": [USER]}, None),
        ({"messages": [USER, ASSISTANT], "conversations": [{"from": "human", "value": "else"}]}, "`conversations`"),
        ({"messages": [USER, ASSISTANT], "output": "+"}, "`output`, which rows of this format"),
        ({"text": "a", "label": True}, "`label` beside its `text`.*--columns text=prompt,label=completion"),
        ({"messages": [USER, ASSISTANT], "completion": "5"}, "`completion`, which rows of this format"),
        ({"instruction": "a", "instances": [1]}, "instances"),
        ({"instruction": "a", "output": "b", "history": ["c"]}, "history"),
    ],
)
def test_a_row_that_cannot_be_read_says_what_is_wrong(row, complaint):
    if complaint is None:  # said once more
        return read(row)
    with pytest.raises(RowError, match=complaint):
        read(row)


def test_alpaca_input_follows_the_instruction_after_a_blank_line():
    row = {"instruction": "Translate.", "input": "Hello", "output": "Bonjour"}
    assert turns(row) == [[("user", "Translate.\n\nHello"), ("assistant", "Bonjour")]]


def test_alpaca_system_and_history_come_first():
    row = {"instruction": "2+2?", "output": "4", "system": "Be brief.", "history": [["1+1?", "2"]]}
    assert turns(row) == [[("system", "Be brief."), ("user", "1+1?"), ("assistant", "2"), *EXCHANGE]]


def test_each_self_instruct_instance_is_a_sample():
    row = {
        "instruction": "Add.",
        "instances": [{"input": "1 1", "output": "2"}, {"input": "2 2", "output": "4"}],
    }
    assert [chat[0] for chat in turns(row)] == [("user", "Add.\n\n1 1"), ("user", "Add.\n\n2 2")]


def test_completions_are_kept_to_the_letter():
    assert turns({"prompt": "The sky is", "completion": " blue.\n"})[0][1] == ("assistant", " blue.\n")


def test_gsm8k_loses_calculator_marks_and_keeps_the_final_line():
    (chat,) = read({"question": "How much?", "answer": "It is 2*600=<<2*600=1200>>1,200.\n#### 1,200"})
    assert chat.messages == [Message("user", "How much?"), Message("assistant", "It is 2*600=1,200.\n#### 1,200")]
    assert chat.answer == "1200"


def test_an_answer_beside_the_response_is_kept():
    assert read({"messages": [USER, ASSISTANT], "answer": "4"})[0].answer == "4"
    assert read({"problem": "2+2?", "solution": "It is 4.", "answer": 4})[0].answer == "4"
    assert read({"question": "2+2?", "answer": "4"})[0].answer is None


def test_tests_beside_the_response_are_kept():
    row = {"messages": [USER, ASSISTANT], "test": "assert f() == 4"}
    assert read(row)[0].tests == "assert f() == 4"
    assert read({**row, "test": " "})[0].tests is None
    assert read({**row, "test": 7})[0].tests is None
    assert read({"messages": [USER, ASSISTANT]})[0].tests is None


def test_human_eval_tests_call_their_check():
    row = {"prompt": "def f():\n", "canonical_solution": "    return 4\n", "entry_point": "f"}
    assert read({**row, "test": "def check(c):\n    assert c() == 4\n"})[0].tests == (
        "def check(c):\n    assert c() == 4\n\n\ncheck(f)"
    )
    assert read(row)[0].tests is None
    assert read({**row, "test": "def check(c): pass", "entry_point": "f()"})[0].tests is None


def test_human_eval_answers_with_a_whole_function():
    row = {"prompt": 'def f():\n    """Four."""\n', "canonical_solution": "    return 4\n"}
    ((_, (_, answer)),) = turns(row)
    code = answer.removeprefix("```python\n").removesuffix("\n```")
    scope = {}
    exec(code, scope)
    assert scope["f"]() == 4


# --- rows by their meaning ---


def test_an_answer_with_a_heading_is_no_grade_school_math():
    row = {"question": "How?", "answer": "#### Answer\nUse cat <<EOF>> notes.txt and end with EOF."}
    assert recognise(row).NAME == "prompt_completion"
    assert turns(row) == [[("user", "How?"), ("assistant", row["answer"])]]


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"question": "When?", "context": "In 1893.", "answer": "1893"}, "In 1893.\n\nWhen?"),
        ({"question": "When?", "passage": "In 1893.", "answer": True}, "In 1893.\n\nWhen?"),
        ({"prompt": "Add one.", "input": "0", "output": "1"}, "Add one.\n\n0"),
        ({"instruction": "Even?", "input": 0, "output": "yes"}, "Even?\n\n0"),
        ({"instruction": "Even?", "input": False, "output": "yes"}, "Even?\n\nfalse"),
        ({"instruction": "Who?", "context": "Two brothers.", "response": "Two"}, "Who?\n\nTwo brothers."),
    ],
)
def test_what_belongs_to_a_question_is_in_the_prompt(row, prompt):
    assert turns(row)[0][0] == ("user", prompt)


CHOICES = "Which?\nA. oak\nB. sock\nAnswer:"


@pytest.mark.parametrize(
    "row",
    [
        {"choices": ["oak", "sock"], "answer": 1},
        {"options": ["oak", "sock"], "answer": "B"},
        {"choices": {"text": ["oak", "sock"], "label": ["1", "2"]}, "answerKey": "2"},
        {"choices": [{"label": "x", "text": "oak"}, {"label": "y", "text": "sock"}], "answer": "y"},
        {"A": "oak", "B": "sock", "answer": "B"},
        {"options": {"A": "oak", "B": "sock"}, "answer": "B"},
        {"opa": "oak", "opb": "sock", "cop": 1},
        {"choices": ["oak", "sock"], "answer": "sock"},
        {"choices": {"text": ["oak", "sock"], "label": ["0", "1"]}, "answerKey": 1},
    ],
)
def test_choices_are_shown_and_the_letter_is_learned(row):
    assert turns({"question": "Which?", **row}) == [[("user", CHOICES), ("assistant", "B")]]


def test_thoughts_in_a_column_are_the_answers():
    for name in ("reasoning", "rationale", "thinking"):
        assert messages({"question": "3+4?", name: "add", "answer": "7"})[-1] == Message(
            "assistant", "7", reasoning="add"
        )


def test_a_prompt_of_messages_is_context_and_only_its_completion_is_learned():
    row = {"prompt": [USER, ASSISTANT, USER], "completion": [ASSISTANT]}
    assert [m.trained for m in messages(row) if m.role == "assistant"] == [False, True]


@pytest.mark.parametrize("label", [False, 0, "false"])
def test_an_answer_that_is_labelled_bad_is_not_learned(label):
    with pytest.raises(Unused, match="with label false left out"):
        read({"prompt": "a", "completion": "b", "label": label})
    assert turns({"prompt": "2+2?", "completion": "4", "label": True}) == [EXCHANGE]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
        {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [ASSISTANT]},
        {"prompt": "2+2?", "chosen": [USER, ASSISTANT], "rejected": [USER, ASSISTANT], "messages": [USER, ASSISTANT]},
        {"conversations": [{"from": "human", "value": "2+2?"}], "chosen": {"from": "gpt", "value": "4"},
         "rejected": {"from": "gpt", "value": "5"}},
        {"prompt": "\n\nHuman: 2+2?\n\nAssistant:", "chosen": "4", "rejected": "5"},
        {"chosen": "\n\nHuman: 2+2?\n\nAssistant: 4", "rejected": "\n\nHuman: 2+2?\n\nAssistant: 5"},
        {"instruction": "2+2?", "output": ["4", "5"]},
    ],
)  # fmt: skip
def test_the_chosen_answer_is_learned_and_the_other_named(row):
    (chat,) = read(row)
    assert [(m.role, m.content) for m in chat.messages] == EXCHANGE
    assert chat.unused == ("rejected answer",)


def test_of_a_whole_chosen_conversation_the_last_answer_is_learned():
    row = {"chosen": [USER, ASSISTANT, USER, ASSISTANT], "rejected": [USER, ASSISTANT, USER, ASSISTANT]}
    assert [m.trained for m in messages(row) if m.role == "assistant"] == [False, True]


def test_of_squads_answers_the_first_is_learned():
    row = {"context": "In 1893.", "question": "When?", "answers": {"text": ["1893", "In 1893"], "answer_start": [3, 0]}}
    (chat,) = read(row)
    assert (chat.messages[-1].content, chat.unused) == ("1893", ("other answer",))


def test_a_text_alone_is_learned_whole():
    (chat,) = read({"text": "The river rose."})
    assert (chat.messages, chat.whole) == ([Message("assistant", "The river rose.")], True)


@pytest.mark.parametrize("nothing", [None, float("nan"), ""])
def test_what_says_nothing_is_no_answer(nothing):
    assert turns({"question": "a", "answer": nothing}) == [[("user", "a"), ("assistant", "")]]


def test_what_a_row_says_once_more_is_no_field_without_a_place():
    text = "Below is an instruction.\n\n### Instruction:\n2+2?\n\n### Response:\n4"
    assert turns({"instruction": "2+2?", "input": "", "output": "4", "text": text}) == [EXCHANGE]


def test_a_system_text_that_stands_in_the_row_twice_is_read_once():
    row = {"system": "Be brief.", "messages": [{"role": "system", "content": "Be brief."}, USER, ASSISTANT]}
    assert [m.role for m in messages(row)] == ["system", "user", "assistant"]


def test_choices_with_numbers_for_names_are_meant_by_their_names():
    row = {"question": "Which?", "choices": {"text": ["oak", "sock"], "label": ["1", "2"]}, "answerKey": 1}
    assert turns(row)[0][-1] == ("assistant", "A")
