"""The README.md of what is taken away: how the adapter is loaded, and what each file is."""

from __future__ import annotations

from domlora.export.recipe import Recipe
from domlora.export.taken import ADAPTER, Taken
from domlora.quoting import comment, literal

CONTENT = """- `{adapter}/`: the PEFT adapter
- `lora_config.py`: its `LoraConfig`
- `train_with_trl.py`: trains the same placement with TRL's `SFTTrainer`
- `settings.json`: everything that it was trained with
- `comparison.json`, `comparison.csv`: what it was compared with
"""


def readme(taken: Taken) -> str:
    run, variant = taken.run, taken.variant
    modules = f"{variant.modules} module" + ("" if variant.modules == 1 else "s")
    after = variant.results.get("test_loss_after")
    result = f" Its test loss is {after:.3f}, the base's {variant.results['test_loss_before']:.3f}." if after else ""
    return f"""# {comment(variant.name)}

An adapter of {modules} with {variant.trainable_parameters:,} trained parameters for {comment(run.model_source)},
trained on {comment(run.task)} by domlora, run {run.id}.{result}

```python
{loading(taken.recipe)}
model = PeftModel.from_pretrained(base, {literal(ADAPTER)})
```

{CONTENT.format(adapter=ADAPTER)}"""


def loading(recipe: Recipe) -> str:
    """Python that loads the base model of a recipe as `base`, at the revision that was trained on."""
    revision = f", revision={literal(recipe.revision)}" if recipe.revision else ""
    return f"""from peft import PeftModel
from transformers import {recipe.auto_class}

base = {recipe.auto_class}.from_pretrained({literal(recipe.model_argument)}{revision})"""
