"""What a user takes away from a comparison: the adapter, and the text files to use it and to train it again.

In: a run from the store, its comparison, one of its variants. Out: files by name. No torch here: the adapter's own
files are copied as they were saved.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from domlora.comparison.result import Comparison
from domlora.comparison.run import Run, Variant
from domlora.errors import SweepError
from domlora.export.trl import model_argument, sft_script

ADAPTER = "adapter"  # folder of the PEFT adapter among the files


def best_variant(comparison: Comparison) -> Variant:
    """The first seed of the contestant with the lowest loss.

    Raises:
        SweepError: no variant has finished.
    """
    for contestant in comparison.contestants:
        if contestant.name == comparison.best and contestant.variants:
            return contestant.variants[0]
    raise SweepError(f"run {comparison.run.id} has no finished variant yet: there is nothing to take away")


def files(run: Run, comparison: Comparison, variant: Variant) -> dict[str, bytes]:
    """Everything about one variant: its adapter, a `LoraConfig`, a training script, the settings, the comparison.

    Raises:
        SweepError: the variant has no adapter, or its files are on another machine.
    """
    placement = next(p for p in run.placements if p.name == variant.placement)
    found = {f"{ADAPTER}/{path.name}": path.read_bytes() for path in adapter_files(variant)}
    texts = {
        "README.md": _readme(run, variant),
        "lora_config.py": placement.snippet(variant.method),
        "train_with_trl.py": sft_script(run, variant),
        "settings.json": json.dumps(_settings(run, variant), indent=1),
        "comparison.json": json.dumps(comparison.to_json(), indent=1),
        "comparison.csv": comparison.to_csv(),
    }
    return found | {name: text.encode() for name, text in texts.items()}


def archive(content: dict[str, bytes]) -> bytes:
    """The files as one ZIP."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in content.items():
            made.writestr(name, data)
    return buffer.getvalue()


def adapter_files(variant: Variant) -> list[Path]:
    """The files of a variant's PEFT adapter on this machine.

    Raises:
        SweepError: there are none.
    """
    if variant.adapter is None:
        raise SweepError(f"{variant.name} has no adapter: it is {variant.status}")
    folder = Path(variant.adapter)
    paths = sorted(path for path in folder.glob("adapter_*") if path.is_file())
    if not paths:
        raise SweepError(f"the adapter of {variant.name} is not on this machine: it was saved in {folder}")
    return paths


def _settings(run: Run, variant: Variant) -> dict[str, object]:
    return {
        "run": run.id,
        "variant": variant.name,
        "model": run.model,
        "model_source": run.model_source,
        "model_origin": run.model_origin and run.model_origin.model_dump(mode="json"),
        "model_revision": run.model_revision,
        "task": run.task,
        "task_source": run.task_source,
        "task_origin": run.task_origin and run.task_origin.model_dump(mode="json"),
        "task_hash": run.task_hash,
        "config": run.config.model_dump(mode="json"),
        "placement": next(p for p in run.placements if p.name == variant.placement).model_dump(mode="json"),
        "method": variant.method,
        "learning_rate": variant.learning_rate,
        "seed": variant.seed,
        "results": dict(variant.results),
        "facts": dict(run.facts),
    }


def _readme(run: Run, variant: Variant) -> str:
    model, _ = model_argument(run)
    modules = f"{variant.modules} module" + ("" if variant.modules == 1 else "s")
    after = variant.results.get("test_loss_after")
    result = f" Its test loss is {after:.3f}, the base's {variant.results['test_loss_before']:.3f}." if after else ""
    return f"""# {variant.name}

An adapter of {modules} with {variant.trainable_parameters:,} trained parameters for {run.model_source},
trained on {run.task} by domlora, run {run.id}.{result}

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained("{model}")
model = PeftModel.from_pretrained(base, "{ADAPTER}")
```

- `{ADAPTER}/`: the PEFT adapter
- `lora_config.py`: its `LoraConfig`
- `train_with_trl.py`: trains the same placement with TRL's `SFTTrainer`
- `settings.json`: everything that it was trained with
- `comparison.json`, `comparison.csv`: what it was compared with
"""
