"""Chat templates with the behaviours of those of public models, and `docs/templates.md`, written from them:
`python -m tests.helpers.templates`. Each is written for this project.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from domlora.data.encoding import encode
from domlora.data.samples import Message, Sample, ToolCall

FILE = Path(__file__).parents[2] / "docs" / "templates.md"


class Template(NamedTuple):
    """A chat template.

    Attributes:
        does: its behaviour, as a row of the table names it.
        end: the token that ends a turn, empty if it writes none; `last` where the last turn ends in another way.
        before: what the model writes before its answer; a blank, say.
        system: whether it shows a system text.
        trims: whether it strips white space around what is said.
    """

    does: str
    source: str
    end: str
    last: str | None = None
    before: str = ""
    system: bool = True
    trims: bool = False


ASK = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
TEMPLATES = {
    "plain": Template(
        "every turn between two markers",
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" + ASK,
        "<|im_end|>",
    ),
    "trims": Template(
        "strips what is said",
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}" + ASK,
        "<|im_end|>",
        trims=True,
    ),
    "own_system": Template(
        "adds a system text and a date of its own",
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are yes. {{ strftime_now('%d %b %Y') }}"
        "<|im_end|>\n"
        "{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" + ASK,
        "<|im_end|>",
    ),
    "empty_thoughts": Template(
        "writes an empty block of thoughts before the last answer",
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
        "{% set c = m.content.split('</think>')[-1].lstrip('\n') %}"
        "{% set r = m.reasoning_content or m.content.split('</think>')[0].split('<think>')[-1].strip('\n') "
        "if m.reasoning_content or '</think>' in m.content else '' %}"
        "{% if loop.last or r %}<think>\n{{ r.strip('\n') }}\n</think>\n\n{% endif %}{{ c }}"
        "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}" + ASK,
        "<|im_end|>",
    ),
    "last_thoughts": Template(
        "shows thoughts after the last question only, in a block that is always there",
        "{% set ns = namespace(last=0) %}{% for m in messages %}{% if m.role == 'user' %}"
        "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{% if m.role == 'assistant' %}"
        "{% set r = m.reasoning_content or '' %}{% set c = m.content %}{% if not r and '</think>' in c %}"
        "{% set r = c.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}"
        "{% set c = c.split('</think>')[-1].lstrip('\n') %}{% endif %}{% if loop.index0 > ns.last %}<think>\n"
        "{{ r.strip('\n') }}\n</think>\n\n{{ c.lstrip('\n') }}{% else %}{{ c }}{% endif %}{% else %}{{ m.content }}"
        "{% endif %}<|im_end|>\n{% endfor %}" + ASK,
        "<|im_end|>",
    ),
    "always_asks": Template(
        "always ends where the assistant is to speak",
        "{% for m in messages %}<|header|>{{ m.role }}<|body|>\n\n{{ m.content | trim }}<|stop|>{% endfor %}"
        "<|header|>assistant<|body|>{{ '\n\n' }}",
        "<|stop|>",
        trims=True,
    ),
    "opens_thoughts": Template(
        "opens thoughts when it asks, and cuts those of the past",
        "{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>\n{{ m.content.split('</think>')[-1] }}"
        "<|stop|>\n{% else %}<|{{ m.role }}|>\n{{ m.content }}\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n<think>\n{% endif %}",
        "<|stop|>",
    ),
    "text_ends": Template(
        "ends the text where it does not ask",
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% else %}<|endoftext|>{% endif %}",
        "<|end|>",
    ),
    "last_ends": Template(
        "has an end token after the last turn only",
        "{% for m in messages %}{{ m.role | upper }}:\n{{ m.content }}"
        "{% if loop.last and m.role == 'assistant' %}<|stop|>{% endif %}\n{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT:\n{% endif %}",
        "",
        last="<|stop|>",
    ),
    "other_last": Template(
        "ends the last turn with another token, and names channels",
        "{% for m in messages %}<|start|>{{ m.role }}{% if m.role == 'assistant' %}{% if m.reasoning_content %}"
        "<|channel|>analysis<|message|>{{ m.reasoning_content }}<|end|><|start|>assistant{% endif %}"
        "<|channel|>final{% endif %}"
        "<|message|>{{ m.content }}"
        "{% if m.role == 'assistant' and loop.last and not add_generation_prompt %}<|return|>{% else %}"
        "<|end|>{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}",
        "<|end|>",
        last="<|return|>",
    ),
    "system_in_last_question": Template(
        "moves the system text into the last question",
        "{% set ns = namespace(last=0, system='') %}{% for m in messages %}{% if m.role == 'system' %}"
        "{% set ns.system = m.content %}{% elif m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}"
        "{% endfor %}"
        "<s>{% for m in messages %}{% if m.role == 'user' %}[INST] {% if loop.index0 == ns.last and ns.system %}"
        "{{ ns.system }}\n\n{% endif %}{{ m.content }}[/INST]{% elif m.role == 'assistant' %} {{ m.content }}</s>"
        "{% endif %}{% endfor %}",
        "</s>",
        before=" ",
    ),
    "blank_before": Template(
        "puts blanks around an answer",
        "{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content | trim }} </s>{% else %}<s>[INST] "
        "{{ m.content | trim }} [/INST]{% endif %}{% endfor %}",
        " </s>",
        before=" ",
        trims=True,
    ),
    "parts": Template(
        "shows contents given as parts only",
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}"
        "{% endif %}{% endfor %}<|im_end|>\n{% endfor %}" + ASK,
        "<|im_end|>",
    ),
    "repeats": Template(
        "repeats the last question",
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.index0 %}"
        "(on: {{ messages[loop.index0 - 1].content }})\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}" + ASK,
        "<|im_end|>",
    ),
    "no_end": Template(
        "writes no end token at all",
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
        "",
    ),
    "no_system": Template(
        "drops the system text",
        "{% for m in messages if m.role != 'system' %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        + ASK,
        "<|im_end|>",
        system=False,
    ),
    "says_itself": Template(
        "says with `{% generation %}` what the model writes",
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
        "<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}" + ASK,
        "<|im_end|>",
    ),
    "tools": Template(
        "writes calls of tools and their results",
        "{% for m in messages %}<|im_start|>{{ 'user' if m.role == 'tool' else m.role }}\n{% if m.role == 'tool' %}"
        "<tool_response>\n{{ m.content }}\n</tool_response>{% else %}{{ m.content }}{% endif %}"
        "{% for c in m.tool_calls or [] %}{{ '\\n' if m.content or not loop.first else '' }}<tool_call>\n"
        '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}'
        "<|im_end|>\n{% endfor %}" + ASK,
        "<|im_end|>",
    ),
}

QUESTION, NEXT = "Is 7 prime? Answer yes or no.", "Is 8 prime? Answer yes or no."
TALK = (Message("user", QUESTION), Message("assistant", "yes"), Message("user", NEXT), Message("assistant", "no"))
SYSTEM = Message("system", "Answer yes or no.")
THOUGHTS = (
    Message("user", "2+2?"), Message("assistant", "<think>\nadd them\n</think>\n\n4"), Message("user", "3+3?"),
    Message("assistant", "6", reasoning="add again"),
)  # fmt: skip
CALLS = (
    Message("user", "Weather in Rome?"),
    Message("assistant", "Let me look.", tool_calls=(ToolCall("weather", '{"city": "Rome"}'),)),
    Message("tool", "31"),
    Message("assistant", "It is 31."),
)
CONVERSATIONS = {"two answers": (SYSTEM, *TALK), "thoughts": THOUGHTS, "a call": CALLS}


def with_template(tokenizer: PreTrainedTokenizerBase, source: str) -> PreTrainedTokenizerBase:
    """A copy of a tokenizer with another chat template."""
    import copy

    other = copy.deepcopy(tokenizer)
    other.chat_template = source
    return other


def learned(tokenizer: PreTrainedTokenizerBase, sample) -> list[str]:
    """The text of each run of tokens that enter the loss."""
    runs: list[list[int]] = []
    before = False
    for token, counts in zip(sample.ids, sample.response, strict=True):
        if counts and not before:
            runs.append([])
        if counts:
            runs[-1].append(token)
        before = counts
    return [str(tokenizer.decode(run, clean_up_tokenization_spaces=False)) for run in runs]


def document(tokenizer: PreTrainedTokenizerBase) -> str:
    lines = [
        "# What enters the loss, by what a chat template does",
        "",
        "Written by `python -m tests.helpers.templates`; a test fails if it is stale. Each template has the behaviour",
        "of one that public models use, and was written for this project. `⏎` is a line break; runs of trained tokens",
        "are between backquotes. How the places are found: the head of `domlora/data/marking.py`.",
        "",
        "What a template cannot show (thoughts of the past, calls of tools, a system text) is counted and said. A row",
        "is refused where a question or an answer would not be shown as it stands, and where a template counts, cuts",
        "or rewrites answers, since their places are then not certain. What a template writes around an answer (an",
        "empty block of thoughts, the name of a channel) is not learned; thoughts that it shows are, with the marks",
        "around them. Models without a template read `User:` and `Assistant:` turns; a text that is no conversation is",
        "learned whole, with the end-of-text token after it.",
    ]
    for title, messages in CONVERSATIONS.items():
        lines += ["", f"## {title[0].upper()}{title[1:]}", ""]
        lines += [f"- {said(message)}" for message in messages]
        lines += ["", "| a template that | learns | and says |", "|---|---|---|"]
        for template in TEMPLATES.values():
            other = with_template(tokenizer, template.source)
            try:
                encoding = encode([Sample(tuple(messages), row=1)], other, 1000)
            except Exception as error:
                lines.append(f"| {template.does} | refused | {cell(str(error).partition('row 1: ')[2])} |")
                continue
            runs = " ".join(f"`{shown(text)}`" for text in learned(other, encoding.samples[0]))
            notes = "; ".join(remark.words.partition(" (")[0] for remark in encoding.remarks)
            lines.append(f"| {template.does} | {cell(runs)} | {cell(notes)} |")
    return "\n".join(lines) + "\n"


def said(message: Message) -> str:
    calls = "".join(f" calls `{call.name}({call.arguments})`" for call in message.tool_calls)
    thoughts = f", thoughts kept apart: `{message.reasoning}`" if message.reasoning else ""
    return f"{message.role}: `{shown(message.content)}`{calls}{thoughts}"


def shown(text: str) -> str:
    return text.replace("\n", "⏎")


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def reference_tokenizer() -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    from domlora.models.catalogue import builtin_folder

    return AutoTokenizer.from_pretrained(builtin_folder("ref-llama"))


if __name__ == "__main__":
    FILE.write_text(document(reference_tokenizer()), encoding="utf-8")
