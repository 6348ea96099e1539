"""Reads and submits for the page of probes, cached: runs of single modules, and the ranking that each allows.

In: the lists of `queries`. Out: a `Ranking`, computed once for a run and its maps. May not import torch, transformers
or peft.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.shared import queries, task_facts, words
from dashboard.shared.subject import Subject
from domlora.comparison.config import SweepConfig
from domlora.comparison.run import Evaluation, Run
from domlora.energy.summary import MapSummary
from domlora.jobs.spec import HeldOut, Job, ProbeRequest, SweepRequest
from domlora.paths import home
from domlora.probes.config import ProbeConfig, ProbeName
from domlora.probes.registry import PROBES
from domlora.ranking import rank
from domlora.ranking.result import Ranking

# Every probe that reads one task; another task makes a question of its own.
ONE_TASK: tuple[ProbeName, ...] = tuple(info.name for info in PROBES.values() if info.needs != "two tasks")


def runs() -> list[Run]:
    """Finished comparisons with enough single modules, newest first; races, which have few of them, last."""
    return sorted((run for run in queries.run_rows() if rank.qualifies(run)), key=lambda run: run.config.race)


def maps_of(run: Run) -> list[MapSummary]:
    """The maps that a run's modules can be ranked by, one a probe."""
    return rank.fitting(run, queries.map_summaries())


def missing(run: Run) -> list[ProbeName]:
    """Probes that no map of the run's model and task is by."""
    known = {one.probe for one in maps_of(run)}
    return [name for name in ONE_TASK if name not in known]


def ranked(run: Run) -> Ranking:
    """The ranking of all probes that have scored the run's modules.

    Raises:
        DomLoRAError: no probe has, or the run lacks what a ranking needs.
    """
    evaluations, maps = queries.store().runs.evaluations(run.id), maps_of(run)
    stamp = queries.stamp(run, evaluations, maps)
    return _ranked(run.id, tuple(one.id for one in maps), stamp, str(home()), run, evaluations)


@st.cache_resource(show_spinner=False, max_entries=32)
def _ranked(
    run_id: str, maps: tuple[str, ...], stamp: int, where: str, _run: Run, _evaluations: list[Evaluation]
) -> Ranking:
    return rank.rank(_run, _evaluations, [queries.energy(id) for id in maps])


def submit(subject: Subject, sweep: SweepConfig, samples: int) -> list[Job]:
    """Queues all probes in one pass and then the single modules, which are chosen by the map of that pass."""
    probe = ProbeConfig(samples=samples, max_length=sweep.max_length)
    split = task_facts.row_split(subject.task, sweep)
    held_out = not isinstance(split, str) and split.training_hash != task_facts.task_hash(subject.task)
    without = HeldOut.by(sweep) if held_out else None
    return [
        queries.submit(ProbeRequest(config=probe, also=ONE_TASK, without=without, **subject.fields)),
        queries.submit(SweepRequest(probe=probe, sweep=sweep, **subject.fields)),
    ]


def measure(run: Run) -> Job:
    """Queues the missing probes of a run in one pass, with the settings of the map that its modules were chosen by."""
    map_id = run.facts.get("energy_map")
    known = {one.id for one in queries.map_summaries()}
    config = queries.energy(map_id).provenance.config if map_id in known else ProbeConfig()
    config = config.model_copy(update={"probe": missing(run)[0], "against": None})
    model, revision = words.named_again(run)
    return queries.submit(ProbeRequest(
        model=model, revision=revision or None, config=config, also=tuple(missing(run)[1:]),
        without=HeldOut.of(run), **words.named_task(run).fields,
    ))  # fmt: skip


def table(found: Ranking) -> pd.DataFrame:
    """The columns of a ranking that a person reads, with intervals in words."""
    return pd.DataFrame([
        {
            "probe": f"({row.title})" if row.baseline else row.title,
            "rho": row.rho,
            "95 % interval of rho": _span(row.low, row.high, 2),
            "rho within kinds": row.within,
            "regret (nats)": row.regret,
            "95 % interval of regret": _span(row.regret_low, row.regret_high, 3),
            "top pick": row.pick if row.picked == 1 else f"any of {row.picked}",
            "its place": f"{row.pick_rank:.3g} of {len(found.modules)}",
            f"best {found.top} found": round(row.hits, 2),
            "seconds": None if row.baseline else row.seconds,
            "times PAGE": None if row.baseline else row.relative_cost,
            "samples": None if row.baseline else row.samples,
            "verdict": row.verdict,
        }
        for row in found.table.itertuples()
    ])  # fmt: skip


def _span(low: float, high: float, digits: int) -> str:
    return "" if pd.isna(low) else f"{low:.{digits}f} to {high:.{digits}f}".replace("-", "−")


def registry() -> pd.DataFrame:
    """All probes with what they need, their formula and their source."""
    return pd.DataFrame([
        {
            "probe": info.title, "name": info.name, "needs": info.needs, "adapt where it is": info.prefers,
            "score of a module": info.formula, "source": info.source,
        }
        for info in PROBES.values()
    ])  # fmt: skip
