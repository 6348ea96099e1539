"""`domlora maps`: the energy maps of the store as tables, JSON and files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from domlora.cli.actions import command, count, group, open_store
from domlora.cli.output import plain, print_json, print_table, say, say_of_rows
from domlora.probes.registry import PROBES

MAP_HEAD = ("", "module", "share", "95 % interval", "energy", "at first token")
MAP_ID = "of a map, or how it begins (`domlora maps`)"


def add_maps(parser: argparse.ArgumentParser) -> None:
    """`domlora maps`."""
    maps = group(parser, _list)
    command(maps, "list", _list, "all maps, newest first", json_output=True)
    show = command(maps, "show", _show, "one map: its strongest modules and its verdict", json_output=True)
    show.add_argument("id", help=MAP_ID)
    show.add_argument("--top", type=count, default=10, help="modules shown (default 10)")
    export = command(maps, "export", _export, "write a map to a file")
    export.add_argument("id", help=MAP_ID)
    export.add_argument("out", type=Path, metavar="FILE.parquet|.csv|.json", help="file to write")
    command(maps, "remove", _remove, "delete a map").add_argument("id", help=MAP_ID)


def print_map(energy: Any, top: int) -> None:
    p, info = energy.provenance, energy.probe
    loss = "" if p.loss is None else f", loss {p.loss:.3f}"
    say(f"{p.model} on {p.task}: {p.samples} samples, {p.response_tokens} response tokens{loss}")
    how = f"{p.config.estimator}, {p.config.reduction}" if info.name == "page" else info.title
    say(f"{how}: {p.method}; {p.device} {p.dtype}, {p.seconds:.1f} s\n")
    rows = [_map_row(energy, index, row) for index, row in energy.table.head(top).iterrows()]
    print_table(MAP_HEAD if info.additive else ("", "module", "score"), rows)
    say(f"\n{energy.verdict.sentence}", "bold")
    say_of_rows(p.warnings, (remark.words for remark in p.remarks))
    if p.skipped:
        say(f"Not probed: {len(p.skipped)} modules, such as {p.skipped[0].module} ({p.skipped[0].reason}).")
    say(f"Map {energy.id}")


def _map_row(energy: Any, index: Any, row: Any) -> tuple[str, ...]:
    """A module in the columns that its probe has: no shares of what is no amount."""
    if not energy.probe.additive:
        return str(row["rank"]), row["module"], f"{row['energy']:.4g}"
    bootstrap = energy.bootstrap
    interval = f"{bootstrap.low[index]:.1%} to {bootstrap.high[index]:.1%}" if bootstrap else ""
    first = f"{row['first_token']:z.0%}" if "first_token" in row else ""
    return str(row["rank"]), row["module"], f"{row['share']:.2%}", interval, f"{row['energy']:.4g}", first


def _list(arguments: argparse.Namespace) -> None:
    maps = open_store().maps.list()
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


def _show(arguments: argparse.Namespace) -> None:
    from domlora.energy.files import to_json

    energy = open_store().maps.get(arguments.id)
    print_json(to_json(energy, lists=False)) if arguments.json else print_map(energy, arguments.top)


def _export(arguments: argparse.Namespace) -> None:
    from domlora.energy.files import write

    write(open_store().maps.get(arguments.id), arguments.out)
    print(f"wrote {arguments.out}", file=sys.stderr)


def _remove(arguments: argparse.Namespace) -> None:
    print(f"removed map {open_store().maps.remove(arguments.id)}", file=sys.stderr)
