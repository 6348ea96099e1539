"""Parts of the README.md of what is taken away: how the adapter is loaded, and what each file is."""

from __future__ import annotations

from domlora.export.recipe import Recipe
from domlora.export.taken import ADAPTER, Taken
from domlora.export.where import needs_uniform
from domlora.quoting import literal

FILES = """- `{adapter}/`: the PEFT adapter
{uniform}- `where_it_runs.md`: which servers take it, how, and what they would misread
- `lora_config.py`: its `LoraConfig`
- `train_with_trl.py`: trains it again with TRL, step by step as domlora did
- `train_with_unsloth.py`, `axolotl.yaml`, `llama_factory.yaml` with `dataset_info.json`: the same placement in these
  trainers; what one of them cannot do as domlora did is said in its file
{rows}- `settings.json`: everything that it was trained with
- `comparison.json`, `comparison.csv`: what it was compared with
{curves}"""
WITH_CURVES = "- `curves.svg`: the validation loss of each contestant while it trained\n"
WITH_UNIFORM = """- `adapter_uniform/`: the same adapter at one rank, for servers that read one rank for all modules;
  written by `domlora runs export`, not in a ZIP of the dashboard
"""
ROWS = """- `train.jsonl`, `conversations.jsonl`: the rows in the order of its steps, as tokens and as messages
"""
NO_ROWS = """
The rows that it was trained on are not on the machine that wrote this: `train_with_trl.py` says how to bring some.
"""


def contents(taken: Taken) -> str:
    """What each file is."""
    beside = taken.recipe.rows_beside
    curves = WITH_CURVES if taken.curves is not None else ""
    uniform = WITH_UNIFORM if taken.saved is not None and needs_uniform(taken.saved, taken.base) else ""
    listed = FILES.format(adapter=ADAPTER, rows=ROWS if beside else "", curves=curves, uniform=uniform)
    return listed + ("" if beside else NO_ROWS)


def loading(recipe: Recipe) -> str:
    """Python that loads the base model of a recipe as `base`, at the revision that was trained on."""
    revision = f", revision={literal(recipe.revision)}" if recipe.revision else ""
    return f"""from peft import PeftModel
from transformers import {recipe.auto_class}

base = {recipe.auto_class}.from_pretrained({literal(recipe.model_argument)}{revision})"""
