"""The words of a reference model's card: what `make_models` recorded becomes the README.md of its folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def card(record: dict[str, Any], shape: str) -> str:
    """The card as Markdown.

    Args:
        record: contents of `training.json`.
        shape: the architecture in words.
    """
    schedule, tasks = record["schedule"], list(record["held_out"])
    rows = ", ".join(f"{task} {count}" for task, count in record["training_rows"].items())
    total = sum(record["training_rows"].values())
    held_out = "\n".join(f"| {t} | {len(f['rows'])} | {f['loss']:.4f} |" for t, f in record["held_out"].items())
    curve = "\n".join(_curve_row(point) for point in record["curve"])
    return f"""---
license: apache-2.0
library_name: transformers
tags: [domlora, reference-model]
---
# {record["name"]}

A small reference model for tests and demonstrations of domlora; not a language model to use. It shows where adapters
may go in this architecture within seconds and offline. What is found on it says nothing about large models.

| | |
|---|---|
| architecture | `{record["architecture"]}`, 8 layers, hidden size 128: {shape} |
| parameters | {record["parameters"]:,} |
| tokenizer | byte-level BPE, 2048 tokens, single digits, ChatML template; shared by all reference models |
| positions | 1024, trained on up to {schedule["max_length"]} |
| data | training rows of domlora's built-in tasks ({rows}): {total:,} rows, {record["training_tokens"]:,} tokens |
| trained on | all tokens of a row, prompts too |
| optimizer | AdamW (0.9, 0.95), weight decay {schedule["weight_decay"]} on matrices, learning rate \
{schedule["learning_rate"]:g} after {schedule["warmup"]:.0%} warm-up, cosine to 0, gradients clipped at \
{schedule["clip"]:g}, batches of up to {schedule["tokens_per_step"]} tokens, seed {schedule["seed"]} |
| steps | {record["steps"]} in at most {schedule["epochs"]} epochs; kept: step {record["best_step"]}, of the best \
held-out loss |
| time | {record["seconds"]} s of wall clock on one CPU thread, on a machine shared with other work |
| files | float16 safetensors, loaded in float32 |
| licence | Apache-2.0 |

## Held-out loss
Mean over validation rows of each row's mean cross-entropy (nats) over its response tokens, as domlora measures it.

| task | rows | loss |
|---|---|---|
{held_out}

## Loss curve
Training loss: mean over all tokens since the row above.

| step | training | {" | ".join(tasks)} |
|---|---|{"---|" * len(tasks)}
{curve}

The loss of every held-out row is in `training.json`. To make this folder again:

    python sample_data/make_models.py --only {record["name"]}
"""


def overview(records: Iterable[dict[str, Any]], sizes: Iterable[int]) -> str:
    """The table of `docs/reference_models.md`; sizes are in bytes."""
    head = "| model | class | parameters | instruction | math | code | chat | seconds | MB |\n" + "|---" * 9 + "|\n"
    rows = []
    for r, size in zip(records, sizes, strict=True):
        losses = " | ".join(f"{found['loss']:.3f}" for found in r["held_out"].values())
        rows.append(
            f"| `{r['name']}` | `{r['architecture']}` | {r['parameters']:,} | {losses} | {r['seconds']} | "
            f"{size / 1e6:.1f} |"
        )
    return head + "\n".join(rows) + "\n"


def _curve_row(point: dict[str, Any]) -> str:
    training = "" if point["train_loss"] is None else f"{point['train_loss']:.3f}"
    losses = " | ".join(f"{loss:.3f}" for loss in point["held_out"].values())
    return f"| {point['step']} | {training} | {losses} |"
