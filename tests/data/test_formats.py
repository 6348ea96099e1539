"""Each public format: what a row of it becomes. Literal rows in, (role, text) turns out; no files here."""

import pytest

from domlora.data.formats.chat import RowError
from domlora.data.formats.registry import FORMATS, recognise

EXCHANGE = [("user", "2+2?"), ("assistant", "4")]
USER, ASSISTANT = {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}

ROWS = [
    ("messages", {"messages": [USER, ASSISTANT]}),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "2+2?"}]}, ASSISTANT]}),
    (
        "messages",
        {"messages": '[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]'},
    ),
    ("messages", {"prompt": "2+2?", "completion": "5", "messages": [USER, ASSISTANT]}),
    ("sharegpt", {"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]}),
    ("sharegpt", {"conversations": [USER, ASSISTANT]}),
    ("sharegpt", {"conversation": [USER, ASSISTANT]}),
    ("alpaca", {"instruction": "2+2?", "input": "", "output": "4"}),
    ("alpaca", {"instruction": "2+2?", "context": "", "response": "4", "category": "qa"}),
    ("self_instruct", {"instruction": "2+2?", "instances": [{"input": "", "output": "4"}]}),
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


def read(row):
    return recognise(row).read(row)


def turns(row):
    return [chat.turns for chat in read(row)]


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_row_is_recognised_by_its_keys(name, row):
    assert name == recognise(row).NAME


@pytest.mark.parametrize("row", [row for name, row in ROWS if name not in ("gsm8k", "human_eval")])
def test_equal_content_in_any_format_is_the_same_exchange(row):
    assert turns(row) == [EXCHANGE]


@pytest.mark.parametrize("row", [{}, {"text": "4"}, {"messages": None}, {"instruction": "2+2?"}, {"prompt": "a"}])
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
        ("tool", "user"), ("function", "user"), ("observation", "user"),
        ("assistant", "assistant"), ("gpt", "assistant"), ("chatgpt", "assistant"), ("bing", "assistant"),
        ("function_call", "assistant"),
    ],
)  # fmt: skip
def test_roles_of_all_formats_become_three(name, role):
    assert turns({"conversations": [{"from": name, "value": "text"}]}) == [[(role, "text")]]


def test_a_tool_call_is_a_response_and_its_result_is_not():
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    row = {
        "messages": [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "4"},
        ]
    }
    said = '{"name": "add", "arguments": "{\\"a\\": 2}"}'
    assert turns(row) == [[("assistant", said), ("user", "4")]]


def test_text_parts_are_joined_by_line_breaks():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert turns({"messages": [{"role": "user", "content": parts}]}) == [[("user", "a\nb")]]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"messages": [{"role": "robot", "content": "a"}]}, "unknown role 'robot'"),
        ({"messages": [{"content": "a"}]}, "unknown role 'None'"),
        ({"messages": ["hello"]}, "where a message is expected"),
        ({"messages": "hello"}, "not JSON where a list of messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "an object where a text is expected"),
        ({"instruction": "a", "instances": [1]}, "instances"),
        ({"instruction": "a", "output": "b", "history": ["c"]}, "history"),
    ],
)
def test_a_damaged_row_says_what_is_wrong(row, complaint):
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
    assert chat.turns == [("user", "How much?"), ("assistant", "It is 2*600=1,200.\n#### 1,200")]
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
