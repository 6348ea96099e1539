"""The command line. Arguments come in, results go to stdout, progress and logs to stderr.

Exit status: 0 done, 1 failed (one line says why and what to do; `--debug` shows the traceback), 2 bad usage.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from domlora import __version__
from domlora.cli import compare, matrix, probes
from domlora.cli.arguments import add_model_and_task, checked, list_of, subject
from domlora.cli.output import plain, print_json, print_table, progress_bar
from domlora.errors import DomLoRAError, UsageError
from domlora.probes.config import ProbeConfig
from domlora.probes.registry import PROBES


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `domlora` command; returns its exit status."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.run not in PASSED_ON:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    # Before transformers loads: an unreachable Hub says so once, in our words, and bars are for terminals.
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for chatty in ("httpx", "httpx2", "transformers", "huggingface_hub"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    try:
        return arguments.run(arguments) or 0
    except DomLoRAError as error:
        if arguments.debug:
            raise
        print(f"domlora: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("domlora: interrupted; what was stored before is kept", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left: nothing to say to anybody
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="domlora", description="Where should a LoRA adapter go? Measure it.")
    parser.add_argument("--version", action="version", version=f"domlora {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_probe(commands.add_parser("probe", help="measure every module of a model on a task, by PAGE or another probe"))
    compare.add_place(commands)
    compare.add_compare(commands)
    compare.add_runs(commands)
    probes.add_probes(commands)
    matrix.add_matrix(commands)

    maps = _group(commands, "maps", _maps_list, "energy maps in the store")
    _command(maps, "list", _maps_list, "all maps, newest first", json_output=True)
    show = _command(maps, "show", _maps_show, "one map: its strongest modules and its verdict", json_output=True)
    show.add_argument("id")
    show.add_argument("--top", type=_count, default=10, help="modules shown (default 10)")
    export = _command(maps, "export", _maps_export, "write a map to a file")
    export.add_argument("id")
    export.add_argument("out", type=Path, metavar="FILE.parquet|.csv|.json")
    _command(maps, "remove", _maps_remove, "delete a map").add_argument("id")

    models = _group(commands, "models", _models_list, "built-in models, and how to name others")
    _command(models, "list", _models_list, "what is built in", json_output=True)
    _command(models, "get", _models_get, "bring a model onto this machine").add_argument("model")

    tasks = _group(commands, "tasks", _tasks_list, "built-in tasks, and what a file holds")
    _command(tasks, "list", _tasks_list, "what is built in", json_output=True)
    show = _command(tasks, "show", _tasks_show, "format, rows and a first sample of a task", json_output=True)
    show.add_argument("task")

    jobs = _group(commands, "jobs", _jobs_list, "queued, running and ended jobs")
    _command(jobs, "list", _jobs_list, "all jobs, newest first", json_output=True)
    for name, run, text in (
        ("show", _jobs_show, "one job and the end of its log"),
        ("cancel", _jobs_cancel, "stop a queued or running job"),
        ("retry", _jobs_retry, "queue the request of a job again"),
    ):
        _command(jobs, name, run, text).add_argument("id")
    submit = jobs.add_parser("submit", help="queue a probe for a worker instead of running it here")
    _add_probe_arguments(submit)
    submit.set_defaults(run=_jobs_submit)

    worker = commands.add_parser("worker", help="run queued jobs until stopped", add_help=False)
    worker.set_defaults(run=_worker)
    words = "open the dashboard; options go to `streamlit run`"
    commands.add_parser("dashboard", help=words, add_help=False).set_defaults(run=_dashboard)
    return parser


def _group(commands: Any, name: str, run: Callable, text: str) -> Any:
    """A command with actions; without one it lists."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)
    return parser.add_subparsers(metavar="ACTION")


def _command(group: Any, name: str, run: Callable, text: str, *, json_output: bool = False) -> argparse.ArgumentParser:
    parser = group.add_parser(name, help=text, description=text)
    if json_output:
        parser.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="one JSON document on stdout"
        )
    parser.set_defaults(run=run)
    return parser


def _add_probe(parser: argparse.ArgumentParser) -> None:
    _add_probe_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the map: .parquet, .csv or .json")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--top", type=_count, default=10, help="modules shown (default 10)")
    parser.set_defaults(run=_probe)


def _add_probe_arguments(parser: argparse.ArgumentParser) -> None:
    default = ProbeConfig()
    add_model_and_task(parser)
    parser.add_argument("--probe", choices=list(PROBES), default=default.probe, help="what is measured (default page)")
    parser.add_argument("--against", metavar="TASK", help="the other task of probe interference")
    parser.add_argument(
        "--also", type=_probe_names, default=(), metavar="NAME,...",
        help="other probes in the same pass, each stored as a map of its own",
    )  # fmt: skip
    parser.add_argument("--samples", type=int, default=default.samples)
    parser.add_argument("--split", default=default.split)
    parser.add_argument("--estimator", choices=["expected", "projected"], default=default.estimator)
    parser.add_argument("--reduction", choices=["per_sample", "mean_gradient"], default=default.reduction)
    parser.add_argument("--rank", type=int, default=default.rank)
    parser.add_argument("--alpha", type=float, default=default.alpha)
    parser.add_argument("--rslora", action="store_true", help="scale by alpha / sqrt(rank)")
    parser.add_argument("--draws", type=int, default=default.draws, help="draws of A (projected only)")
    parser.add_argument("--max-length", type=int, default=default.max_length, help="tokens kept of a sample")
    parser.add_argument("--seed", type=int, default=default.seed)


def _request(arguments: argparse.Namespace) -> Any:
    from domlora.jobs.spec import ProbeRequest

    return ProbeRequest(config=checked(ProbeConfig, arguments), also=arguments.also, **subject(arguments))


def _store() -> Any:
    from domlora.store.store import Store

    return Store()


def _probe(arguments: argparse.Namespace) -> None:
    from domlora.energy import files as energy_files
    from domlora.jobs.execute import run_probe

    if arguments.out:
        energy_files.check_suffix(arguments.out)
    request = _request(arguments)
    store = _store()
    with progress_bar("sample", request.config.samples) as progress:
        energy = store.map(run_probe(request, store, progress))
    if arguments.out:
        energy_files.write(energy, arguments.out)
    if arguments.json:
        print_json(energy_files.to_json(energy, lists=False))
    else:
        _print_map(energy, arguments.top)


def _print_map(energy: Any, top: int) -> None:
    p, info = energy.provenance, energy.probe
    loss = "" if p.loss is None else f", loss {p.loss:.3f}"
    print(f"{p.model} on {p.task}: {p.samples} samples, {p.response_tokens} response tokens{loss}")
    how = f"{p.config.estimator}, {p.config.reduction}" if info.name == "page" else info.title
    print(f"{how}: {p.method}; {p.device} {p.dtype}, {p.seconds:.1f} s\n")
    rows = [_map_row(energy, index, row) for index, row in energy.table.head(top).iterrows()]
    print_table(MAP_HEAD if info.additive else ("", "module", "score"), rows)
    print(f"\n{energy.verdict.sentence}")
    for warning in p.warnings:
        print(f"Note: {warning}.")
    if p.skipped:
        print(f"Not probed: {len(p.skipped)} modules, such as {p.skipped[0].module} ({p.skipped[0].reason}).")
    print(f"Map {energy.id}")


MAP_HEAD = ("", "module", "share", "95 % interval", "energy", "at first token")


def _map_row(energy: Any, index: Any, row: Any) -> tuple[str, ...]:
    """A module in the columns that its probe has: no shares of what is no amount."""
    if not energy.probe.additive:
        return str(row["rank"]), row["module"], f"{row['energy']:.4g}"
    bootstrap = energy.bootstrap
    interval = f"{bootstrap.low[index]:.1%} to {bootstrap.high[index]:.1%}" if bootstrap else ""
    first = f"{row['first_token']:z.0%}" if "first_token" in row else ""
    return str(row["rank"]), row["module"], f"{row['share']:.2%}", interval, f"{row['energy']:.4g}", first


def _maps_list(arguments: argparse.Namespace) -> None:
    maps = _store().maps()
    if arguments.json:
        return print_json([plain(m) for m in maps])
    if not maps:
        return print("No energy maps yet: `domlora probe smollm2-135m --task math` makes one.")
    print_table(
        ("id", "model", "task", "probe", "samples", "dominant", "share", "effective", "made"),
        [
            (m.id, m.model, m.task, m.probe, str(m.samples), m.dominant.module, *_amounts(m),
             f"{m.created:%Y-%m-%d %H:%M}")
            for m in maps
        ],
    )  # fmt: skip


def _amounts(found: Any) -> tuple[str, str]:
    """Share and effective modules of a map in a list, where its probe measures amounts."""
    if not PROBES[found.probe].additive:
        return "", f"of {found.modules}"
    return f"{found.dominant.share:.1%}", f"{found.effective_modules:.0f} of {found.modules}"


def _maps_show(arguments: argparse.Namespace) -> None:
    from domlora.energy.files import to_json

    energy = _store().map(arguments.id)
    print_json(to_json(energy, lists=False)) if arguments.json else _print_map(energy, arguments.top)


def _maps_export(arguments: argparse.Namespace) -> None:
    from domlora.energy.files import write

    write(_store().map(arguments.id), arguments.out)
    print(f"wrote {arguments.out}", file=sys.stderr)


def _maps_remove(arguments: argparse.Namespace) -> None:
    print(f"removed map {_store().remove_map(arguments.id)}", file=sys.stderr)


def _models_list(arguments: argparse.Namespace) -> None:
    from domlora.models.reference import REFERENCE_MODELS, is_ready, known_models

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

    local = localise(resolve(arguments.model))
    print(f"{local.folder}  ({local.origin})")


def _tasks_list(arguments: argparse.Namespace) -> None:
    from domlora.data.tasks import builtin_tasks, load_task

    tasks = [(name, text, load_task(name).splits) for name, text in builtin_tasks().items()]
    if arguments.json:
        return print_json([{"task": name, "description": text, "rows": rows} for name, text, rows in tasks])
    print_table(
        ("task", "what it is", "rows"), [(n, t, ", ".join(f"{c} {s}" for s, c in r.items())) for n, t, r in tasks]
    )
    print("\nAny other task: a JSON, JSONL, Parquet or CSV file, or a Hub data set id (org/name).")


def _tasks_show(arguments: argparse.Namespace) -> None:
    from domlora.data.tasks import load_task

    task = load_task(arguments.task)
    first = [{"role": m.role, "content": m.content} for m in task.samples[0].messages]
    facts = {"task": task.name, "source": task.source, "format": task.format, "rows": task.splits,
             "without_response": task.without_response, "hash": task.content_hash, "first": first}  # fmt: skip
    if arguments.json:
        return print_json(facts)
    print(
        f"{task.name}: format {task.format}, rows {task.splits}, {task.without_response} without a response left out\n"
    )
    for turn in first:
        print(f"[{turn['role']}] {turn['content']}\n")


def _jobs_list(arguments: argparse.Namespace) -> None:
    from domlora.jobs.spec import KIND_NAMES

    jobs = _store().jobs()
    if arguments.json:
        return print_json([plain(job) for job in jobs])
    if not jobs:
        return print("No jobs yet: `domlora jobs submit MODEL --task TASK` or the dashboard's Launch page queues one.")
    print_table(
        ("id", "kind", "status", "model", "task", "progress", "result"),
        [
            (j.id, KIND_NAMES[j.request.kind], j.status, j.request.model, j.request.task, _progress(j),
             j.result or j.error or "")
            for j in jobs
        ],
    )  # fmt: skip


def _progress(job: Any) -> str:
    if not job.total:
        return job.stage
    of = f"{job.done}/{job.total}" if job.request.kind == "probe" else f"{job.done / job.total:.0%}"
    return f"{job.stage} {of}"


def _jobs_show(arguments: argparse.Namespace) -> None:
    from domlora.jobs.local import log_tail

    job = _store().job(arguments.id)
    print_json(plain(job))
    print(log_tail(job.id, 20), file=sys.stderr)


def _jobs_cancel(arguments: argparse.Namespace) -> None:
    job = _store().request_cancel(arguments.id)
    print(f"job {job.id}: {'cancelled' if job.ended else 'will stop within seconds'}", file=sys.stderr)


def _jobs_retry(arguments: argparse.Namespace) -> None:
    _start(_store().retry(arguments.id))


def _jobs_submit(arguments: argparse.Namespace) -> None:
    _start(_store().submit(_request(arguments)))


def _start(job: Any) -> None:
    from domlora.jobs.local import ensure_worker

    ensure_worker()
    print(job.id)


def _worker(arguments: argparse.Namespace) -> int:
    from domlora.jobs import worker

    return worker.main(arguments.rest)


def _dashboard(arguments: argparse.Namespace) -> int:
    import importlib.util

    from streamlit.web import cli

    package = importlib.util.find_spec("dashboard")
    if package is None or package.origin is None:
        raise UsageError("the dashboard is not installed here: pip install -e . in the checkout")
    sys.argv = ["streamlit", "run", str(Path(package.origin).parent / "app.py"), *arguments.rest]
    return cli.main()


def _probe_names(text: str) -> tuple[str, ...]:
    names = list_of(str)(text)
    unknown = [name for name in names if name not in PROBES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no probe is called {unknown[0]!r}: known are {', '.join(PROBES)}")
    return names


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


PASSED_ON = (_worker, _dashboard)  # commands that have an argument parser of their own
