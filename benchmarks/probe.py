"""What a probe costs beside the pass it cannot do without, and beside what one would write without domlora.

    python benchmarks/probe.py                     SmolLM2-135M, 8 samples of 256 tokens
    python benchmarks/probe.py --shape 8b --samples 32 --tokens 512 --device cuda --dtype bfloat16

(a) bound      forward and activation-only backward, head on the response positions only
(b) expected   PAGE, closed form over A
(c) projected  PAGE, one drawn A of rank 8
(d) peft       LoRA on all-linear, backward, squared norms of lora_B.grad (of the mean gradient)
(e) weights    gradients of all block weights, squared norms (of the mean gradient)

Every variant runs in a process of its own (peak memory is a process's), `--rounds` times in turn, so that a ratio to
(a) compares neighbours in time. All see the same samples in the same batch. Printed: median of the ratios, and the
memory that the passes took beyond the loaded model.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domlora.data.encoding import EncodedSample

VARIANTS = ("bound", "expected", "projected", "peft", "weights")
SHAPE_8B = {
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 8192,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_subject(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--one", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return print(json.dumps(run(arguments)))
    results: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.variants.split(",")}
    for _ in range(arguments.rounds):
        for name in results:
            child = [sys.executable, *sys.argv, "--one", name]
            out = subprocess.run(
                child, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
            ).stdout
            results[name].append(json.loads(out.splitlines()[-1]))
    print(f"{'':10} {'seconds':>9} {'of bound':>9} {'memory GB':>10} {'of bound':>9}")
    for name, runs in results.items():
        cells = []
        for key, scale in (("seconds", 1), ("bytes", 1e9)):
            ratios = [r[key] / b[key] for r, b in zip(runs, results["bound"], strict=True)]
            cells += [f"{statistics.median(r[key] for r in runs) / scale:9.2f}", f"{statistics.median(ratios):9.2f}"]
        print(f"{name:10} " + " ".join(cells))


def run(arguments: argparse.Namespace) -> dict[str, float]:
    """Best of two timed passes after a warm-up, and the peak memory beyond the loaded model."""
    import torch

    from domlora.data import batches
    from domlora.models.census import find_modules
    from domlora.models.device import token_budget
    from domlora.probes import passes
    from domlora.probes.config import ProbeConfig
    from domlora.probes.page import estimator

    model = load(arguments)
    device = model.device
    modules = find_modules(model).modules
    samples = random_samples(arguments, 0)
    tokens = min(token_budget(model, arguments.tokens, device), arguments.samples * arguments.tokens)

    def plain_pass() -> None:
        for group in batches.group_by_length(samples, tokens):
            passes.activation_backward(model, batches.collate(samples, group, device), group)

    def bound() -> None:
        with passes.frozen(model):
            plain_pass()

    def page_pass(kind: str) -> None:
        estimator.measure(model, modules, samples, ProbeConfig(estimator=kind), max_tokens=tokens)

    def gradients() -> None:
        """Norms of whatever parameters are trainable."""
        model.zero_grad(set_to_none=True)
        plain_pass()
        [float(p.grad.float().square().sum()) for p in trainable]

    trainable: list[torch.nn.Parameter] = []
    if arguments.one == "peft":
        from peft import LoraConfig, get_peft_model

        get_peft_model(model, LoraConfig(r=8, target_modules=[m.name for m in modules]))  # adapts `model` in place
        trainable = [p for name, p in model.named_parameters() if "lora_B" in name]
    elif arguments.one == "weights":
        model.requires_grad_(False)
        trainable = [model.get_submodule(m.name).weight.requires_grad_() for m in modules]
    work = {
        "bound": bound, "expected": lambda: page_pass("expected"), "projected": lambda: page_pass("projected"),
        "peft": gradients, "weights": gradients,
    }[arguments.one]  # fmt: skip
    cuda = device.type == "cuda"
    loaded = torch.cuda.memory_allocated() if cuda else resident()
    seconds = []
    for _ in range(3):
        if cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": min(seconds[1:]), "bytes": max(peak - loaded, 1)}


def add_subject(parser: argparse.ArgumentParser) -> None:
    """What is measured, and where."""
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--shape", choices=["8b"], help="random weights of an 8B Llama instead of a model")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")


def random_samples(arguments: argparse.Namespace, seed: int) -> list[EncodedSample]:
    """Random tokens, the second half of which is the response."""
    import torch

    from domlora.data.encoding import EncodedSample

    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(10, 10_000, (arguments.samples, arguments.tokens), generator=generator).tolist()
    half = arguments.tokens // 2
    response = (False,) * half + (True,) * (arguments.tokens - half)
    return [EncodedSample(tuple(row), response, i) for i, row in enumerate(ids)]


def load(arguments: argparse.Namespace):
    import torch

    from domlora.models.loading import load_model

    if not arguments.shape:
        return load_model(arguments.model, dtype=arguments.dtype, device=arguments.device).model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_default_dtype(getattr(torch, arguments.dtype))
    with torch.device(arguments.device):
        model = LlamaForCausalLM(LlamaConfig(**SHAPE_8B)).eval()
    torch.set_default_dtype(torch.float32)
    return model


def resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    main()
