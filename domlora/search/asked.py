"""An answer that is asked for, as far as it can be checked without a model: task, rows, tasks to keep. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from domlora.data.tasks import Task, load_task
from domlora.energy.key import hashed
from domlora.errors import TaskError
from domlora.search.config import FindConfig
from domlora.training.rows import ChosenRows, choose_rows, training_task

FIND_VERSION = 1  # grows when the same request no longer races to the same answer


@dataclass(frozen=True, eq=False)
class FindAsked:
    """What is to be found, on which rows.

    Attributes:
        training: the task without the rows that are held out: what its maps are measured on.
        samples: training rows that the probes read.
        kept: content hashes of the tasks to keep.
    """

    task: Task
    config: FindConfig
    rows: ChosenRows
    training: Task
    samples: int
    kept: tuple[str, ...] = ()

    def key(self, model_revision: str) -> str:
        """Equal for equal requests; never equal to that of a probe or a comparison."""
        settings = self.config.model_dump(mode="json")
        return hashed(["find", FIND_VERSION, model_revision, self.task.content_hash, settings, self.kept])


def ask(task: Task, config: FindConfig) -> FindAsked:
    """Chooses the rows.

    Raises:
        TaskError: rows that cannot be had, or a task to keep that is not there.
    """
    rows = choose_rows(task, config.training)
    kept = []
    for name in config.training.keep:
        kept.append(load_task(name).content_hash)
        if kept[-1] == task.content_hash:
            raise TaskError(f"{name} is what is to be learned, and cannot be a task to keep: leave it out")
    samples = min(config.samples, len(rows.training))
    return FindAsked(task, config, rows, training_task(task, rows), samples, tuple(kept))
