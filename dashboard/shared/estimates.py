"""How long a probe or a comparison will take, judging by what this store has measured before, in words."""

from __future__ import annotations

from dashboard.shared.queries import energy, page_rows, run_rows
from dashboard.shared.words import duration
from domlora.comparison.config import SweepConfig

FORWARD_PART = 0.4  # of a forward and a backward


def estimate(model: str, samples: int, max_length: int) -> str | None:
    """Time and memory that earlier probes of this model suggest, in words; None if there are none."""
    rows = [row for row in page_rows() if row.model == model]
    if not rows:
        return None
    p = energy(rows[0].id).provenance
    seconds = p.seconds / p.samples * samples
    return (
        f"About {max(1, round(seconds))} s and {p.peak_memory_bytes / 1e9:.1f} GB, judging by {p.samples} samples of "
        f"{p.tokens / p.samples:.0f} tokens ({p.task}) on {p.device}; samples here have at most {max_length} tokens."
    )


def estimate_sweep(model: str, config: SweepConfig, variants: int) -> str:
    """Time and memory that earlier comparisons of this model suggest, or else its probes; or that there are none."""
    for row in run_rows():
        seconds, trained = row.facts.get("seconds"), len(row.variants) * _rows_trained(row.config)
        if row.model != model or row.status != "done" or not seconds or not trained:
            continue
        # Most of its variants were trained before, in seconds that are not its own; a race's end at different steps.
        if row.config.race or "continues" in row.facts:
            continue
        time = seconds / trained * variants * _rows_trained(config)
        peak = row.facts.get("peak_memory_bytes")
        memory = f" and {peak / 1e9:.1f} GB" if peak else ""
        return (
            f"About {duration(max(1, time))}{memory}{_for_maps(config)}, judging by {len(row.variants)} variants of "
            f"{row.config.steps} steps with {row.config.rows_per_step} rows each ({row.task}) on "
            f"{row.facts.get('device', 'the same machine')}."
        )
    return _estimate_from_probe(model, config, variants)


def _estimate_from_probe(model: str, config: SweepConfig, variants: int) -> str:
    """A training row costs about what a probed one does (a forward and an activation-only backward)."""
    rows = [row for row in page_rows() if row.model == model]
    if not rows:
        return "No earlier comparison of this model to judge time and memory by."
    p = energy(rows[0].id).provenance
    evaluations = 1 + (config.steps - 1) // config.evaluate_every
    held_out = FORWARD_PART * (config.validation_rows * evaluations + config.test_rows)
    time = p.seconds / p.samples * variants * (_rows_trained(config) + held_out)
    memory = f"at least {p.peak_memory_bytes / 1e9:.1f} GB"
    return (
        f"Very roughly {duration(max(1, time))} and {memory}{_for_maps(config)}, judging by "
        f"a probe of {p.samples} samples ({p.task}) on {p.device}; there is no comparison of this model yet to judge "
        "by."
    )


def _rows_trained(config: SweepConfig) -> int:
    """By one variant, and as many more as its energy maps read: a probed row costs about what a trained one does."""
    maps = max(0, len(config.energy_steps) - 1)  # before training all variants are alike, and have one together
    return config.steps * config.rows_per_step + maps * config.energy_samples


def _for_maps(config: SweepConfig) -> str:
    maps = max(0, len(config.energy_steps) - 1)
    return f", {maps} energy maps of each variant included" if maps else ""
