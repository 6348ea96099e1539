"""A race at the end of its first rung, where all of its variants were judged after as many steps: as a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from domlora.comparison.run import BASE, STEPS, Evaluation, Run


def first_rung(run: Run) -> tuple[int, str]:
    """The step at which the first rung of a race ended, and the part that its evaluations are kept as."""
    step = (*run.config.legs, run.config.steps)[0]
    return step, f"validation@{step}"


def at_first_rung(run: Run, evaluations: Sequence[Evaluation]) -> tuple[Run, list[Evaluation]]:
    """A race as it was then: its variants done or lost, its evaluations those of that rung."""
    step, part = first_rung(run)
    then = [replace(one, part="validation") for one in evaluations if one.part == part]
    base = [one for one in evaluations if one.variant == BASE and one.part == "validation"]
    judged = {one.variant for one in then}
    variants = tuple(
        replace(variant, status="done", note=None, results={STEPS: step})
        if variant.name in judged
        else replace(variant, status="diverged")
        for variant in run.variants
        if variant.name in judged or variant.status == "diverged"
    )
    config = run.config.model_copy(update={"steps": step, "legs": ()})
    return replace(run, config=config, variants=variants), [*base, *then]
