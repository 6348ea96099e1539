"""Runs what the dashboard shows on first start, `runs/NAME/`, with the tool itself, and packs its results.

    python sample_data/make_runs.py gsm8k_train.jsonl [NAME ...]

GSM8K's training rows (Cobbe et al. 2021, MIT) are not part of domlora. What the store knows already is not run again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from domlora.data.origin import TaskOrigin
from domlora.energy.energy_map import EnergyMap
from domlora.ranking import rank
from domlora.search.facts import FIND
from domlora.store.packing import pack
from domlora.store.shipped import SHIPPED
from domlora.store.store import Store

RUNS = Path(__file__).parent / "runs"
GSM8K = "GSM8K"  # stands for the file below
FIND_GSM8K = (
    "find smollm2-135m --task GSM8K --train-rows 340 --minutes 45 --validation-rows 16 --test-rows 48 "
    "--forgetting-rows 0"
)
COMMANDS = {
    "smollm2-135m-gsm8k-race": FIND_GSM8K,
    "smollm2-135m-gsm8k-finals": FIND_GSM8K,
    "ref-llama-gsm8k-singles": (
        "probes rank ref-llama --task GSM8K --train-rows 340 --modules 24 --budget 3000 --lr 1.6e-2,6.4e-2,2.56e-1 "
        "--seeds 2 --steps 20 --max-length 256 --validation-rows 16 --test-rows 48"
    ),
    "ref-qwen3-math-energies": (
        "compare ref-qwen3 --task math --placements dominant,random:2,qv,all-linear --lr 4e-3,1.6e-2 --seeds 2 "
        "--steps 40 --max-length 128 --validation-rows 16 --test-rows 48 --forgetting-rows 8 --answers 2 "
        "--evaluate-every 10 --energy-every 10 --energy-samples 8"
    ),
}


def ran(command: str, task: Path) -> dict[str, Any]:
    """What a command says as JSON, of what it ran or of what the store has."""
    words = [str(task) if word == GSM8K else word for word in command.split()]
    done = subprocess.run([sys.executable, "-m", "domlora.cli", *words, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def shipped(content: dict[str, Any]) -> dict[str, Any]:
    """The rows of a run without what is of this machine alone: where its task and its adapters lie, its job."""
    (run,) = content["runs"]
    origins = run["facts"]["origins"]
    origins["task"] = named(TaskOrigin.model_validate(origins["task"])).model_dump(mode="json", exclude_none=True)
    run |= {"job": None, "facts": run["facts"] | {SHIPPED: True}}
    for variant in content["variants"]:
        variant["adapter"] = None
    return content


def anywhere(energy: EnergyMap) -> EnergyMap:
    """A map without the folder of its task's file."""
    origin = energy.provenance.task_origin
    kept = energy.provenance.model_copy(update={"task_origin": origin and named(origin)})
    return replace(energy, provenance=kept)


def named(origin: TaskOrigin) -> TaskOrigin:
    return origin.model_copy(update={"place": Path(origin.place).name}) if origin.kind == "file" else origin


def maps_of(store: Store, run_id: str) -> list[str]:
    """Maps that a run's pages show: those that proposed its candidates, that rank its modules, that it measured."""
    run = store.runs.get(run_id)
    trained = [one.id for one in store.maps.list(run=run_id)]
    ranking = [one.id for one in rank.fitting(run, store.maps.list())] if rank.qualifies(run) else []
    proposing = list(run.facts.get(FIND, {}).get("maps", {}).values())
    return list(dict.fromkeys([*trained, *ranking, *proposing, run.facts["energy_map"]]))


def main(task: Path, names: list[str]) -> None:
    """Runs and packs what is named, or everything."""
    for name in names or list(COMMANDS):
        made = ran(COMMANDS[name], task)
        id = made["race"]["run"] if name.endswith("-race") else made["final"]["run"] if "final" in made else made["run"]
        store = Store()
        shutil.rmtree(RUNS / name, ignore_errors=True)
        pack(store, id, RUNS / name, [anywhere(store.maps.get(one)) for one in maps_of(store, id)], shipped)
        size = sum(file.stat().st_size for file in (RUNS / name).iterdir())
        print(f"{name}: run {id}, {size / 1e6:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
