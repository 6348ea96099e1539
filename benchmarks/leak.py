"""How many held-out rows a model has seen while it trained: split row by row, and as `choose_rows` splits.

    python benchmarks/leak.py [--seeds 20]

In: files that are made here, with copies in them, and files of one's own. Out: the table of docs/leak.md. The split row
by row shuffles the same rows with the same seed and cuts them; it is kept here as the baseline and nowhere else.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from domlora.comparison.config import SweepConfig
from domlora.data.duplicates import alike
from domlora.data.near_duplicates import near_duplicates
from domlora.data.samples import Sample
from domlora.data.tasks import Task, load_task
from domlora.training.rows import HELD_OUT_FRACTION, choose_rows

ROWS = 600


class Seen(NamedTuple):
    """Counts of held-out rows, summed over seeds.

    Attributes:
        rows: held out.
        equal: whose text is a training row's too, but for case, white space and forms of characters.
        kin: of a source row, or of equal texts, that trains too.
        near: nearly equal to a training row, equal ones included.
        twice: equal to an earlier held-out row.
    """

    rows: int
    equal: int
    kin: int
    near: int
    twice: int


def row_by_row(task: Task, config: SweepConfig) -> dict[str, Sequence[Sample]]:
    """The baseline: the first rows of a shuffled file are held out, whatever they say."""
    rows = list(task.samples)
    random.Random(f"sweep {config.data_seed}").shuffle(rows)
    spare = int(HELD_OUT_FRACTION * len(rows))
    first = min(config.validation_rows, spare)
    second = first + min(config.test_rows, spare)
    return {"validation": rows[:first], "test": rows[first:second], "train": rows[second:]}


def by_families(task: Task, config: SweepConfig) -> dict[str, Sequence[Sample]]:
    """What a comparison trains and is judged on."""
    return dict(choose_rows(task, config).splits)


def seen(task: Task, parts: dict[str, Sequence[Sample]]) -> Seen:
    """Counts what of the held-out rows trains too."""
    found = alike(task.samples)
    text = dict(zip(map(id, task.samples), found.texts, strict=True))
    family = dict(zip(map(id, task.samples), found.families, strict=True))
    train = parts["train"]
    texts, families = {text[id(one)] for one in train}, {family[id(one)] for one in train}
    held_out = [*parts["validation"], *parts["test"]]
    return Seen(
        rows=len(held_out),
        equal=sum(text[id(one)] in texts for one in held_out),
        kin=sum(family[id(one)] in families for one in held_out),
        near=len(near_duplicates(held_out, train)),
        twice=len(held_out) - len({text[id(one)] for one in held_out}),
    )


def files(folder: Path) -> dict[str, Path]:
    """The files, by what is in them. Rows are those of the built-in tasks, which are all different."""
    draw = random.Random(0)
    plain = [row for name in ("instruction", "code", "chat") for row in _rows(name)]
    draw.shuffle(plain)

    def with_copies(count: int, change: Callable[[str], str]) -> list[dict[str, Any]]:
        first = plain[: ROWS - count]
        return [*first, *(_changed(draw.choice(first), change) for _ in range(count))]

    def one_word_more(text: str) -> str:
        return f"{text} Please."

    instances = [
        {"instruction": f"Write down the letters of the word number {i}.",
         "instances": [{"input": f"{i}-{k}", "output": f"{i} {k}"} for k in range(3)]}
        for i in range(ROWS // 3)
    ]  # fmt: skip
    made = {
        "no copies": plain[:ROWS],
        "30 % copies": with_copies(180, str),
        "30 % copies, other case and spaces": with_copies(180, lambda text: f" {text.upper()} "),
        "each row five times": plain[: ROWS // 5] * 5,
        "Self-Instruct, 3 instances a row": instances,
        "30 % copies with a word more": with_copies(180, one_word_more),
    }
    paths = {}
    for i, (name, rows) in enumerate(made.items()):
        paths[name] = folder / f"{i}.jsonl"
        paths[name].write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return paths


def _rows(name: str) -> list[dict[str, Any]]:
    return [
        {"messages": [{"role": m.role, "content": m.content} for m in sample.messages]}
        for sample in load_task(name).samples
    ]


def _changed(row: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The row with another last question."""
    *before, question, answer = row["messages"]
    return {"messages": [*before, question | {"content": change(question["content"])}, answer]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="further files of rows without a split")
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    print("| rows | split | held out | equal | kin | nearly equal | counted twice |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in (files(Path(folder)) | {path.name: path for path in arguments.files}).items():
            task = load_task(path)
            for how, split in (("row by row", row_by_row), ("domlora", by_families)):
                counts = [
                    seen(task, split(task, SweepConfig(data_seed=seed, batch_size=1)))
                    for seed in range(arguments.seeds)
                ]
                means = (sum(column) / arguments.seeds for column in zip(*counts, strict=True))
                print(f"| {name} | {how} | {' | '.join(f'{mean:.1f}' for mean in means)} |", flush=True)


if __name__ == "__main__":
    main()
