"""The README.md of what is taken away, as a model card of the Hugging Face Hub: what it is, how it is loaded, and the
evidence: what it was compared with, on what, by which command.

In: a variant of a run with its comparison. Out: Markdown with a YAML head. Names are data: escaped in both.
"""

from __future__ import annotations

from typing import Any

from domlora.comparison.result import Comparison
from domlora.export.command import compare_commands, shell
from domlora.export.licence import licence
from domlora.export.readme import contents, loading
from domlora.export.taken import ADAPTER, CURVES, Taken
from domlora.export.where import FILE, WORDS, needs_uniform, verdicts
from domlora.placements.methods import METHODS
from domlora.quoting import fenced, literal, markdown

PIPELINES = {"AutoModelForSeq2SeqLM": "text2text-generation", "AutoModelForMaskedLM": "fill-mask"}


def card(taken: Taken) -> str:
    """The whole file."""
    run, variant, comparison = taken.run, taken.variant, taken.comparison
    modules = f"{variant.modules} module" + ("" if variant.modules == 1 else "s")
    parts = [
        f"---\n{_head(taken)}\n---",
        f"# {markdown(variant.name)}",
        f"A LoRA adapter of {modules} with {variant.trainable_parameters:,} trained parameters for "
        f"{markdown(run.model_source)}, trained on {markdown(run.task)} by domlora, run {run.id}. "
        f"Method: {METHODS[variant.method].words}.{_result(taken)}",
        fenced(f"{loading(taken.recipe)}\nmodel = PeftModel.from_pretrained(base, {literal(ADAPTER)})", "python"),
        "## What it was compared with",
        markdown(comparison.conclusion),
    ]
    if taken.curves is not None:
        parts.append(f"![Validation loss of each contestant while it trained]({CURVES})")
    if len(comparison.table):
        parts.append(_table(comparison))
    warnings = (*comparison.warnings, *run.warnings)
    if warnings:
        parts.append("To be read with care:\n\n" + "\n".join(f"- {markdown(warning)}" for warning in warnings))
    parts += ["Made by", fenced(shell(compare_commands(run)), "sh"), _versions(run.facts)]
    parts += ["## Where it runs", _where(taken), "## Files", contents(taken)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _head(taken: Taken) -> str:
    from huggingface_hub import ModelCardData

    origin, task, variant = taken.run.model_origin, taken.run.task_origin, taken.variant
    fields: dict[str, Any] = dict(licence(origin))
    if origin is not None and origin.kind in ("hub", "builtin"):
        fields |= {"base_model": taken.recipe.model, "base_model_relation": "adapter"}
    if task is not None and task.kind == "hub":
        fields["datasets"] = [task.place.partition(":")[0]]
    data = ModelCardData(
        library_name="peft",
        pipeline_tag=PIPELINES.get(taken.recipe.auto_class, "text-generation"),
        tags=list(dict.fromkeys(["lora", variant.method, "domlora"])),
        ignore_metadata_errors=False,
        **fields,
    )
    return str(data.to_yaml())


def _result(taken: Taken) -> str:
    before, after = (taken.variant.results.get(f"test_loss_{when}") for when in ("before", "after"))
    if before is None or after is None:
        return ""
    return f" Its test loss is {after:.3f}, the base's {before:.3f}."


def _table(comparison: Comparison) -> str:
    """The contestants, lowest loss first, with intervals that hold for all pairs at once."""
    part, baseline = comparison.part, markdown(comparison.baseline or "none")
    lines = [
        f"Loss on {comparison.rows} {part} rows with 95 % intervals; differences to {baseline}:",
        "",
        "| placement | parameters | learning rate | seeds | loss | difference | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in comparison.table.iterrows():
        loss = f"{row['loss']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        difference = f"{row['difference']:+.3f} ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
        verdict = row["verdict"] if row["status"] == "done" else row["status"]
        lines.append(
            f"| {markdown(str(name))} | {row['trainable_parameters']:,} | {row['learning_rate']:g} | {row['seeds']} | "
            f"{loss} | {difference} | {markdown(str(verdict))} |"
        )
    return "\n".join(lines)


def _versions(facts: Any) -> str:
    versions = facts.get("versions", {})
    made = ", ".join(f"{markdown(str(name))} {markdown(str(version))}" for name, version in versions.items())
    device = f"On {markdown(str(facts['device']))}, {facts.get('dtype', '')}" if "device" in facts else "With"
    return f"{device.rstrip(', ')}{' with ' if 'device' in facts else ' '}{made}." if made else f"{device}."


def _where(taken: Taken) -> str:
    if taken.saved is None:
        return "The adapter is not on the machine that wrote this, so nothing is said of servers."
    found = verdicts(taken.saved, taken.base)
    lines = [f"- {v.server.name}: {WORDS[v.use]}" for v in found]
    padded = (
        "\n\n`adapter_uniform/` is the same adapter at one rank with its scale in B: servers that read one rank and "
        "one alpha for all modules would scale the other one wrongly."
        if needs_uniform(taken.saved, taken.base)
        else ""
    )
    return "\n".join(lines) + f"\n\nWhy, and the command for each: [{FILE}]({FILE}).{padded}"
