"""A TRL script that trains a recipe again, as the comparison did: text from plain data.

The comparison's training in terms of TRL: rows are tokens already and come in the order of its steps; nothing of the
base is dropped, it runs as it does in use; the loss is the mean over samples unless it was asked to be over tokens; the
adapter starts from the same seed, EVA's from the same rows; LoRA+ has PEFT's optimizer. What of that a recipe does not
need is not in its script.
"""

from __future__ import annotations

from domlora.export.notes import about
from domlora.export.recipe import MODEL_TO_NAME, Recipe
from domlora.export.rows import EVA, TRAIN
from domlora.quoting import comment, literal

SCRIPT = "train_with_trl.py"

SAMPLE_MEAN = '''

class SampleMean(SFTTrainer):
    """The loss is the mean over each sample's tokens, then over samples. (TRL's own is over all tokens of a step.)"""

    loss_is_scaled_for_ga = False  # Trainer averages over accumulated batches

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        wanted = inputs.pop("labels")[:, 1:]
        outputs = model(**inputs, use_cache=False)
        logits = outputs.logits[:, :-1].float().transpose(1, 2)
        losses = torch.nn.functional.cross_entropy(logits, wanted, ignore_index=-100, reduction="none")
        loss = (losses.sum(1) / (wanted != -100).sum(1)).mean()
        return (loss, outputs) if return_outputs else loss
'''

LIKE_IN_USE = '''

def train(mode=True):
    """Nothing of the base is dropped, as in the comparison: only what the adapter itself drops."""
    for name, module in model.named_modules():
        module.training = mode and (module is model or "lora_dropout" in name)
    return model


model.train = train
'''

EVA_START = """
# EVA starts each A from the first principal directions of what its module reads. They are found at the highest rank,
# since PEFT gives modules that read the same inputs equally many; a lower rank takes the first of them.
{directions}
with (HERE / {file}).open(encoding="utf-8") as lines:
    eva_rows = [torch.tensor(json.loads(line)["input_ids"]) for line in lines]
batches = []
for first in range(0, len(eva_rows), {batch}):
    part = eva_rows[first : first + {batch}]
    ids = torch.nn.utils.rnn.pad_sequence(part, batch_first=True)
    real = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in part], batch_first=True)
    batches.append({{"input_ids": ids.to(model.device), "attention_mask": real.to(model.device)}})
found = get_eva_state_dict(model, batches, peft_config=directions, show_progress_bar=False)
"""

EVA_FILL = """
with torch.no_grad():
    for name, layer in model.base_model.model.named_modules():
        if isinstance(layer, LoraLayer):
            start = layer.lora_A["default"].weight
            start.copy_(found[name][: len(start)])
"""

MUTATED_START = """
# The start is part of the base's weights; kept, so that what is trained can be saved as a plain adapter of the base.
model.peft_config["default"].init_lora_weights = True
model.save_pretrained(OUT / "start")
"""

CHECKPOINTING = """
for module in model.modules():
    if isinstance(module, GradientCheckpointingLayer):  # runs again in the backward pass, to save memory
        module.forward = functools.partial(checkpoint, module.forward, use_reentrant=False)
"""

PLUS = """
optimizer = create_loraplus_optimizer(
    model, torch.optim.AdamW, lr={rate}, loraplus_lr_ratio={ratio}, loraplus_weight_decay={decay}, fused=True
)
"""

OPTIMIZER = """
trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(trained, lr={rate}, weight_decay={decay}, fused=True)
"""

LEGS = """
# The comparison was gone on with, and each of its legs has a schedule of its own.
parts, first = [], 0
for last, warmup in {legs}:
    parts.append((first, last, get_scheduler({schedule}, optimizer, warmup, last - first).lr_lambdas[0]))
    first = last


def factor(step):
    first, _, part = next((part for part in parts if step < part[1]), parts[-1])
    return part(step - first)


schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
"""

EARLY = """

class Early(TrainerCallback):
    \"\"\"Ends after the step whose adapter was kept, on the schedule of all steps.\"\"\"

    def on_step_end(self, args, state, control, **others):
        control.should_training_stop = state.global_step >= {step}
"""


def script(recipe: Recipe) -> str:
    """The script; it lies beside the rows it reads.

    Raises:
        PlacementError: a method that PEFT does not have for a module of the placement.
    """
    info = recipe.info
    sampled = recipe.loss_mean == "sample"
    plain = "lora" if info.from_data else recipe.method  # what starts from data is filled in afterwards
    imports, _, config = recipe.placement.snippet(plain, recipe.dropout).partition("\n")
    parts = [_head(recipe), _imports(recipe, imports), _constants(recipe)]
    parts += [SAMPLE_MEAN] if sampled else []
    parts += [EARLY.format(step=recipe.taken_at)] if recipe.taken_at < recipe.steps else []
    parts += [config, _model(recipe)]
    if info.from_data:
        parts.append(_eva_start(recipe))
    parts.append(f"\ntorch.manual_seed({recipe.seed})\nmodel = get_peft_model(model, config)\n")
    parts += [EVA_FILL] if info.from_data else []
    parts += [MUTATED_START] if info.mutates else []
    parts += [CHECKPOINTING] if recipe.gradient_checkpointing else []
    parts.append(LIKE_IN_USE)
    values = {"rate": recipe.learning_rate, "ratio": recipe.loraplus_ratio, "decay": recipe.weight_decay}
    if info.faster_up:
        parts.append(PLUS.format(**values))
    elif len(recipe.legs) > 1:
        parts.append(OPTIMIZER.format(**values))
    if len(recipe.legs) > 1:
        parts.append(LEGS.format(legs=list(recipe.legs), schedule=literal(recipe.schedule)))
    parts.append(_trainer(recipe))
    return "".join(parts)


def _head(recipe: Recipe) -> str:
    return (
        '"""Trains one adapter with TRL as domlora does: the same rows, start, loss and steps."""\n'
        + "".join(f"# {comment(line)}\n" for line in about(recipe))
        + "# pip install torch transformers peft trl\n"
    )


def _imports(recipe: Recipe, peft_line: str) -> str:
    info = recipe.info
    names = peft_line.removeprefix("from peft import ").split(", ")
    peft_names = {*names, "get_peft_model", *(("EvaConfig",) if info.from_data else ())}
    auto = {"AutoTokenizer", recipe.auto_class}
    auto |= {"get_scheduler"} if len(recipe.legs) > 1 else set()
    auto |= {"TrainerCallback"} if recipe.taken_at < recipe.steps else set()
    lines = [
        *(["import functools"] if recipe.gradient_checkpointing else []),
        "import json",
        "from pathlib import Path",
        "",
        "import torch",
        "from datasets import Dataset",
        f"from peft import {', '.join(sorted(peft_names, key=str.lower))}",
        *(["from peft.optimizers import create_loraplus_optimizer"] if info.faster_up else []),
        *(
            ["from peft.tuners.lora import LoraLayer", "from peft.tuners.lora.eva import get_eva_state_dict"]
            if info.from_data
            else []
        ),
        *(["from torch.utils.checkpoint import checkpoint"] if recipe.gradient_checkpointing else []),
        f"from transformers import {', '.join(sorted(auto))}",
        *(
            ["from transformers.modeling_layers import GradientCheckpointingLayer"]
            if recipe.gradient_checkpointing
            else []
        ),
        "from trl import SFTConfig, SFTTrainer",
    ]
    return "\n" + "\n".join(lines) + "\n"


def _constants(recipe: Recipe) -> str:
    return f"""
HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
MODEL = {literal(recipe.model_argument)}
REVISION = {literal(recipe.revision)}
"""


def _model(recipe: Recipe) -> str:
    missing = f'raise SystemExit("{TRAIN} is missing beside this script: {MISSING}")'
    unnamed = f'if MODEL == "{MODEL_TO_NAME}":\n    raise SystemExit("name the base of this adapter as MODEL")\n'
    return f"""
{unnamed if recipe.model is None else ""}if not (HERE / "{TRAIN}").exists():
    {missing}
with (HERE / "{TRAIN}").open(encoding="utf-8") as lines:
    rows = Dataset.from_list([json.loads(line) for line in lines])

model = {recipe.auto_class}.from_pretrained(MODEL, revision=REVISION, dtype=torch.{recipe.dtype})
model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
"""


MISSING = (
    "put rows there, one JSON object a line, either as tokens (input_ids, labels) or as "
    "{'prompt': [{'role': 'user', 'content': ...}], 'completion': [{'role': 'assistant', 'content': ...}]}"
)


def _eva_start(recipe: Recipe) -> str:
    high = recipe.placement.at_highest_rank()
    config = high.snippet("eva").partition("\n\n")[2].replace("config = ", "directions = ", 1).rstrip("\n")
    return EVA_START.format(directions=config, file=literal(EVA), batch=recipe.batch_size)


def _trainer(recipe: Recipe) -> str:
    info = recipe.info
    name = "SampleMean" if recipe.loss_mean == "sample" else "SFTTrainer"
    legs = len(recipe.legs) > 1
    own = f"    optimizers=(optimizer, {'schedule' if legs else None}),\n" if info.faster_up or legs else ""
    own += "    callbacks=[Early()],\n" if recipe.taken_at < recipe.steps else ""
    save = (
        'model.save_pretrained(OUT, path_initial_model_for_weight_conversion=str(OUT / "start"))'
        if info.mutates
        else "model.save_pretrained(OUT)"
    )
    return f"""
trainer = {name}(
    model=model,
    processing_class=tokenizer,
    train_dataset=rows,
{own}    args=SFTConfig(
        output_dir=str(OUT),
{sft_settings(recipe)}        bf16=False,  # the base is in its own precision, the adapter in float32
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        seed={recipe.seed},
    ),
)
trainer.train()
trainer.save_state()  # the losses of all steps, in trainer_state.json
{save}
"""


def sft_settings(recipe: Recipe) -> str:
    """Arguments of TRL's `SFTConfig` that say how a recipe trains, a line each, at the depth they have in a script."""
    return f"""        learning_rate={recipe.learning_rate!r},
        max_steps={recipe.steps},
        per_device_train_batch_size={recipe.batch_size},
        gradient_accumulation_steps={recipe.accumulation},
        train_sampling_strategy="sequential",
        lr_scheduler_type={literal(recipe.schedule)},
        warmup_steps={recipe.warmup_steps},
        weight_decay={recipe.weight_decay!r},
        max_grad_norm={recipe.max_grad_norm!r},
        max_length={recipe.max_length},
        optim="adamw_torch_fused",
"""
