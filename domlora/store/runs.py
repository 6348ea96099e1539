"""Comparisons in the store: settings, variants, curves, evaluations and answers, while they grow.

In: what `training` produces, as the data classes of `comparison.run`. Out: the same again, in any process that opens
the store (`Store.runs`). Whoever trains is the one writer of a run; others read it and may ask to cancel a variant.
Nothing is computed here, torch is not imported; pandas only where curves are read.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic import ValidationError

from domlora.comparison.config import SweepConfig
from domlora.comparison.run import BASE, ENDED_VARIANT, Answer, Evaluation, Metric, Notes, Run, Variant, VariantStatus
from domlora.data.origin import TaskOrigin
from domlora.errors import StoreError
from domlora.models.origin import ModelOrigin
from domlora.placements.placement import Placement
from domlora.store import notes
from domlora.store.database import Database, finite, now, only, retrying_conflicts, text
from domlora.store.schema import answers, evaluations, metrics, runs, variants

if TYPE_CHECKING:
    import pandas as pd


# What runs were trained with before there was a choice: all seeds read one order, and chose the rate that they judged.
EARLIER = {"order": "fixed", "rate_seeds": 0}
ORIGINS = "origins"  # in the column `facts`: the fields of a run that came after the table was made


class Runs:
    """The comparisons of a store.

    Every method raises StoreError, with one line and a way out, where the database fails or the run is not there; what
    a failed write was to change is as it was.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # As the sweep fills it

    def start(self, run: Run, *, replace: bool = False) -> Run:
        """Keeps a new run with its variants, or returns the run of the same key.

        An unfinished one is handed on to `run.job`, which goes on with it. A finished one stays as it is; with
        `replace` it gives way, unless `run.job` itself has made it (the job's second attempt need not train again).

        Returns:
            The run as it is in the store; its id is the first 12 characters of its key.
        """
        id = run.key[:12]

        def write() -> None:
            with self._database.writing() as connection:
                old = connection.execute(sa.select(runs.c.status, runs.c.job).where(runs.c.id == id)).one_or_none()
                if old is not None and old.status != "done":
                    connection.execute(runs.update().where(runs.c.id == id).values(job=run.job))
                    return
                if old is not None:
                    if not replace or (run.job is not None and old.job == run.job):
                        return
                    connection.execute(runs.delete().where(runs.c.id == id))
                connection.execute(runs.insert().values(_run_row(run, id)))
                rows = [_variant_row(variant, id, position) for position, variant in enumerate(run.variants)]
                if rows:
                    connection.execute(variants.insert(), rows)

        retrying_conflicts(write)
        return self.get(id)

    def add_variants(self, run_id: str, more: Sequence[Variant]) -> None:
        """Puts further variants after those that the run has."""
        with self._database.writing() as connection:
            _check(connection, run_id)
            _append(connection, run_id, more)

    def go_on(self, run_id: str, config: SweepConfig, names: Collection[str], more: Sequence[Variant] = ()) -> None:
        """A race goes on to its next rung, in one piece: new settings, variants that are done wait again, others join.

        What the former have kept stays: `rewind` to the step at which they go on forgets what is after it.

        Args:
            names: those that go on.
            more: those that join; one that is there stays as it is.
        """
        with self._database.writing() as connection:
            _check(connection, run_id)
            connection.execute(runs.update().where(runs.c.id == run_id).values(config=config.model_dump(mode="json")))
            done = sa.and_(variants.c.run == run_id, variants.c.name.in_(names), variants.c.status == "done")
            connection.execute(variants.update().where(done).values(status="queued", note=None, ended_step=None))
            there = set(connection.scalars(sa.select(variants.c.name).where(variants.c.run == run_id)))
            _append(connection, run_id, [variant for variant in more if variant.name not in there])

    def rewind(self, run_id: str, step: int, names: Collection[str] | None = None) -> None:
        """Back to a checkpoint: forgets what comes after `step`, so that training can go on from there.

        Variants that are done keep everything; those that diverged or were cancelled by `step` stay so; the others are
        queued again and lose the metrics after it. A cancel that was asked for still holds.

        Args:
            step: of the checkpoint; -1 for none: all begin anew, also those that are done, and evaluations and answers
                other than the base's are forgotten.
            names: only these variants (a wave); None stands for all.
        """
        with self._database.writing() as connection:
            _check(connection, run_id)
            again: sa.ColumnElement[bool] = variants.c.run == run_id
            if names is not None:
                again = sa.and_(again, variants.c.name.in_(names))
            if step >= 0:
                unfinished = variants.c.status.not_in(ENDED_VARIANT)
                later = sa.and_(variants.c.status != "done", variants.c.ended_step > step)
                again = sa.and_(again, sa.or_(unfinished, later))
            chosen = list(connection.scalars(sa.select(variants.c.name).where(again)))
            forgotten = [(metrics, metrics.c.step > step)]
            if step < 0:
                forgotten += [(evaluations, evaluations.c.variant != BASE), (answers, answers.c.variant != BASE)]
            for table, what in forgotten:
                connection.execute(table.delete().where(table.c.run == run_id, table.c.variant.in_(chosen), what))
            fresh: dict[str, Any] = {"status": "queued", "note": None, "adapter": None, "ended_step": None}
            if step < 0:
                fresh["results"] = {}
            connection.execute(variants.update().where(again).values(fresh))

    def add_metrics(self, run_id: str, points: Sequence[Metric]) -> None:
        """Keeps points of curves, all or none; a point of the same variant, name and step gives way.

        A value that is not finite is kept as "not a number".
        """
        rows = {(p.variant, p.name, p.step): _number(p.value) for p in points}
        keyed = [
            {"variant": variant, "name": name, "step": step, "value": value}
            for (variant, name, step), value in rows.items()
        ]
        self._replace(run_id, metrics, ("variant", "name", "step"), keyed)

    def set_variant(
        self,
        run_id: str,
        name: str,
        *,
        status: VariantStatus | None = None,
        note: str | None = None,
        results: Mapping[str, float] | None = None,
        adapter: str | None = None,
        ended_step: int | None = None,
    ) -> None:
        """Changes what is given of a variant; `results` are added to those it has.

        Args:
            ended_step: the step in which it ended, with a `status` that says how: what `rewind` goes by.
        """
        values: dict[str, Any] = {"status": status, "note": note and text(note), "adapter": adapter and text(adapter)}
        values = {key: value for key, value in (values | {"ended_step": ended_step}).items() if value is not None}
        which = sa.and_(variants.c.run == run_id, variants.c.name == name)
        with self._database.writing() as connection:
            known = connection.execute(sa.select(variants.c.results).where(which).with_for_update()).one_or_none()
            if known is None:
                raise _no_variant(run_id, name)
            values["results"] = {**known.results, **finite(dict(results or {}))}
            connection.execute(variants.update().where(which).values(values))

    def add_evaluations(self, run_id: str, made: Sequence[Evaluation]) -> None:
        """Keeps evaluations, in place of those of the same variant and part."""
        rows = [
            {
                "variant": e.variant,
                "part": e.part,
                "losses": finite(list(e.losses)),
                "accuracies": finite(list(e.accuracies)),
            }
            for e in made
        ]
        self._replace(run_id, evaluations, ("variant", "part"), rows)

    def add_answers(self, run_id: str, given: Sequence[Answer]) -> None:
        """Keeps answers, in place of those of the same variant and row."""
        rows = [
            {
                "variant": a.variant,
                "row": a.row,
                "prompt": text(a.prompt),
                "reference": text(a.reference),
                "text": text(a.text),
                "correct": a.correct,
            }
            for a in given
        ]
        self._replace(run_id, answers, ("variant", "row"), rows)

    def set_facts(self, run_id: str, facts: Mapping[str, Any] | None = None, warnings: Iterable[str] = ()) -> None:
        """Adds facts to those the run has (the same name gives way), and warnings that it has not given yet."""
        self._note(run_id, facts or {}, warnings)

    def finish(self, run_id: str, facts: Mapping[str, Any] | None = None, warnings: Iterable[str] = ()) -> Run:
        """Ends the run, with last facts and warnings as `set_facts` takes them, and returns it."""
        self._note(run_id, facts or {}, warnings, status="done", finished=now())
        return self.get(run_id)

    # As a person sees it

    def cancel_variant(self, run_id: str, name: str) -> None:
        """Asks the sweep to end one variant and go on with the others.

        Raises:
            StoreError: it has ended already, or there is none of that name.
        """
        which = sa.and_(variants.c.run == run_id, variants.c.name == name)
        with self._database.writing() as connection:
            active = sa.and_(which, variants.c.status.not_in(ENDED_VARIANT))
            if connection.execute(variants.update().where(active).values(cancel_requested=True)).rowcount:
                return
            status = connection.scalar(sa.select(variants.c.status).where(which))
        if status is None:
            raise _no_variant(run_id, name)
        raise StoreError(f"variant {name!r} has ended already ({status}): there is nothing to cancel")

    def cancelled(self, run_id: str) -> frozenset[str]:
        """The variants that were asked to end, whether they have or not."""
        asked = sa.select(variants.c.name).where(variants.c.run == run_id, variants.c.cancel_requested)
        with self._database.reading() as connection:
            return frozenset(connection.scalars(asked))

    def set_notes(self, ids: Collection[str], **changes: Any) -> None:
        """Changes what the owner says of runs, for all of them alike; what is not named stays.

        Args:
            ids: of runs, whole.
            changes: fields of `Notes`.
        """

        def write() -> None:
            with self._database.writing() as connection:
                for id in ids:
                    _check(connection, id)
                    notes.change(connection, id, changes)

        retrying_conflicts(write)

    def get(self, id_or_prefix: str) -> Run:
        """The run whose id or key begins so.

        Raises:
            StoreError: no run does, or several do.
        """
        query = sa.select(runs.c.id).where(runs.c.key.startswith(id_or_prefix.lower(), autoescape=True))
        with self._database.reading() as connection:
            ids = list(connection.scalars(query.order_by(runs.c.id)))
        id = only(id_or_prefix, ids, "run", "`domlora runs`", StoreError)
        found = self._load(runs.c.id == id)
        if not found:
            raise _no_run(id)
        return found[0]

    def find(self, key: str) -> Run | None:
        """The run of exactly this key, finished or not."""
        return next(iter(self._load(runs.c.key == key)), None)

    def metrics(self, run_id: str, after: int = -1) -> pd.DataFrame:
        """The curves: columns variant, step, name, value, sorted in this order.

        Args:
            after: only the steps after this one, for a reader that has the others already.
        """
        import pandas as pd

        columns = ["variant", "step", "name", "value"]
        query = sa.select(*(metrics.c[name] for name in columns)).where(metrics.c.run == run_id, metrics.c.step > after)
        rows = self._rows(run_id, query)
        frame = pd.DataFrame([tuple(row) for row in rows], columns=columns)
        frame = frame.astype({"variant": "str", "step": "int64", "name": "str", "value": "float64"})
        return frame.sort_values(["variant", "step", "name"], ignore_index=True)

    def evaluations(self, run_id: str) -> list[Evaluation]:
        """All evaluations: the base's first, then by variant and part."""
        query = sa.select(evaluations).where(evaluations.c.run == run_id)
        found = [
            Evaluation(row.variant, row.part, _numbers(row.losses), _numbers(row.accuracies))
            for row in self._rows(run_id, query)
        ]
        return sorted(found, key=lambda e: (e.variant != BASE, e.variant, e.part))

    def answers(self, run_id: str) -> list[Answer]:
        """All answers: the base's first, then by variant and row."""
        names = list(Answer.__dataclass_fields__)
        query = sa.select(*(answers.c[name] for name in names)).where(answers.c.run == run_id)
        found = [Answer(**row._mapping) for row in self._rows(run_id, query)]
        return sorted(found, key=lambda a: (a.variant != BASE, a.variant, a.row))

    def remove(self, id_or_prefix: str) -> str:
        """Forgets a run and all that belongs to it, and returns its id; StoreError as `get`."""
        id = self.get(id_or_prefix).id
        with self._database.writing() as connection:
            connection.execute(runs.delete().where(runs.c.id == id))
            notes.remove(connection, id)
        return id

    def _load(self, *conditions: Any) -> list[Run]:
        of_runs = sa.select(runs).where(*conditions).order_by(runs.c.created.desc(), runs.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(of_runs).mappings().all()
            of_variants = sa.select(variants).where(variants.c.run.in_([row["id"] for row in rows]))
            found = connection.execute(of_variants.order_by(variants.c.run, variants.c.position)).mappings().all()
            said = notes.read(connection, [row["id"] for row in rows])
        members: dict[str, list[Variant]] = {row["id"]: [] for row in rows}
        for row in found:
            members[row["run"]].append(_as_variant(row))
        return [_as_run(row, members[row["id"]], said.get(row["id"], Notes())) for row in rows]

    def _rows(self, run_id: str, query: sa.Select) -> Sequence[sa.Row]:
        """What belongs to a run that exists."""
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            if not rows:
                _check(connection, run_id)
        return rows

    def _replace(self, run_id: str, table: sa.Table, key: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        """Puts rows into a table, in place of those of the same key."""
        if not rows:
            return
        same = sa.and_(table.c.run == run_id, *(table.c[name] == sa.bindparam(f"old_{name}") for name in key))
        old = [{f"old_{name}": row[name] for name in key} for row in rows]

        def write() -> None:
            with self._database.writing() as connection:
                _check(connection, run_id)
                connection.execute(table.delete().where(same), old)
                connection.execute(table.insert(), [{"run": run_id, **row} for row in rows])

        retrying_conflicts(write)

    def _note(self, run_id: str, facts: Mapping[str, Any], warnings: Iterable[str], **values: Any) -> None:
        with self._database.writing() as connection:
            query = sa.select(runs.c.facts, runs.c.warnings).where(runs.c.id == run_id).with_for_update()
            known = connection.execute(query).one_or_none()
            if known is None:
                raise _no_run(run_id)
            values["facts"] = {**known.facts, **finite(dict(facts))}
            values["warnings"] = list(dict.fromkeys([*known.warnings, *warnings]))
            connection.execute(runs.update().where(runs.c.id == run_id).values(values))

    def of_job(self, job_id: str) -> list[Run]:
        """The runs that a job fills, newest first."""
        return self._load(runs.c.job == job_id)

    def stamps(self) -> dict[str, Hashable]:
        """Of each run what changes whenever it does, for a reader that has read it before. Much faster than `list`.

        Returns:
            By id, newest first. A run that is not done may change under the same stamp.
        """
        texts = [sa.cast(runs.c[name], sa.Text) for name in ("facts", "warnings")]
        query = sa.select(runs.c.id, runs.c.status, runs.c.job, runs.c.created, runs.c.finished, *texts)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(runs.c.created.desc(), runs.c.id)).all()
            said = notes.read(connection, None)
        return {row[0]: (*row[1:5], hash(tuple(row[5:])), said.get(row[0])) for row in rows}

    def list(self, ids: Collection[str] | None = None) -> list[Run]:  # last: in this class it hides the type `list`
        """All runs, or those of these ids, newest first, with their variants."""
        return self._load() if ids is None else self._load(runs.c.id.in_(ids))


def _check(connection: sa.Connection, run_id: str) -> None:
    if connection.scalar(sa.select(runs.c.id).where(runs.c.id == run_id)) is None:
        raise _no_run(run_id)


def _no_run(run_id: str) -> StoreError:
    return StoreError(f"the store has no run {run_id!r} (any more): `domlora runs` lists those it has")


def _no_variant(run_id: str, name: str) -> StoreError:
    return StoreError(f"run {run_id} of the store has no variant {name!r}: `domlora runs show {run_id}` lists them")


def _run_row(run: Run, id: str) -> dict[str, Any]:
    names = ("key", "model", "model_source", "model_revision", "task", "task_source", "task_hash", "created", "status")
    return {name: getattr(run, name) for name in (*names, "finished", "job")} | {
        "id": id,
        "config": run.config.model_dump(mode="json"),
        "placements": [placement.model_dump(mode="json") for placement in run.placements],
        "facts": finite(dict(run.facts) | {ORIGINS: _origins_row(run)}),
        "warnings": list(run.warnings),
    }


def _append(connection: sa.Connection, run_id: str, more: Sequence[Variant]) -> None:
    """Puts variants after those that a run has."""
    first = connection.scalar(sa.select(sa.func.count()).where(variants.c.run == run_id)) or 0
    rows = [_variant_row(variant, run_id, first + i) for i, variant in enumerate(more)]
    if rows:
        connection.execute(variants.insert(), rows)


def _variant_row(variant: Variant, run_id: str, position: int) -> dict[str, Any]:
    fields = {name: getattr(variant, name) for name in Variant.__dataclass_fields__}
    return fields | {"run": run_id, "position": position, "results": finite(dict(variant.results))}


def _as_run(row: Any, members: Sequence[Variant], said: Notes) -> Run:
    known = {name: row[name] for name in Run.__dataclass_fields__ if name in row}
    known["facts"] = {name: value for name, value in row["facts"].items() if name != ORIGINS}
    try:
        known |= _origins(row["facts"].get(ORIGINS, {}))
        known["config"] = SweepConfig.model_validate(EARLIER | row["config"])
        known["placements"] = tuple(Placement.model_validate(placement) for placement in row["placements"])
    except ValidationError as error:
        raise StoreError(f"run {row['id']} was written by another version of domlora: upgrade domlora") from error
    return Run(**known | {"warnings": tuple(row["warnings"]), "variants": tuple(members), "notes": said})


def _origins_row(run: Run) -> dict[str, Any]:
    both = {"model": run.model_origin, "task": run.task_origin}
    return {name: origin and origin.model_dump(mode="json", exclude_none=True) for name, origin in both.items()}


def _origins(kept: Mapping[str, Any]) -> dict[str, ModelOrigin | TaskOrigin | None]:
    """As a run has them; a run of an earlier version has kept none, and reads its words."""
    model, task = kept.get("model"), kept.get("task")
    return {
        "model_origin": model and ModelOrigin.model_validate(model),
        "task_origin": task and TaskOrigin.model_validate(task),
    }


def _as_variant(row: Any) -> Variant:
    known = {name: row[name] for name in Variant.__dataclass_fields__}
    results = dict(zip(row["results"], _numbers(row["results"].values()), strict=True))
    return Variant(**known | {"results": results})


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _numbers(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if value is None else value for value in values)
