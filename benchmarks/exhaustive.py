"""A search beside the exhaustive comparison of its own candidates: what it loses, and which part of the time it takes.

    python benchmarks/exhaustive.py ref-llama ref-qwen3 ref-gpt2 --tasks math,instruction --minutes 2

For each model and task: `domlora find` within so many minutes, then every candidate of it at its three first rates for
as many steps as the finalists had, with a seed that chooses the rate and three that judge it, on the same rows.

regret    the exhaustive comparison's loss of what the search named, minus that of its best placement, with the interval
          that holds for all of its pairs
within    whether that interval holds zero: nothing shows that the search named a worse one
time      of the search, as a part of the exhaustive comparison's
"""

from __future__ import annotations

import argparse
import time

import domlora
from domlora.comparison.config import SweepConfig
from domlora.data.tasks import Task
from domlora.models.loading import LoadedModel
from domlora.search.config import find_config
from domlora.search.facts import FIND
from domlora.store.store import Store

ROWS = {"max_length": 96, "validation_rows": 16, "test_rows": 48, "forgetting_rows": 0}  # short, so that many fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--tasks", required=True, help="separated by commas")
    parser.add_argument("--minutes", type=float, default=2.0, help="of each search")
    parser.add_argument("--steps", type=int, default=60, help="of a finalist at most")
    arguments = parser.parse_args()
    head = (
        "model",
        "task",
        "named",
        "best",
        "regret (95 %)",
        "within",
        "seconds",
        "of exhaustive",
        "candidates",
        "steps",
    )
    print(*head, sep=" | ", flush=True)
    for name in arguments.models:
        model = domlora.load_model(name)
        for source in arguments.tasks.split(","):
            print(*row(model, domlora.load_task(source), arguments.minutes, arguments.steps), sep=" | ", flush=True)


def row(model: LoadedModel, task: Task, minutes: float, steps: int) -> tuple[str, ...]:
    """One line of the table."""
    store, config = Store(), find_config({"minutes": minutes, "steps": steps, **ROWS})
    began = time.monotonic()
    answer = domlora.find(model, task, config, store=store)
    searched = time.monotonic() - began
    assert answer.final is not None, "the search had no time for finals"
    assert answer.chosen is not None
    final = answer.final.run
    entries = answer.race.facts[FIND]["entries"]
    own = {placement for placement, _ in entries}
    control = [one for one in final.placements if one.name == answer.chosen and one.name not in own]
    placements = [*answer.race.placements, *control]
    changed = {
        "placements": tuple(one.name for one in placements), "learning_rates": (entries[0][1],),
        "own_rates": tuple(f"{placement}={rate!r}" for placement, rate in entries), "seeds": 3, "rate_seeds": 1,
        "steps": final.config.steps, "evaluate_every": final.config.steps,
    }  # fmt: skip
    settings = SweepConfig(**config.training.model_dump() | changed)
    page = store.maps.get(final.facts["energy_map"])
    began = time.monotonic()
    everything = domlora.compare(model, task, placements, settings, energy=page, store=store)
    exhausted = time.monotonic() - began
    best = str(everything.best)
    if best == answer.chosen:
        regret, low, high = 0.0, 0.0, 0.0
    else:
        regret, low, high, _ = everything.difference(answer.chosen, best)
    lost = f"{regret:.4f} ({low:.4f} to {high:.4f})"
    spent = (f"{searched:.0f}", f"{searched / exhausted:.2f}")
    return (
        model.name,
        task.name,
        answer.chosen,
        best,
        lost,
        str(low <= 0),
        *spent,
        str(len(own)),
        str(final.config.steps),
    )


if __name__ == "__main__":
    main()
