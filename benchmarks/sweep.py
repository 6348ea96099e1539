"""What a comparison costs in lockstep, beside the same variants trained one after the other with transformers' Trainer.

    python benchmarks/sweep.py                     SmolLM2-135M on math, 6 placements × 2 seeds, 6 steps of 4 rows
    python benchmarks/sweep.py --device cuda --dtype bfloat16 --steps 60

Both train the same adapters (PEFT, the same placements, rank and rate) on the same rows in the same order, without any
evaluation. Trainer runs once a variant, each time in a process of its own, as one would without domlora; its loss is
the mean over all response tokens of a batch. Printed: seconds of training alone (models are loaded before the clock
starts), the peak memory of each process, and lockstep's as ratios to the sums of Trainer's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

PLACEMENTS = "dominant,random:3,qv,all-linear"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="math")
    parser.add_argument("--placements", default=PLACEMENTS)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # `lockstep`, or the number of a variant
    arguments = parser.parse_args()
    if arguments.one:
        return print(json.dumps(lockstep(arguments) if arguments.one == "lockstep" else trainer(arguments)))
    together = child("lockstep")
    alone = [child(str(number)) for number in range(together["variants"])]
    print(f"{'':34} {'seconds':>9} {'peak memory GB':>15} {'last loss':>10}")
    for result in [together, *alone]:
        print(f"{result['name']:34} {result['seconds']:9.1f} {result['bytes'] / 1e9:15.2f} {result['loss']:10.3f}")
    seconds, memory = (sum(result[key] for result in alone) for key in ("seconds", "bytes"))
    print(f"{'Trainer, summed':34} {seconds:9.1f} {memory / 1e9:15.2f}")
    time_ratio, memory_ratio = together["seconds"] / seconds, together["bytes"] / memory
    print(f"lockstep takes {time_ratio:.2f} of the time and {memory_ratio:.2f} of the memory")


def child(name: str) -> dict[str, Any]:
    command = [sys.executable, *sys.argv, "--one", name]
    out = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
    ).stdout
    return json.loads(out.splitlines()[-1])


def prepare(arguments: argparse.Namespace) -> tuple[Any, ...]:
    """Model, rows, settings, placements; the map that places them is a shipped one where there is one."""
    import domlora
    from domlora.comparison.config import SweepConfig
    from domlora.comparison.placements import place_for
    from domlora.energy.files import read
    from domlora.paths import sample_data_path
    from domlora.training.rows import choose_rows, encode_rows

    model = domlora.load_model(arguments.model, device=arguments.device, dtype=arguments.dtype)
    task = domlora.load_task(arguments.task)
    shipped = sample_data_path() / "maps" / f"{arguments.model}-{arguments.task}.parquet"
    energy = read(shipped) if shipped.exists() else domlora.probe(model, task)
    config = SweepConfig(
        placements=tuple(arguments.placements.split(",")), learning_rates=(1e-3,), seeds=arguments.seeds,
        steps=arguments.steps, batch_size=arguments.batch_size, warmup=0.0, validation_rows=1, test_rows=1,
        evaluate_every=arguments.steps, checkpoint_every=arguments.steps,
    )  # fmt: skip
    rows = encode_rows(task.name, choose_rows(task, config), model.tokenizer, config)
    return model, rows, config, place_for(energy, config)


def lockstep(arguments: argparse.Namespace) -> dict[str, Any]:
    """All variants in one loop."""
    from domlora.training.sweep import Meter, Sweep

    model, rows, config, placements = prepare(arguments)
    log = Clock(placements, config)
    by_name = {placement.name: placement for placement in placements}
    with tempfile.TemporaryDirectory() as folder:
        Sweep(model, rows, by_name, config, log, Path(folder), "benchmark", Meter(0, lambda *_: None)).run()
    last = [loss for step, loss in log.losses if step == config.steps]
    return {
        "name": f"lockstep, {len(last)} variants", "variants": len(last), "seconds": log.last - log.first,
        "bytes": peak(arguments.device), "loss": sum(last) / len(last),
    }  # fmt: skip


def trainer(arguments: argparse.Namespace) -> dict[str, Any]:
    """One variant with PEFT and transformers' Trainer."""
    import torch
    from peft import get_peft_model
    from transformers import Trainer, TrainingArguments

    from domlora.training.rows import step_rows

    model, rows, config, placements = prepare(arguments)
    placement, seed = [(p, s) for p in placements for s in range(config.seeds)][int(arguments.one)]
    order = [i for step in step_rows(len(rows.train), config, seed) for i in step]
    data = [{"ids": torch.tensor(rows.train[i].ids), "response": torch.tensor(rows.train[i].response)} for i in order]

    def collate(batch: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        pad = torch.nn.utils.rnn.pad_sequence
        ids = pad([row["ids"] for row in batch], batch_first=True)
        labels = [row["ids"].masked_fill(~row["response"], -100) for row in batch]
        mask = pad([torch.ones_like(row["ids"]) for row in batch], batch_first=True)
        labels = pad(labels, batch_first=True, padding_value=-100)
        return {"input_ids": ids, "labels": labels, "attention_mask": mask}

    class InOrder(Trainer):
        def _get_train_sampler(self, *_: Any) -> torch.utils.data.Sampler:
            return torch.utils.data.SequentialSampler(data)

    torch.manual_seed(seed)
    adapted = get_peft_model(model.model, placement.lora_config())
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder, max_steps=config.steps, per_device_train_batch_size=config.batch_size,
            learning_rate=1e-3, lr_scheduler_type="linear", weight_decay=0.0, max_grad_norm=1.0, report_to="none",
            save_strategy="no", logging_steps=1, disable_tqdm=True, use_cpu=arguments.device == "cpu",
            bf16=arguments.dtype == "bfloat16", remove_unused_columns=False, dataloader_pin_memory=False,
        )  # fmt: skip
        made = InOrder(model=adapted, args=settings, train_dataset=data, data_collator=collate)
        begin = time.perf_counter()
        made.train()
        seconds = time.perf_counter() - begin
    losses = [entry["loss"] for entry in made.state.log_history if "loss" in entry]
    return {
        "name": f"Trainer, {placement.name} seed={seed}", "seconds": seconds, "bytes": peak(arguments.device),
        "loss": losses[-1],
    }  # fmt: skip


class Clock:
    """A `SweepLog` that times the steps, from the last variant's start to the last point of a training curve."""

    def __init__(self, placements: Any, config: Any) -> None:
        from domlora.training.train import variants_of

        self.made = {variant.name: variant for variant in variants_of(placements, config)}
        self.losses: list[tuple[int, float]] = []
        self.first = self.last = 0.0

    def variants(self) -> Any:
        return list(self.made.values())

    def variant(self, name: str, status: Any, **_: Any) -> None:
        self.made[name] = replace(self.made[name], status=status)
        if status == "training":
            self.first = time.perf_counter()

    def metrics(self, points: Any) -> None:
        found = [(point.step, point.value) for point in points if point.name == "train_loss"]
        self.losses += found
        if found:
            self.last = time.perf_counter()

    def cancelled(self) -> frozenset[str]:
        return frozenset()

    def _ignore(self, *_: Any) -> None:
        """Evaluations and warnings are of no use here."""

    evaluations = warn = rewind = _ignore


def peak(device: str) -> int:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
