"""How long a probe or a comparison will take, judging by what this store has measured before.

In: what is asked for, in passes of rows as `training.meter` counts them. Out: a range, since nobody knows exactly: rows
differ in length, and a machine is not always as busy. None where nothing was measured that tells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dashboard.shared.queries import HERE, MapRow, energy, page_rows, run_rows
from dashboard.shared.words import count, span
from domlora.comparison.config import SweepConfig
from domlora.comparison.run import Run
from domlora.data.tasks import BUILTIN
from domlora.training.meter import ANSWER_COST, TRAIN_COST

# A probe takes the energy of every module of each sample by itself, where training runs the blocks below an adapter
# once for all variants: a row of training took 0.5 of a probed one with 66 variants of smollm2-135m, on ref-llama 0.5
# (one module), 0.6 (a mixture), 1.0 (all linear modules alone), all on a CPU.
OF_A_PROBED_ROW = 0.6
# By what factor time may be off in either direction, if it is judged ...
BY_PROBE = 1.7  # by a probe, where it is training that takes it
SAME = 1.3  # by what was measured here on the same task
OTHER = 1.7  # by what was measured on rows of another task
ELSEWHERE = 2.2  # by what was measured on another machine


@dataclass(frozen=True)
class Estimate:
    """Time and memory.

    Attributes:
        low, high: seconds.
        memory: gigabytes in words; empty where it is not known.
        basis: what it is judged by.
    """

    low: float
    high: float
    memory: str
    basis: str

    @property
    def time(self) -> str:
        """In hours and minutes."""
        return span(self.low, self.high)

    @property
    def sentence(self) -> str:
        memory = f" and {self.memory}" if self.memory else ""
        return f"Takes about {self.time}{memory}, judging by {self.basis}."


def _between(seconds: float, memory: str, basis: str, *factors: float) -> Estimate:
    """A range about so many seconds: what may be off for several reasons is rarely off by all of them at once."""
    off = math.exp(math.hypot(*map(math.log, factors)))
    return Estimate(seconds / off, seconds * off, memory, basis)


def of_probe(model: str, task: str, samples: int, max_length: int) -> Estimate | None:
    """Of a probe of one model, by earlier ones of it.

    Args:
        task: its name, since rows of one task are about as long as each other.
    """
    found = _probed(model, task)
    if found is None:
        return None
    tokens = min(1.0, max_length / found.tokens)
    return _between(found.seconds * samples * tokens, found.memory, found.words, found.off)


def of_sweep(model: str, task: str, config: SweepConfig, variants: int) -> Estimate | None:
    """Of a comparison, by earlier ones of this model, or else by its probes.

    Args:
        variants: how many are trained.
    """
    passes = _passes(config, variants)
    rows = [run for run in run_rows() if run.model == model and _tells(run)]
    rows.sort(key=lambda run: run.task != task)  # a stable order: the newest first among each
    if rows:
        run = rows[0]
        seconds = run.facts["seconds"] / _passes(run.config, len(run.variants)) * passes
        off = SAME if run.task == task and run.config.max_length == config.max_length else OTHER
        peak = run.facts.get("peak_memory_bytes")
        basis = (
            f"{count(len(run.variants), 'variant')} of {run.config.steps} steps with "
            f"{count(run.config.rows_per_step, 'row')} each ({run.task}) on {run.facts.get('device', 'this machine')}"
        )
        return _between(seconds, f"{peak / 1e9:.1f} GB" if peak else "", basis, off)
    found = _probed(model, task)
    if found is None:
        return None
    seconds = OF_A_PROBED_ROW * found.seconds / TRAIN_COST * passes
    words = f"{found.words}; there is no comparison of this model yet"
    return _between(seconds, f"at least {found.memory}", words, found.off, BY_PROBE)


def estimate_sweep(model: str, config: SweepConfig, variants: int, task: str = "") -> str:
    """What `of_sweep` finds, in words."""
    found = of_sweep(model, task, config, variants)
    return found.sentence if found else "No earlier comparison of this model to judge time and memory by."


@dataclass(frozen=True)
class _Probed:
    """An earlier probe: seconds and tokens of a sample, by what factor they may be off, its memory, what it was."""

    seconds: float
    tokens: float
    off: float
    memory: str
    words: str


def _probed(model: str, task: str) -> _Probed | None:
    """The earlier probe of a model that tells most: one of here before one that came with domlora, then the task's."""
    rows = [row for row in page_rows() if row.model == model]
    if not rows:
        return None

    def distance(row: MapRow) -> tuple[bool, bool]:
        return row.source != HERE, row.task != task

    best = min(rows, key=distance)
    p = energy(best.id).provenance
    off = ELSEWHERE if best.source != HERE else SAME if best.task == task else OTHER
    tokens = p.tokens / p.samples
    where = f"{p.device}, elsewhere" if best.source != HERE else p.device
    words = f"a probe of {p.samples} samples of {tokens:.0f} tokens ({p.task}) on {where}"
    return _Probed(p.seconds / p.samples, tokens, off, f"{p.peak_memory_bytes / 1e9:.1f} GB", words)


def _tells(run: Run) -> bool:
    """Whether a run's seconds are those of its settings: not where it went on with another, raced, or ended early."""
    ended = sum(variant.status == "done" for variant in run.variants)
    whole = run.status == "done" and ended >= 0.75 * len(run.variants) > 0
    return whole and bool(run.facts.get("seconds")) and not run.config.race and "continues" not in run.facts


def _passes(config: SweepConfig, variants: int) -> float:
    """Passes of rows of a whole comparison: training, energies, evaluations, other tasks, answers."""
    maps = max(0, len(config.energy_steps) - 1)  # before training all variants are alike, and have one together
    between = (config.steps - 1) // config.evaluate_every
    each = TRAIN_COST * (config.steps * config.rows_per_step + maps * config.energy_samples)
    each += (between + 1) * config.validation_rows
    judged = variants * len(config.judging) / config.variants  # of these the test rows, one rate a contestant
    if not config.choosing or config.choosing == config.judging:
        tested, judged = variants, judged / max(1, len(config.learning_rates))
    else:
        tested = judged
    others = config.forgetting_rows * (len(config.keep) or len(BUILTIN) - 1)
    asked = ANSWER_COST * config.answers / len(config.judging)
    base = config.validation_rows + config.test_rows + others + ANSWER_COST * config.answers
    return variants * each + tested * config.test_rows + judged * (others + asked) + base
