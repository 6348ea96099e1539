"""Where the rows of a task lie, as fields: `TaskOrigin`. Plain data, no reading of rows here.

In: what `load_task` found, or the words in which maps and runs of earlier versions keep it. Out: how the command line
and the dashboard name the task again, from whatever folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

BUILTIN, HUB = "built-in ", "Hub "  # how the words for an origin begin, unless they are the name of a file


class TaskOrigin(BaseModel):
    """Where the rows of a task lie.

    Attributes:
        place: built-in name, absolute path of a file, or Hub id (`owner/name` or `owner/name:config`).
        format: name of the format that its rows came in; None where an earlier version wrote none down.
        columns: which field of a row each column is, where that was asked for.
        system: what was done with system texts.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["builtin", "file", "hub"]
    place: str
    format: str | None = None
    columns: dict[str, str] | None = None
    system: Literal["keep", "fold", "drop"] = "keep"

    @property
    def named_again(self) -> str:
        """What `--task` and the Launch page take."""
        return self.place

    @property
    def words(self) -> str:
        """For a person, and for the field that maps had before this one; the name of a file without its folder."""
        if self.kind == "file":
            return Path(self.place).name
        return (BUILTIN if self.kind == "builtin" else HUB) + self.place

    @property
    def known(self) -> bool:
        """Whether `named_again` leads there; earlier versions wrote down the name of a file, not where it lies."""
        return self.kind != "file" or Path(self.place).is_absolute()


def task_origin_of(task: str, source: str) -> TaskOrigin:
    """Reads the words of an earlier version: `built-in math`, `Hub owner/name`, else the name of a file.

    Args:
        task, source: as the provenance of a map or a run names them.
    """
    if source == BUILTIN + task:
        return TaskOrigin(kind="builtin", place=task)
    if source.startswith(HUB):
        return TaskOrigin(kind="hub", place=source.removeprefix(HUB))
    return TaskOrigin(kind="file", place=source)
