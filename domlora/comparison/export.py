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
from domlora.placements.methods import METHODS

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


def sft_script(run: Run, variant: Variant) -> str:
    """A TRL script that trains the same placement with the same settings on the user's own rows."""
    config = run.config
    placement = next(p for p in run.placements if p.name == variant.placement)
    imports, _, snippet = placement.snippet(variant.method).partition("\n")
    schedule = {"constant": "constant_with_warmup"}.get(config.schedule, config.schedule)
    model, note = _model_argument(run)
    if METHODS[variant.method].faster_up:
        ratio = f"{config.loraplus_ratio:g}"
        note += f"# LoRA+: B learns at {ratio} times the rate below (peft.optimizers.create_loraplus_optimizer).\n"
    note += _rows_note(run)
    return f'''"""{variant.name} of domlora run {run.id}, trained with TRL: pip install trl."""

from datasets import load_dataset
{imports}
from trl import SFTConfig, SFTTrainer
{snippet}
{note}rows = load_dataset("json", data_files="train.jsonl", split="train")  # {{"prompt": [...], "completion": [...]}}
trainer = SFTTrainer(
    model="{model}",
    train_dataset=rows,
    peft_config=config,
    args=SFTConfig(
        output_dir="out",
        learning_rate={variant.learning_rate:g},
        max_steps={config.steps},
        per_device_train_batch_size={config.batch_size},
        gradient_accumulation_steps={config.accumulation},
        lr_scheduler_type="{schedule}",
        warmup_steps={round(config.warmup * config.steps)},
        weight_decay={config.weight_decay:g},
        max_grad_norm={config.max_grad_norm:g},
        max_length={config.max_length},
        bf16={run.facts.get("dtype") == "bfloat16"},
        seed={variant.seed},
    ),
)
trainer.train()
trainer.save_model("out")
'''


def _model_argument(run: Run) -> tuple[str, str]:
    """What `from_pretrained` takes for the run's base model, and a comment where that is not plain."""
    origin = run.model_origin
    if origin is not None and origin.base_name is not None:
        return origin.base_name, ""
    base = run.model_source + (f" ({origin.named_again!r})" if origin is not None and origin.known else "")
    return "path/to/the/model", f"# The base of the run: {base}. Name its Hub id or folder below.\n"


def _rows_note(run: Run) -> str:
    """A comment that says where the rows of the run lie, where a name alone does not."""
    origin = run.task_origin
    if origin is None or origin.kind == "builtin":
        return ""
    shape = f", in the format {origin.format}" if origin.format else ""
    read = f", columns {origin.columns_named!r}" if origin.columns else ""
    read += f", system texts: {origin.system}" if origin.system != "keep" else ""
    return f"# The rows of the run: {origin.named_again!r}{shape}{read}.\n"


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
    model, _ = _model_argument(run)
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
