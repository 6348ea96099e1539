"""Where a recipe's rows lie and what their columns are called, for tools that read files of rows by themselves.

    beside the recipe    a run that kept its rows: `train.jsonl` as tokens, `conversations.jsonl` as messages
    elsewhere            the file or data set of the Hub that the task was read from, in the format it was read in
    nowhere              a format that such tools have no name for: its rows have to be brought as conversations

No file is read here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from domlora.data.origin import TaskOrigin
from domlora.export.recipe import Recipe
from domlora.export.rows import CONVERSATIONS
from domlora.paths import sample_data_path

# Data files that the libraries of these tools read by their ending.
KINDS = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet", ".arrow": "arrow", ".txt": "text"}


@dataclass(frozen=True)
class TaskRows:
    """Rows as a file or a data set of the Hub has them.

    Attributes:
        path: of a file, or the Hub id.
        config: of a data set of the Hub.
        file_kind: what `datasets.load_dataset` calls the kind of file; None for the Hub.
        form: `messages`, `sharegpt`, `alpaca`, `pairs` or `text`.
        columns: part of the form -> the column that holds it.
        lost: what these rows are that the comparison's were not, a sentence each.
    """

    path: str
    form: str
    columns: dict[str, str]
    config: str | None = None
    file_kind: str | None = None
    lost: tuple[str, ...] = field(default=())


FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "messages": ("messages", {"messages": "messages"}),
    "sharegpt": ("sharegpt", {"messages": "conversations"}),
    "alpaca": ("alpaca", {"prompt": "instruction", "query": "input", "response": "output"}),
    "gsm8k": ("pairs", {"prompt": "question", "response": "answer"}),
    "prompt_completion": ("pairs", {"prompt": "prompt", "response": "completion"}),
    "text": ("text", {"prompt": "text"}),
}
NO_FORM = "Its rows have a form that this tool has no name for: bring them as conversations, in {file}."


def conversations(recipe: Recipe) -> TaskRows:
    """The rows as a tool reads them that builds its own prompts: beside the recipe, or where the task was read."""
    if recipe.rows_beside:
        form, columns = FORMS["text" if _is_text(recipe) else "messages"]
        return TaskRows(CONVERSATIONS, form, columns, file_kind="json")
    return elsewhere(recipe)


def elsewhere(recipe: Recipe) -> TaskRows:
    """The rows where the task was read from."""
    origin = recipe.task_origin
    known = FORMS.get((origin.format if origin else None) or "messages")
    path, kind, config = _place(origin)
    if origin is None or known is None or (kind is None and origin.kind != "hub"):
        return TaskRows(CONVERSATIONS, *FORMS["messages"], file_kind="json", lost=(NO_FORM.format(file=CONVERSATIONS),))
    form, columns = known
    given = {named: column for column, named in (origin.columns or {}).items()}
    columns = {part: given.get(name, name) for part, name in columns.items()}
    lost = ["All rows of all splits are read, those too that a comparison holds out."]
    if origin.format == "gsm8k":
        lost.append("The marks <<...>> of its calculator stay in the answers.")
    if origin.format == "prompt_completion" and not given:
        lost.append("Name the two columns where they are not prompt and completion.")
    if origin.system != "keep":
        lost.append(f"System texts are kept; domlora was told to {origin.system} them.")
    return TaskRows(path, form, columns, config, kind, tuple(lost))


def _is_text(recipe: Recipe) -> bool:
    return recipe.task_origin is not None and recipe.task_origin.format == "text"


def _place(origin: TaskOrigin | None) -> tuple[str, str | None, str | None]:
    """Path or Hub id, kind of file, configuration."""
    if origin is None:
        return "", None, None
    if origin.kind == "hub":
        name, _, config = origin.place.partition(":")
        return name, None, config or None
    path = origin.place
    if origin.kind == "builtin":
        path = str((sample_data_path() / "tasks" / f"{origin.place}.jsonl").resolve())
    return path, KINDS.get(Path(path).suffix.lower()), None
