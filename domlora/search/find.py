"""Where should the adapter go? Probes propose, short trainings in lockstep decide, fresh starts and rows judge.

In: a loaded model, a task, a `FindConfig`. Out: two runs in the store, the race and the comparison of its finalists;
`answer.answer_of` reads the answer from them, also while they grow. A race that was killed goes on where it was, and
to the same end where no time limits it; one that is complete is answered from the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from domlora.comparison.config import SweepConfig
from domlora.comparison.run import Run
from domlora.data.tasks import Task, builtin_tasks, load_task
from domlora.energy.energy_map import EnergyMap
from domlora.errors import SweepError, UsageError
from domlora.models.fetch import LocalModel
from domlora.models.loading import LoadedModel
from domlora.models.reference import check_trainable
from domlora.placements.place import refused, rows_of
from domlora.probes.config import ProbeName
from domlora.progress import Progress, silent
from domlora.search import race
from domlora.search.answer import Answer, answer_of, entries_of
from domlora.search.asked import FindAsked, ask
from domlora.search.candidates import Candidate, Proposed, candidate_json, candidate_of, probe_configs, propose
from domlora.search.config import FindConfig, find_config
from domlora.search.facts import CANDIDATES, FINAL, FIND, PLAN, RUNGS, SEARCH, SPENT
from domlora.search.finalists import Finalist, finalists, settings
from domlora.search.pace import Pace, measure_pace
from domlora.search.plan import Pacing, Plan, Work, lay, needed
from domlora.search.race import Entry, Rung
from domlora.search.rates import start_rates
from domlora.search.track import SweepTrack, forget, race_config, variant_of
from domlora.store.measured import measured_maps
from domlora.store.store import Store
from domlora.training import asked as sweeps
from domlora.training.lock import alone, run_folder
from domlora.training.rows import SweepRows, encode_rows
from domlora.training.train import new_run

NOT_MEASURED = Pace(0.0, 0.0)
KEPT_SECONDS = 20  # between two notes of how much time was spent
LEAST_CANDIDATES = 4  # DomLoRA, vanilla LoRA, query and value, PAGE's first modules


def find(
    model: LoadedModel, task: Task, config: FindConfig | None = None, *, store: Store | None = None,
    progress: Progress = silent, **given: Any,
) -> Answer:  # fmt: skip
    """Finds the placement of an adapter for a model and a task, within a time.

    Args:
        model: from `domlora.load_model`; as it was afterwards.
        task: from `domlora.load_task`.
        config: all settings at once; or name them as keywords (`minutes=30, parameters=500_000, keep=("chat",)`, and
            those of the training, `rank=8, batch_size=4, ...`).
        store: where runs and maps are kept, the default one where none is given.
        progress: called with (stage, done, in all): samples while it probes, then seconds.

    Raises:
        DomLoRAError: settings or rows that cannot be used, too little time, nothing that fits the budget.
    """
    if config is not None and given:
        raise UsageError("give `config` or single settings to find(), not both")
    store = store or Store()
    asked = ask(task, config or find_config(given))
    run = find_run(asked, model.local, lambda: model, store, progress=progress)
    return answer_of(store, run)


def find_run(
    asked: FindAsked, local: LocalModel, load: Callable[[], LoadedModel], store: Store, *, job: str | None = None,
    refresh: bool = False, progress: Progress = silent,
) -> Run:  # fmt: skip
    """The race of what is asked for, with its finalists judged: from the store where it is complete, else run.

    Args:
        load: brings the model, which happens only if something has to be computed.
        job: id of the job that computes it.
        refresh: race again even if the store has it.

    Raises:
        DomLoRAError: as `find`.
    """
    began = time.monotonic()
    key = asked.key(local.revision)
    known = store.runs.find(key)
    if known is not None and known.status == "done" and not refresh:
        return known
    model = load()
    check_trainable(model.name, model.objective)
    loaded = time.monotonic()
    with alone(run_folder(key[:12]), lambda: progress("waiting for the same search in another process", 0, 0)):
        began += time.monotonic() - loaded  # who waits for another has not begun
        known = store.runs.find(key)
        if known is not None and known.status == "done":
            if not refresh:
                return known
            store.runs.remove(known.id)
            known = None
        return _Search(asked, local, model, store, key, job, progress, began).run(known)


def plan_of(
    asked: FindAsked, local: LocalModel, model: LoadedModel, store: Store, progress: Progress
) -> tuple[Proposed, Plan]:
    """What `find` would do, and how long it is thought to take; nothing is trained. Errors as `find`."""
    check_trainable(model.name, model.objective)
    search = _Search(asked, local, model, store, asked.key(local.revision), None, progress, time.monotonic())
    return search.propose()


@dataclass
class _Search:
    """One search on its way."""

    asked: FindAsked
    local: LocalModel
    model: LoadedModel
    store: Store
    key: str
    job: str | None
    progress: Progress
    began: float
    before: float = 0.0  # seconds that earlier attempts took
    maps: Mapping[ProbeName, EnergyMap] = field(default_factory=dict)
    pace: Pace = NOT_MEASURED
    kept: int = 0  # seconds that the store knows to be spent
    end: float = 0.0  # seconds after which all is thought to be over

    @property
    def config(self) -> FindConfig:
        return self.asked.config

    def spent(self) -> float:
        return self.before + time.monotonic() - self.began

    def left(self) -> float | None:
        """Seconds that are left of the time that was given; None where there is no end."""
        return 60 * self.config.minutes - self.spent() if self.config.minutes else None

    def run(self, known: Run | None) -> Run:
        """Races, or goes on with the race, and judges the finalists."""
        if known is None:
            run = self._start()
        else:
            self.before = float(known.facts.get(SPENT, 0.0))
            left = self.left()
            if left is not None and left <= 0:  # who asks again gives the time again
                self.before = 0.0
            self._measure()
            run = self.store.runs.start(replace(known, job=self.job))
        entries = entries_of(run)
        done = self._race(run, entries)
        if not any(rung.losses for rung in done):
            raise SweepError(
                "all candidates diverged at all rates: check the rows with `domlora tasks show`, or try --dtype float32"
            )
        if not self._judge(run, entries, done):
            return self.store.runs.get(run.id)
        forget(run.id, race.everyone(entries, done))
        self.store.runs.finish(run.id, {"seconds": self.spent(), SPENT: self.spent()})
        return self.store.runs.get(run.id)

    # Propose

    def propose(self) -> tuple[Proposed, Plan]:
        """Candidates, and the plan of their race; fewer candidates where the time is short."""
        self._measure()
        proposed = propose(self.maps, self.config)
        placements = [candidate.placement for candidate in proposed.candidates]
        self.progress("measuring how fast it trains", 0, 0)
        timed = race_config(self.config.training, [one.name for one in placements], (1e-3,), (), 1)
        self.pace = measure_pace(self.model, self.rows, placements, timed)
        work, candidates, left = self._work(), list(proposed.candidates), self.left()
        plan = lay(3 * len(candidates), work, self.pace.of_pass, left, self.config.steps)
        while plan is None and len(candidates) > LEAST_CANDIDATES:
            candidates.pop()
            plan = lay(3 * len(candidates), work, self.pace.of_pass, left, self.config.steps)
        if plan is None:
            least = needed(3 * len(candidates), work, self.pace.of_pass, self.config.steps) + self.spent()
            raise UsageError(
                f"{self.config.minutes:g} minutes are too little for one rung and its finals here, which take about "
                f"{max(least / 60, 0.1):.2g}: give more --minutes, fewer --validation-rows and --test-rows, or a "
                "smaller batch"
            )
        dropped = {c.name: "the time is too short for so many" for c in proposed.candidates[len(candidates) :]}
        return Proposed(tuple(candidates), proposed.everywhere, {**proposed.left_out, **dropped}), plan

    def _measure(self) -> None:
        """The maps that propose, from the store or from one pass."""
        configs = probe_configs(self.config, self.asked.samples)
        maps = measured_maps(
            self.store, self.local.revision, self.asked.training, configs, lambda: self.model, progress=self.progress
        )
        self.maps = {config.probe: maps[config] for config in configs}

    @cached_property
    def rows(self) -> SweepRows:
        """All rows, encoded."""
        return encode_rows(self.asked.task, self.asked.rows, self.model.encode, self.config.training)

    @cached_property
    def forgetting(self) -> int:
        """Rows of other tasks that a finalist is judged on."""
        others = [name for name in builtin_tasks() if load_task(name).content_hash != self.asked.task.content_hash]
        return len(self.config.training.keep or others) * self.config.training.forgetting_rows

    def _work(self) -> Work:
        held_out, training = self.asked.rows.splits, self.config.training
        around = self.pace.of_entry / self.pace.of_pass if self.pace.of_pass > 0 else 0.0
        held = len(held_out["validation"]), len(held_out["test"]), self.forgetting
        return Work.of(training, *held, self.config.seeds, around)

    def _start(self) -> Run:
        """The run of the race as it begins: nothing trained yet."""
        proposed, plan = self.propose()
        entries = [
            Entry(candidate.name, rate)
            for candidate in proposed.candidates
            for rate in start_rates(candidate.placement.trainable_parameters, proposed.everywhere)
        ]
        placements = {candidate.name: candidate.placement for candidate in proposed.candidates}
        page = self.maps["page"]
        config = race_config(
            self.config.training, list(placements), sorted({entry.rate for entry in entries}), (), plan.rungs[0].step
        )
        asked = self.asked
        made = sweeps.Plan(asked.task, config, asked.rows, asked.training, page, tuple(placements.values()), self.key)
        found = {
            "config": self.config.model_dump(mode="json"),
            "entries": [[entry.placement, entry.rate] for entry in entries],
            "pace": asdict(self.pace),
            "left_out": dict(proposed.left_out),
            "maps": {name: energy.id for name, energy in self.maps.items()},
        }
        told = {
            FIND: found, PLAN: plan.to_json(), RUNGS: [], SPENT: self.spent(),
            CANDIDATES: [candidate_json(candidate) for candidate in proposed.candidates],
        }  # fmt: skip
        run = new_run(self.model, made, self.rows, {}, self.job)
        variants = tuple(variant_of(entry, placements[entry.placement]) for entry in entries)
        return self.store.runs.start(replace(run, facts={**run.facts, **told}, variants=variants))

    # Race

    def _race(self, run: Run, entries: Sequence[Entry]) -> list[Rung]:
        """All rungs, those that are known with those that are run now."""
        done = [Rung.from_json(one) for one in run.facts[RUNGS]]
        plan, placements = run.facts[PLAN], {placement.name: placement for placement in run.placements}
        first, rungs = plan["rungs"][0]["step"], len(plan["rungs"])
        self.pace = Pace(**run.facts[FIND]["pace"])
        rules = Pacing(first, rungs, self._work(), self.config.steps, self.left, self.pace.of_pass)
        key = f"{run.key} {run.created.isoformat()}"  # as `train` has it: not of a run that was removed and begun anew
        track = SweepTrack(
            self.model, self.rows, placements, self.config.training, self.store, run.id, key,
            lambda: self._say(f"rung {len(done) + 1}: {self._standing(entries, done)}"),
        )  # fmt: skip
        for rung in done:
            track.went(rung.step)
        self._expect(rules.rest(done, len(race.still_running(entries, done))))
        for rung in race.run(entries, track, rules, tuple(done)):
            done.append(rung)
            self._expect(rules.rest(done, len(race.still_running(entries, done))))
            facts = {RUNGS: [one.to_json() for one in done], SPENT: self.spent()}
            self.store.runs.set_facts(run.id, facts)
            going = {entry.name for entry in race.still_running(entries, done)}
            forget(run.id, [entry for entry in race.everyone(entries, done) if entry.name not in going])
        if done:
            track.settle(race.everyone(entries, done), done)
        return done

    def _standing(self, entries: Sequence[Entry], done: Sequence[Rung]) -> str:
        running = race.still_running(entries, done)
        placements = len({entry.placement for entry in running})
        best = f", best so far {next(iter(done[-1].losses))}" if done and done[-1].losses else ""
        return f"{placements} placements, {len(running)} adapters{best}"

    def _expect(self, rest: float) -> None:
        """Sets when all is thought to be over: so many seconds from now, and not after the time that was given."""
        end = self.spent() + rest
        self.end = min(end, 60 * self.config.minutes) if self.config.minutes else end

    def _say(self, stage: str) -> None:
        """Progress in seconds: those that were spent, of all that it is thought to take."""
        spent = int(self.spent())
        if spent - self.kept > KEPT_SECONDS:
            self.kept = spent
            self.store.runs.set_facts(self.key[:12], {SPENT: self.spent()})
        self.progress(stage, spent, max(int(self.end), spent + 1))

    # Decide

    def _judge(self, run: Run, entries: Sequence[Entry], done: Sequence[Rung]) -> bool:
        """The comparison of the finalists. Its settings are kept first, so that it is the same one after a kill.

        Returns:
            Whether there was time for it.
        """
        page = self.maps["page"]
        rows = [row for row in rows_of(page) if not refused(page, row.kind)]
        judged = finalists(self._candidates(run), entries, done, rows, self.config.training.data_seed)
        told = run.facts.get(FINAL)
        if told is None:
            config = self._final_settings(judged, done)
            if config is None:
                late = (
                    "The time was over before the finalists could be judged: the same search again goes on with them."
                )
                self.store.runs.set_facts(run.id, warnings=(late,))
                return False
        else:
            config = SweepConfig.model_validate(told["config"])
        asked = sweeps.Asked(
            self.asked.task, config, tuple(one.placement for one in judged), self.asked.rows, self.asked.training
        )
        final = sweeps.plan(asked, self.local.revision, page)
        control = next((one.placement.name for one in judged if one.control), None)
        known = {"run": final.key[:12], "config": config.model_dump(mode="json"), "control": control}
        self.store.runs.set_facts(run.id, {FINAL: known, SPENT: self.spent()})
        sweeps.run_of(
            asked, self.local, lambda: self.model, self.store, energy=page, job=self.job,
            progress=lambda stage, part, whole: self._say(f"finals of {len(judged)} placements: {stage}"),
        )  # fmt: skip
        asked_for = self.config.model_dump(mode="json")
        self.store.runs.set_facts(final.key[:12], {SEARCH: {"run": run.id, "config": asked_for}})
        return True

    def _final_settings(self, judged: Sequence[Finalist], done: Sequence[Rung]) -> SweepConfig | None:
        """None where the time is over."""
        left = self.left()
        if left is not None and left <= 0:
            return None
        rules = Pacing(done[0].step, len(done), self._work(), self.config.steps, self.left, self.pace.of_pass)
        variants = sum(len(one.rates) if len(one.rates) > 1 else 0 for one in judged) + self.config.seeds * len(judged)
        steps = rules.final_steps(done, variants)
        return settings(self.config, judged, steps, None if left is None else max(left, 1.0) / 60)

    def _candidates(self, run: Run) -> list[Candidate]:
        """Those that race, as the run has them."""
        placements = {placement.name: placement for placement in run.placements}
        return [candidate_of(made, placements[made["name"]]) for made in run.facts[CANDIDATES]]
