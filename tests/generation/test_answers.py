"""Prompts, greedy generations and what counts as right."""

import copy
import json
import logging
from contextlib import contextmanager

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig
from transformers.utils import logging as hf_logging

from domlora.data.encoding import encode
from domlora.data.samples import Message, Sample
from domlora.data.tasks import load_task
from domlora.errors import TaskError
from domlora.generation import answers
from domlora.generation.answers import can_be_asked, end_tokens, generate, prompts
from domlora.generation.grading import final_number, is_correct
from tests.helpers.conversations import conversation

QUESTIONS = ["what is two and two?", "write a short poem please", "fox", "the quick brown fox jumps over the lazy dog"]
SAMPLES = [conversation(question, "four", row=i) for i, question in enumerate(QUESTIONS)]


@pytest.fixture
def model(tiny_folder):
    return AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()


@pytest.fixture
def plain(tokenizer):
    found = copy.deepcopy(tokenizer)
    found.chat_template = None
    return found


# --- prompts ---


def test_a_prompt_is_the_conversation_up_to_the_last_response(tokenizer):
    assert prompts([conversation("what?", "the fox", "and?", "dog")], tokenizer) == [
        "<|user|>what?<|end|>\n<|assistant|>the fox<|end|>\n<|user|>and?<|end|>\n<|assistant|>"
    ]


def test_without_a_template_a_prompt_is_plain_turns(plain):
    assert prompts([conversation("what?", "the fox", "and?", "dog")], plain) == [
        "User: what?\n\nAssistant: the fox<|end|>\n\nUser: and?\n\nAssistant:"
    ]


@pytest.mark.parametrize("name", ["tokenizer", "plain"])
def test_a_prompt_is_what_training_puts_before_the_response(name, request):
    chosen = request.getfixturevalue(name)
    (trained,) = encode(SAMPLES[:1], chosen, 100).samples
    before = trained.ids[: trained.response.index(True)]
    asked = chosen(prompts(SAMPLES[:1], chosen)[0], add_special_tokens=name == "plain")["input_ids"]
    assert tuple(asked) == before


def test_a_sample_that_cannot_be_asked_is_named(tokenizer):
    lonely = Sample((Message("assistant", "hello"),), row=7)
    with pytest.raises(TaskError, match="row 7 holds a response that nothing comes before"):
        prompts([lonely], tokenizer)
    strict = copy.deepcopy(tokenizer)
    strict.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(TaskError, match="row 0 cannot be asked: the model's chat template refuses it: never"):
        prompts(SAMPLES, strict)
    assert [can_be_asked(sample, tokenizer) for sample in (lonely, SAMPLES[0])] == [False, True]


# --- generations ---


def greedy_by_hand(model, tokenizer, sample, length):
    """Without cache, padding or transformers' loop."""
    ids = tokenizer(prompts([sample], tokenizer)[0], add_special_tokens=False)["input_ids"]
    new = []
    with torch.no_grad():
        for _ in range(length):
            token = int(model(torch.tensor([ids + new])).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            new.append(token)
    return tokenizer.decode(new, skip_special_tokens=True).strip()


def test_a_batch_gives_what_a_loop_over_single_samples_gives(model, tokenizer):
    expected = [greedy_by_hand(model, tokenizer, sample, 12) for sample in SAMPLES]
    assert len(set(expected)) > 1
    assert generate(model, tokenizer, SAMPLES, max_new_tokens=12) == expected
    assert [generate(model, tokenizer, [sample], max_new_tokens=12)[0] for sample in SAMPLES] == expected


def test_the_order_of_samples_is_kept(model, tokenizer):
    forward = generate(model, tokenizer, SAMPLES, max_new_tokens=6)
    assert generate(model, tokenizer, SAMPLES[::-1], max_new_tokens=6) == forward[::-1]
    assert generate(model, tokenizer, [], max_new_tokens=6) == []


def test_sampling_settings_of_the_model_change_nothing_and_come_back(model, tokenizer):
    expected = generate(model, tokenizer, SAMPLES, max_new_tokens=8)
    own = GenerationConfig(do_sample=True, temperature=5.0, top_p=0.9, repetition_penalty=9.0, max_length=3)
    model.generation_config = own
    assert generate(model, tokenizer, SAMPLES, max_new_tokens=8) == expected
    assert model.generation_config is own
    assert (
        own.to_diff_dict()
        == GenerationConfig(
            do_sample=True, temperature=5.0, top_p=0.9, repetition_penalty=9.0, max_length=3
        ).to_diff_dict()
    )


def test_settings_come_back_after_a_failure(model, tokenizer, monkeypatch):
    own = model.generation_config

    def fail(**_):
        raise RuntimeError("broken")

    monkeypatch.setattr(model, "generate", fail)
    with pytest.raises(RuntimeError, match="broken"):
        generate(model, tokenizer, SAMPLES, max_new_tokens=8)
    assert model.generation_config is own


def test_nothing_is_said_beside_the_answers(model, tokenizer, caplog, recwarn):
    hf_logging.enable_propagation()
    try:
        with caplog.at_level(logging.WARNING):
            generate(model, tokenizer, SAMPLES, max_new_tokens=4)
    finally:
        hf_logging.disable_propagation()
    assert not caplog.records
    assert not recwarn.list


def test_end_tokens_are_the_models_the_tokenizers_and_the_templates(model, tokenizer):
    end, user = tokenizer.convert_tokens_to_ids(["<|end|>", "<|user|>"])
    model.generation_config.eos_token_id = [5, user]
    assert end_tokens(model, tokenizer) == tuple(sorted({5, user, end}))
    other = copy.deepcopy(tokenizer)
    other.chat_template = other.chat_template.replace("<|end|>", "<|system|>")
    model.generation_config.eos_token_id = None
    assert end_tokens(model, other) == tuple(sorted({end, tokenizer.convert_tokens_to_ids("<|system|>")}))


class Scripted:
    """Stands in for a model's `generate`: every row says the same."""

    def __init__(self, ids):
        self.ids, self.rows = ids, []

    def __call__(self, input_ids, attention_mask):
        self.rows.append(len(input_ids))
        return torch.cat([input_ids, torch.tensor([self.ids] * len(input_ids))], dim=1)


def test_an_answer_ends_with_the_turn(model, tokenizer, monkeypatch):
    end = tokenizer.eos_token_id
    ids = tokenizer(" the fox", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(model, "generate", Scripted([*ids, end, *ids]))
    assert generate(model, tokenizer, SAMPLES[:1], max_new_tokens=20) == ["the fox"]


def test_without_a_template_the_next_turn_is_cut_off(model, plain, monkeypatch):
    ids = plain(" four\n\nUser: and?", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(model, "generate", Scripted(ids))
    assert generate(model, plain, SAMPLES[:1], max_new_tokens=20) == ["four"]


def test_a_batch_that_does_not_fit_is_halved(model, tokenizer, monkeypatch):
    expected = generate(model, tokenizer, SAMPLES, max_new_tokens=6)
    real, sizes = model.generate, []

    def small(input_ids, attention_mask):
        sizes.append(len(input_ids))
        if len(input_ids) > 1:
            raise torch.OutOfMemoryError("full")
        return real(input_ids=input_ids, attention_mask=attention_mask)

    monkeypatch.setattr(model, "generate", small)
    assert generate(model, tokenizer, SAMPLES, max_new_tokens=6) == expected
    assert sizes == [4, 2, 1, 1, 2, 1, 1]


def test_a_prompt_beyond_the_context_loses_its_beginning(model, tokenizer):
    model.config.max_position_embeddings = 40
    long = conversation("what is two and two? " * 40, "four")
    longer = conversation("please " * 9 + "what is two and two? " * 40, "four")
    first, second = generate(model, tokenizer, [long, longer], max_new_tokens=8)
    assert first == second


def test_an_adapter_is_active_around_each_batch(model, tokenizer, monkeypatch):
    from peft import LoraConfig, get_peft_model

    base = generate(model, tokenizer, SAMPLES, max_new_tokens=8)
    config = LoraConfig(r=4, target_modules=["model.layers.0.mlp.down_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    peft_model = get_peft_model(model, config).eval()
    with torch.no_grad():
        peft_model.base_model.model.model.layers[0].mlp.down_proj.lora_B["default"].weight.mul_(50)
    adapted = generate(model, tokenizer, SAMPLES, max_new_tokens=8)
    assert adapted != base
    assert adapted == [greedy_by_hand(model, tokenizer, sample, 8) for sample in SAMPLES]
    entered = []

    @contextmanager
    def without(rows):
        entered.append(rows)
        with peft_model.disable_adapter():
            yield

    monkeypatch.setattr(answers, "BATCH", 3)
    assert generate(model, tokenizer, SAMPLES, max_new_tokens=8, adapter=without) == base
    assert entered == [3, 1]


# --- final answers ---


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2+2=4\n#### 4", "4"),
        ("#### 1,200\nThat took 3 steps.", "1200"),
        ("#### 5\n\nQuestion: 3?\n#### 7", "5"),
        ("#### $-12.50.", "-12.50"),
        ("####-7", "-7"),
        ("#### Step 1\nShe has 9.", "9"),
        ("The answer is 42.", "42"),
        ("The answer is $1,234,567.89, not 3.", "1234567.89"),
        ("So the final answer to this is: **18** eggs out of 20", "18"),
        (r"The answer is: $\boxed{-3}$ as 1 + 2 is 3", "-3"),
        ("Answer: 0.5%\nChecked 2 times", "0.5"),
        ("The answer is 5. No, wait. The answer is 6. I am 100% sure.", "6"),
        ("She has 3 apples and 4 pears, so 7.", "7"),
        ("It is 10-3", "3"),
        ("It is -3", "-3"),
        ("It is \u22123", "-3"),
        ("a loss of -$3.00", "-3.00"),
        ("only .5 left", "0.5"),
        ("numbers 1,2,3", "3"),
        ("not 1,2345", "2345"),
        ("12,345 and no more", "12345"),
        ("version 10.", "10"),
        ("no number at all", None),
        ("", None),
        ("####", None),
    ],
)
def test_the_final_number(text, number):
    assert final_number(text) == number


def asked(answer=None, tests=None, question="q"):
    return Sample((Message("user", question), Message("assistant", "a")), answer=answer, tests=tests)


@pytest.mark.parametrize(
    ("answer", "text", "right"),
    [
        ("4", "#### 4", True),
        ("4", "It is 4.00 euros", True),
        ("1200", "1,200", True),
        ("1,200", "The answer is 1200", True),
        ("$5", "5", True),
        ("4", "#### 5", False),
        ("4", "I do not know", False),
        ("-4", "4", False),
        ("0.1", "0.10000000000000001", False),
        ("Paris", "The answer is  paris.", True),
        ("Paris", "It is in France.\n\n**Paris**", True),
        ("Paris", "Not Paris", False),
        ("(B)", "The answer is B.", True),
        ("no", "The answer is: yes", False),
        ("x + 1", r"So \boxed{x + 1} it is", True),
    ],
)
def test_final_answers_are_compared(answer, text, right):
    assert is_correct(asked(answer), text) is right


def test_what_is_not_checked_is_none():
    assert is_correct(asked(), "anything", run_code=True) is None
    assert is_correct(asked(tests="raise ValueError"), "x = 1", run_code=False) is None


def test_code_is_checked_by_its_tests():
    sample = asked(tests="assert f() == 1")
    assert is_correct(sample, "Here:\n```python\ndef f(): return 1\n```", run_code=True) is True
    assert is_correct(sample, "Here:\n```python\ndef f(): return 2\n```", run_code=True) is False
    assert is_correct(sample, "I cannot.", run_code=True) is False


def test_imports_of_the_question_need_not_be_repeated_and_nothing_else_is_taken():
    question = "Complete:\n```python\nfrom typing import List\nimport math\n\ndef f(x: List) -> int: return 1\n```"
    sample = asked(tests="assert f([]) == 1", question=question)
    answer = "```python\nfrom __future__ import annotations\ndef f(x: List) -> int: return math.floor(1.5)\n```"
    assert is_correct(sample, answer, run_code=True) is True
    assert is_correct(sample, "```python\nx = 1\n```", run_code=True) is False


# --- real tasks ---


@pytest.mark.slow
def test_all_canonical_solutions_of_human_eval_are_right_and_empty_ones_wrong(shared_data):
    samples = load_task(shared_data / "human_eval.jsonl").samples
    assert len(samples) == 164
    wrong = [s.row for s in samples if not is_correct(s, s.messages[-1].content, run_code=True)]
    assert not wrong
    rows = [json.loads(line) for line in (shared_data / "human_eval.jsonl").read_text(encoding="utf-8").splitlines()]
    heads = [f"```python\n{row['prompt']}    pass\n```" for row in rows]
    assert not any(is_correct(s, head, run_code=True) for s, head in zip(samples[::8], heads[::8], strict=True))


@pytest.mark.slow
def test_reference_answers_of_the_code_task_are_right():
    samples = load_task("code").split("test")
    assert len(samples) > 50
    assert not [s.row for s in samples if not is_correct(s, s.messages[-1].content, run_code=True)]


def test_reference_answers_of_the_math_task_are_right():
    samples = load_task("math").samples
    wrong = [s.row for s in samples if s.answer is None or not is_correct(s, s.messages[-1].content)]
    assert not wrong


def test_reference_answers_of_gsm8k_are_right(shared_data):
    for name in ("gsm8k_train.jsonl", "gsm8k_test.jsonl"):
        samples = load_task(shared_data / name).samples
        assert all(is_correct(s, s.messages[-1].content) for s in samples)
        # Without the marked line, too, nearly always: the worked solution ends with the result.
        unmarked = [is_correct(s, s.messages[-1].content.rpartition("####")[0]) for s in samples]
        assert sum(unmarked) > 0.9 * len(samples)
