"""Trains the small reference models, `models/NAME`, on the training rows of the built-in tasks. One CPU thread.

    python sample_data/make_models.py [--only ref-llama] [--out FOLDER]
    python sample_data/make_models.py --cards       # words only: cards anew, and the table of the docs on stdout

In: the built-in tasks. Out: for each model a folder with configuration, float16 safetensors, tokenizer, model card
and `training.json` (the loss curve, and the loss of every held-out row). The same machine gives the same files, but
for the seconds. Configurations are in `model_recipes`, the card's words in `model_cards`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from model_cards import card, overview
from model_recipes import RECIPES, train_tokenizer
from torch.nn import functional as F

from domlora import load_model, load_task
from domlora.data.encoding import EncodedSample, encode
from domlora.data.tasks import builtin_tasks
from domlora.training.evaluation import evaluate_base

MODELS = Path(__file__).parent / "models"
ROUND_TRIP = 1e-3  # what float16 files may change of a held-out loss

Rows = dict[str, tuple[EncodedSample, ...]]  # by task


@dataclass(frozen=True)
class Schedule:
    """How long and how a model is trained.

    Attributes:
        tokens_per_step: padded tokens of a batch.
        steps: fewer than the epochs give, for tests.
        patience: epochs without a better held-out loss after which training stops.
    """

    epochs: int = 4
    tokens_per_step: int = 1536
    learning_rate: float = 3e-3
    warmup: float = 0.05
    weight_decay: float = 0.1
    clip: float = 1.0
    max_length: int = 512
    seed: int = 0
    steps: int | None = None
    patience: int = 2


@dataclass(frozen=True)
class Point:
    """The curve at the end of an epoch: mean loss over all tokens since the last point, held-out loss by task."""

    step: int
    learning_rate: float
    train_loss: float
    held_out: dict[str, float]

    @property
    def mean(self) -> float:
        return sum(self.held_out.values()) / len(self.held_out)


def training_texts() -> list[str]:
    """Every message of every training row of the built-in tasks."""
    return [m.content for name in builtin_tasks() for s in load_task(name).split("train") for m in s.messages]


def encoded_rows(tokenizer: Any, split: str, max_length: int) -> Rows:
    """Rows of the built-in tasks as domlora encodes them."""
    return {name: encode(load_task(name).split(split), tokenizer, max_length).samples for name in builtin_tasks()}


def batches(rows: Sequence[EncodedSample], tokens: int, seed: int) -> list[list[EncodedSample]]:
    """Rows of like length together, so that little is padded; the seed draws which ones meet, and in what order."""
    generator = random.Random(seed)
    order = sorted(rows, key=lambda row: len(row.ids) * generator.uniform(0.9, 1.1))
    found: list[list[EncodedSample]] = [[]]
    longest = 0
    for row in order:
        longest = max(longest, len(row.ids))
        if found[-1] and longest * (len(found[-1]) + 1) > tokens:
            found.append([])
            longest = len(row.ids)
        found[-1].append(row)
    generator.shuffle(found)
    return found


def token_loss(model: Any, rows: Sequence[EncodedSample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropy over all tokens of a batch but the first of each row, and what is minimised.

    They differ by the loss that balances the experts, where a model has any.
    """
    longest = max(len(row.ids) for row in rows)
    ids = torch.tensor([[*row.ids, *[0] * (longest - len(row.ids))] for row in rows])  # (B, T)
    real = torch.tensor([[1] * len(row.ids) + [0] * (longest - len(row.ids)) for row in rows])
    experts = {"output_router_logits": True} if hasattr(model.config, "num_experts") else {}
    output = model(input_ids=ids, attention_mask=real, use_cache=False, **experts)
    counts = real[:, 1:].bool()
    loss = F.cross_entropy(output.logits[:, :-1][counts], ids[:, 1:][counts])
    return loss, loss + model.config.router_aux_loss_coef * output.aux_loss if experts else loss


def steps_of(rows: Sequence[EncodedSample], schedule: Schedule) -> Iterator[tuple[list[EncodedSample], bool]]:
    """All batches of a training run, each with whether an epoch ends there."""
    plan = []
    for epoch in range(schedule.epochs):
        drawn = batches(rows, schedule.tokens_per_step, schedule.seed * 1000 + epoch)
        plan += [(batch, i == len(drawn) - 1) for i, batch in enumerate(drawn)]
    if schedule.steps is not None:
        plan = [(batch, i == schedule.steps - 1) for i, (batch, _) in enumerate(plan[: schedule.steps])]
    yield from plan


def train(model: Any, training: Rows, held_out: Rows, schedule: Schedule) -> list[Point]:
    """Trains in place and leaves the weights of the best held-out loss; the first point is the untrained model's."""
    rows = [row for task in training.values() for row in task]
    plan = list(steps_of(rows, schedule))
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": schedule.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=schedule.learning_rate,
        betas=(0.9, 0.95),
        fused=True,
    )
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _cosine(step, len(plan), schedule.warmup))
    curve = [_point(model, held_out, 0, 0.0, math.nan)]
    best, best_weights, seen = curve[0].mean, deepcopy(model.state_dict()), []
    since_best = 0
    model.train()
    for step, (batch, ends) in enumerate(plan, 1):
        loss, minimised = token_loss(model, batch)
        minimised.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
        used = rate.get_last_lr()[0]
        optimizer.step()
        optimizer.zero_grad()
        rate.step()
        seen.append(loss.item())
        if not ends:
            continue
        curve.append(_point(model, held_out, step, used, sum(seen) / len(seen)))
        seen.clear()
        print(f"  step {step} of {len(plan)}: {curve[-1]}", file=sys.stderr, flush=True)
        since_best += 1
        if curve[-1].mean < best:
            best, best_weights, since_best = curve[-1].mean, deepcopy(model.state_dict()), 0
        if since_best >= schedule.patience:
            break
    model.load_state_dict(best_weights)
    model.eval()
    return curve


def _cosine(step: int, steps: int, warmup: float) -> float:
    first = max(1, round(warmup * steps))
    if step < first:
        return (step + 1) / first
    return 0.5 * (1 + math.cos(math.pi * (step - first) / max(1, steps - first)))


def _point(model: Any, held_out: Rows, step: int, rate: float, train_loss: float) -> Point:
    model.eval()
    losses = {task: evaluate_base(model, rows).loss for task, rows in held_out.items()}
    model.train()
    return Point(step, rate, train_loss, losses)


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Float16 on the disk, float32 when loaded: half the size, and nothing runs in float16 by accident."""
    folder.mkdir(parents=True, exist_ok=True)
    deepcopy(model).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": "float32"}, indent=2) + "\n", encoding="utf-8")
    (folder / "model.safetensors").chmod(0o644)  # its writer lets nobody else read it


def make(name: str, folder: Path, schedule: Schedule) -> dict[str, Any]:
    """Trains one model into `folder` and returns the contents of its `training.json`.

    Raises:
        ValueError: the saved files give other losses than the model that was trained.
    """
    torch.set_num_threads(1)
    start = time.monotonic()
    tokenizer = train_tokenizer(training_texts())
    training = encoded_rows(tokenizer, "train", schedule.max_length)
    held_out = encoded_rows(tokenizer, "validation", schedule.max_length)
    torch.manual_seed(schedule.seed)
    model = RECIPES[name].build()
    curve = train(model, training, held_out, schedule)
    seconds = time.monotonic() - start
    save(model, tokenizer, folder)

    best = min(curve, key=lambda point: point.mean)
    saved = load_model(folder, dtype="float32", device="cpu")
    losses = {task: evaluate_base(saved.model, rows) for task, rows in held_out.items()}
    for task, table in losses.items():
        if abs(table.loss - best.held_out[task]) > ROUND_TRIP:
            raise ValueError(f"{name}: {task} is at {table.loss} from the files, and was at {best.held_out[task]}")
    record = {
        "name": name,
        "architecture": saved.architecture,
        "parameters": sum(p.numel() for p in saved.model.parameters()),
        "schedule": asdict(schedule),
        "training_rows": {task: len(rows) for task, rows in training.items()},
        "training_tokens": sum(len(row.ids) for rows in training.values() for row in rows),
        "steps": curve[-1].step,
        "best_step": best.step,
        "seconds": round(seconds),
        "curve": [_rounded(asdict(point)) for point in curve],
        "held_out": {
            task: {"loss": round(table.loss, 4), "rows": [round(loss, 4) for loss in table.losses]}
            for task, table in losses.items()
        },
    }
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    write_card(folder)
    return record


def write_card(folder: Path) -> None:
    """The model card, from what `training.json` says."""
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    (folder / "README.md").write_text(card(record, RECIPES[record["name"]].shape), encoding="utf-8")


def _rounded(point: dict[str, Any]) -> dict[str, Any]:
    held_out = {task: round(loss, 4) for task, loss in point["held_out"].items()}
    train_loss = None if math.isnan(point["train_loss"]) else round(point["train_loss"], 4)
    return {**point, "learning_rate": round(point["learning_rate"], 7), "train_loss": train_loss, "held_out": held_out}


def rewrite_cards(folders: Sequence[Path]) -> None:
    """Cards anew, and the table of `docs/reference_models.md` on stdout."""
    for folder in folders:
        write_card(folder)
    records = [json.loads((folder / "training.json").read_text(encoding="utf-8")) for folder in folders]
    print(overview(records, [sum(path.stat().st_size for path in folder.iterdir()) for folder in folders]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the small reference models.")
    parser.add_argument("--only", action="append", choices=list(RECIPES), help="this one (may be given again)")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder of the models' folders")
    parser.add_argument("--cards", action="store_true", help="train nothing: write the cards anew, print the table")
    arguments = parser.parse_args()
    if arguments.cards:
        return rewrite_cards([arguments.out / name for name in arguments.only or RECIPES])
    for name in arguments.only or RECIPES:
        print(name, file=sys.stderr, flush=True)
        record = make(name, arguments.out / name, Schedule(epochs=RECIPES[name].epochs))
        losses = ", ".join(f"{task} {found['loss']:.3f}" for task, found in record["held_out"].items())
        print(f"{name}: {record['parameters']:,} parameters, {record['seconds']} s, held out {losses}", file=sys.stderr)


if __name__ == "__main__":
    main()
