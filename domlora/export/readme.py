"""The README.md of what is taken away: how the adapter is loaded, and what each file is."""

from __future__ import annotations

from domlora.export.recipe import Recipe
from domlora.export.taken import ADAPTER, Taken
from domlora.quoting import literal, markdown

FILES = """- `{adapter}/`: the PEFT adapter
- `lora_config.py`: its `LoraConfig`
- `train_with_trl.py`: trains it again with TRL, step by step as domlora did
- `train_with_unsloth.py`, `axolotl.yaml`, `llama_factory.yaml` with `dataset_info.json`: the same placement in these
  trainers; what one of them cannot do as domlora did is said in its file
{rows}- `settings.json`: everything that it was trained with
- `comparison.json`, `comparison.csv`: what it was compared with
"""
ROWS = """- `train.jsonl`, `conversations.jsonl`: the rows in the order of its steps, as tokens and as messages
"""
NO_ROWS = """
The rows that it was trained on are not on the machine that wrote this: `train_with_trl.py` says how to bring some.
"""


def readme(taken: Taken) -> str:
    run, variant = taken.run, taken.variant
    modules = f"{variant.modules} module" + ("" if variant.modules == 1 else "s")
    after = variant.results.get("test_loss_after")
    result = f" Its test loss is {after:.3f}, the base's {variant.results['test_loss_before']:.3f}." if after else ""
    beside = taken.recipe.rows_beside
    return f"""# {markdown(variant.name)}

An adapter of {modules} with {variant.trainable_parameters:,} trained parameters for {markdown(run.model_source)},
trained on {markdown(run.task)} by domlora, run {run.id}.{result}

```python
{loading(taken.recipe)}
model = PeftModel.from_pretrained(base, {literal(ADAPTER)})
```

{FILES.format(adapter=ADAPTER, rows=ROWS if beside else "")}{"" if beside else NO_ROWS}"""


def loading(recipe: Recipe) -> str:
    """Python that loads the base model of a recipe as `base`, at the revision that was trained on."""
    revision = f", revision={literal(recipe.revision)}" if recipe.revision else ""
    return f"""from peft import PeftModel
from transformers import {recipe.auto_class}

base = {recipe.auto_class}.from_pretrained({literal(recipe.model_argument)}{revision})"""
