"""`domlora models` and `domlora tasks`: what is built in, and how to name others."""

from __future__ import annotations

import argparse

from domlora.cli.actions import command, group
from domlora.cli.output import plain, print_json, print_table, progress_bar, say
from domlora.cli.shown import add_show, show_task
from domlora.jobs.spec import ProbeRequest
from domlora.settings import setting

MODEL = setting(ProbeRequest, "model").description


def add_models(parser: argparse.ArgumentParser) -> None:
    """`domlora models`."""
    models = group(parser, _models_list)
    command(models, "list", _models_list, "what is built in", json_output=True)
    command(models, "get", _models_get, "bring a model onto this machine").add_argument("model", help=MODEL)


def add_tasks(parser: argparse.ArgumentParser) -> None:
    """`domlora tasks`."""
    tasks = group(parser, _tasks_list)
    command(tasks, "list", _tasks_list, "what is built in", json_output=True)
    add_show(command(tasks, "show", show_task, "what is in a task, and what a model learns of it", json_output=True))


def _models_list(arguments: argparse.Namespace) -> None:
    from domlora.models.catalogue import REFERENCE_MODELS, is_ready, known_models

    models = known_models().values()
    if arguments.json:
        return print_json(
            [{**plain(m), "reference": m.name in REFERENCE_MODELS, "ready": is_ready(m.name)} for m in models]
        )
    rows = [
        (m.name, m.title, m.description, f"{m.parameters / 1e6:.3g} M", m.licence,
         "yes" if is_ready(m.name) else "no")
        for m in models
    ]  # fmt: skip
    print_table(("name", "model", "what it is", "parameters", "licence", "on this machine"), rows)
    print("\nAny other model: a Hub id (org/name), a folder with safetensors, or a .gguf file.")


def _models_get(arguments: argparse.Namespace) -> None:
    from domlora.models.fetch import localise
    from domlora.models.reference import resolve

    with progress_bar("file") as progress:
        progress("fetching the model", 0, 0)
        local = localise(resolve(arguments.model), progress)
    say(f"{local.folder}  ({local.source})")


def _tasks_list(arguments: argparse.Namespace) -> None:
    from domlora.data.tasks import builtin_tasks, load_task

    tasks = [(name, text, load_task(name).splits) for name, text in builtin_tasks().items()]
    if arguments.json:
        return print_json([{"task": name, "description": text, "rows": rows} for name, text, rows in tasks])
    print_table(
        ("task", "what it is", "rows"), [(n, t, ", ".join(f"{c} {s}" for s, c in r.items())) for n, t, r in tasks]
    )
    print(
        "\nAny other task: a JSON, JSONL, Parquet, Arrow or CSV file, a folder or zip of them, or a Hub id (org/name)."
    )
