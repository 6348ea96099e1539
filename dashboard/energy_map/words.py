"""Sentences of the Energy map page: what a probe measures, why a module has its energy, how to measure it again."""

from __future__ import annotations

import pandas as pd

from dashboard.shared.words import number
from domlora.energy.energy_map import EnergyMap
from domlora.energy.repeat import repeat_command as repeat_command
from domlora.probes.registry import ProbeInfo

SINK_SHARE = 0.5  # of a module's energy at the first token, and
SINK_RATIO = 20  # its largest output over the median of all modules: a massive activation


def about(probe: ProbeInfo) -> str:
    """What a peer of PAGE measures, and which end of it an adapter should go to."""
    end = "low" if probe.prefers == "low" else "high"
    return (
        f"{probe.title}: {probe.measures} (`{probe.formula}`; {probe.source}). An adapter goes where it is **{end}**, "
        "drawn bright."
    )


def why(energy: EnergyMap, module: str) -> str:
    """Why a module has its energy: massive activation, prompt, or the task's own response."""
    row = energy.modules[energy.modules["module"] == module].iloc[0]
    if pd.isna(row.get("max_output")):
        return "This probe measures neither outputs nor token positions: it has no more to say of a module."
    ratio = row["max_output"] / max(energy.modules["max_output"].median(), 1e-30)
    size = (
        f"its largest output, {number(row['max_output'])} at position {row['max_output_position']} "
        f"(`{row['max_output_token']}`), is {number(ratio)} times the median of all modules"
    )
    if pd.isna(row.get("first_token")):
        return f"This map is not split over token positions; {size}."
    if row["first_token"] >= SINK_SHARE and ratio >= SINK_RATIO:
        return (
            f"{row['first_token']:z.0%} of its energy is at the first token, and {size}: the massive activation of an "
            "attention sink, there whatever the task is."
        )
    if row["first_token"] >= SINK_SHARE:
        return f"{row['first_token']:z.0%} of its energy is at the first token, without a massive activation: {size}."
    if row["response"] >= 0.5:
        return f"{row['response']:z.0%} of its energy is on the response tokens: what the task asks for; {size}."
    return (
        f"Its energy is spread: {row['first_token']:z.0%} first token, {row['prompt']:z.0%} rest of the prompt, "
        f"{row['response']:z.0%} response; {size}."
    )
