"""What each probe costs by itself, and all in one pass, beside a bare forward and activation-only backward.

    python benchmarks/probes.py                     SmolLM2-135M, 8 samples of 256 tokens
    python benchmarks/probes.py --samples 32 --tokens 512 --device cuda --dtype bfloat16

bound       forward and activation-only backward, head on the response positions only, no tap anywhere
forward     the forward alone
NAME        one probe of the registry, alone; interference with as many samples of a second task
together    all probes but interference, in one pass

All see the same samples in the same batches, in turn, `--rounds` times after a warm-up; printed are the medians of the
seconds and of the ratios to the bound of the same round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import get_args

import torch
from probe import add_subject, load, random_samples

from domlora.data import batches
from domlora.models.census import find_modules
from domlora.models.device import token_budget
from domlora.probes import passes, score
from domlora.probes.config import ProbeConfig, ProbeName


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_subject(parser)
    parser.add_argument("--reduction", choices=["per_sample", "mean_gradient"], default="per_sample")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--probes", default=",".join(get_args(ProbeName)))
    arguments = parser.parse_args()
    work = variants(arguments)
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for round_ in range(arguments.rounds + 1):
        for name, run in work.items():
            taken = timed(run, arguments.device)
            if round_:
                seconds[name].append(taken)
    print(f"{'':16} {'seconds':>9} {'of bound':>9}")
    for name, runs in seconds.items():
        ratio = statistics.median(run / bound for run, bound in zip(runs, seconds["bound"], strict=True))
        print(f"{name:16} {statistics.median(runs):9.2f} {ratio:9.2f}")


def variants(arguments: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """What is timed, by name, the bound first."""
    model = load(arguments)
    modules = find_modules(model).modules
    samples, others = (random_samples(arguments, seed) for seed in (0, 1))
    budget = token_budget(model, arguments.tokens, model.device)
    tokens = min(budget, arguments.samples * arguments.tokens)

    def bare(one_pass: Callable[..., object]) -> Callable[[], None]:
        def run() -> None:
            with passes.frozen(model):
                for group in batches.group_by_length(samples, tokens):
                    one_pass(model, batches.collate(samples, group, model.device), group)

        return run

    def probes(names: list[str]) -> Callable[[], object]:
        configs = [
            ProbeConfig(probe=name, reduction=arguments.reduction, against="other" if name == "interference" else None)
            for name in names
        ]
        return lambda: score.score(model, modules, samples, configs, others={"other": others}, max_tokens=tokens)

    names = arguments.probes.split(",")
    return {
        "bound": bare(passes.activation_backward),
        "forward": bare(passes.activation_forward),
        **{name: probes([name]) for name in names},
        "together": probes([name for name in names if name != "interference"]),
    }


def timed(run: Callable[[], object], device: str) -> float:
    """Seconds of one call, with all its work on the device done."""
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.synchronize()
    started = time.perf_counter()
    run()
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
