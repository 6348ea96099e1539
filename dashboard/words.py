"""Findings in plain words, from numbers alone. No Streamlit here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dashboard.queries import MapRow
from domlora.energy import EnergyMap

SINK_SHARE = 0.5  # of a module's energy at the first token, and
SINK_RATIO = 20  # its largest output over the median of all modules: a massive activation


def model_sentence(rows: Sequence[MapRow]) -> str:
    """What the maps of one model agree on."""
    name, count = rows[0].model, len(rows)
    (layer, kind), wins = Counter((row.layer, row.kind) for row in rows).most_common(1)[0]
    shares = sorted(row.share for row in rows if (row.layer, row.kind) == (layer, kind))
    span = f"{shares[0]:.1%}" if shares[0] == shares[-1] else f"{shares[0]:.1%} to {shares[-1]:.1%}"
    levels = Counter(row.level for row in rows).most_common(1)[0][0]
    if count == 1:
        return f"**{name}**: layer {layer} `{kind}` leads on {rows[0].task} with {span} of the energy: {levels}."
    sentence = (
        f"**{name}**: layer {layer} `{kind}` leads in {wins} of {count} maps with {span} of the energy: {levels}."
    )
    if wins < count:
        others = sorted({f"layer {r.layer} `{r.kind}` ({r.task})" for r in rows if (r.layer, r.kind) != (layer, kind)})
        sentence += f" Elsewhere {', '.join(others[:3])}{' and others' if len(others) > 3 else ''}."
    return sentence


def why(energy: EnergyMap, module: str) -> str:
    """Why a module has its energy: massive activation, prompt, or the task's own response."""
    row = energy.modules[energy.modules["module"] == module].iloc[0]
    ratio = row["max_output"] / max(energy.modules["max_output"].median(), 1e-30)
    size = (
        f"its largest output, {_number(row['max_output'])} at position {row['max_output_position']} "
        f"(`{row['max_output_token']}`), is {_number(ratio)} times the median of all modules"
    )
    if "first_token" not in row:
        return f"A mean gradient is not split over positions; {size}."
    if row["first_token"] >= SINK_SHARE and ratio >= SINK_RATIO:
        return (
            f"{row['first_token']:.0%} of its energy is at the first token, and {size}: the massive activation of an "
            "attention sink, there whatever the task is."
        )
    if row["first_token"] >= SINK_SHARE:
        return f"{row['first_token']:.0%} of its energy is at the first token, without a massive activation: {size}."
    if row["response"] >= 0.5:
        return f"{row['response']:.0%} of its energy is on the response tokens: what the task asks for; {size}."
    return (
        f"Its energy is spread: {row['first_token']:.0%} first token, {row['prompt']:.0%} rest of the prompt, "
        f"{row['response']:.0%} response; {size}."
    )


def repeat_command(energy: EnergyMap) -> str:
    """The command line that measures a map again."""
    p = energy.provenance
    c = p.config
    parts = [f"domlora probe {p.model} --task {p.task} --samples {c.samples}"]
    defaults = type(c)()
    for name in ("split", "estimator", "reduction", "rank", "alpha", "draws", "max_length", "seed", "dtype"):
        if getattr(c, name) != getattr(defaults, name):
            parts.append(f"--{name.replace('_', '-')} {getattr(c, name)}")
    return " ".join(parts) + (" --rslora" if c.rslora else "")


def lora_snippet(energy: EnergyMap, module: str, rank: int) -> str:
    """Python that adapts this module alone."""
    return (
        "from peft import LoraConfig\n\n"
        "config = LoraConfig(\n"
        f"    r={rank},\n    lora_alpha={2 * rank},\n"
        f'    target_modules=["{module}"],\n    task_type="CAUSAL_LM",\n)'
    )


def _number(value: float) -> str:
    """24,882 and 0.37: as many digits as are read."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
