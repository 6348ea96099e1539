"""The tokenizer of a model folder, with the one chat template that is meant.

    tokenizer_config.json        "chat_template": "..."   or   [{"name": "default", "template": "..."}, ...]
    chat_template.jinja          the template alone, before what tokenizer_config.json says
    additional_chat_templates/   further ones, named by their files
    chat_template.json           {"chat_template": "..."}, as processors of image models save it

In: a folder. Out: a tokenizer whose `chat_template` is a text that compiles, or None. No remote code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import TemplateSyntaxError
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import _compile_jinja_template

from domlora.errors import ModelError
from domlora.models.files import read_json

PATTERNS = ("tokenizer*", "vocab*", "merges*", "*.model")
TEMPLATE, FOLDER, PROCESSORS = "chat_template.jinja", "additional_chat_templates", "chat_template.json"
SETTINGS = "tokenizer_config.json"


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Loads a tokenizer and makes sure of its chat template.

    Raises:
        ModelError: none is there, it cannot be loaded or needs code of its own, several templates of which none is the
            default, or one that is no template.
    """
    # Looked for by hand: without a file, some classes (GPT-2's) start with an empty vocabulary and say nothing.
    if not any(any(folder.glob(pattern)) for pattern in PATTERNS):
        raise ModelError(f"{folder} has no tokenizer: put the tokenizer.json of this model beside its weights")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # tokenizers raises bare ones, and the classes whatever a file makes them stumble over
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
        if "custom code" in reason:
            raise ModelError(
                f"the tokenizer of {folder} needs Python code of its own (`auto_map` in {SETTINGS}), which is not run: "
                "give a model whose tokenizer is a tokenizer.json of a class that transformers has"
            ) from error
        raise ModelError(f"the tokenizer of {folder} cannot be loaded ({reason}): bring its files again") from error
    template, file = tokenizer.chat_template, _file_of(folder)
    if not template and (folder / PROCESSORS).exists():
        template, file = _named(read_json(folder / PROCESSORS).get("chat_template")), folder / PROCESSORS
    if isinstance(template, dict):
        template = _default(folder, template)
    tokenizer.chat_template = _compiled(template, file)
    return tokenizer


def _file_of(folder: Path) -> Path:
    """Where the template comes from that transformers takes."""
    if (folder / TEMPLATE).exists():
        return folder / TEMPLATE
    by_name = folder / FOLDER / "default.jinja"
    return by_name if by_name.exists() else folder / SETTINGS


def _named(template: Any) -> Any:
    """A list of named templates as transformers keeps it."""
    if isinstance(template, list) and all(
        isinstance(one, dict) and {"name", "template"} <= set(one) for one in template
    ):
        return {one["name"]: one["template"] for one in template}
    return template


def _default(folder: Path, templates: dict[str, Any]) -> Any:
    if "default" in templates:
        return templates["default"]
    own = read_json(folder / SETTINGS).get("chat_template") if (folder / SETTINGS).exists() else None
    if isinstance(own, str):  # which transformers leaves aside for those of the folder
        return own
    raise ModelError(
        f"{folder} has chat templates named {', '.join(sorted(map(str, templates)))} and no default among them: save "
        f"the one that is meant as {TEMPLATE}"
    )


def _compiled(template: Any, file: Path) -> str | None:
    """The template if it is one, None if there is nothing in it."""
    if template is None or (isinstance(template, str) and not template.strip()):
        return None
    if not isinstance(template, str):
        raise ModelError(
            f"the chat template in {file} is a {type(template).__name__}, not a text: save it as {TEMPLATE}"
        )
    try:
        _compile_jinja_template(template)
    except TemplateSyntaxError as error:
        raise ModelError(
            f"the chat template in {file} is broken at its line {error.lineno} ({error.message}): mend it there"
        ) from error
    return template
