"""`domlora place`: choose modules by their energy and write the `adapter_config.json` that PEFT loads."""

from __future__ import annotations

import argparse
from pathlib import Path

from domlora.cli.actions import open_store
from domlora.cli.arguments import add_model_and_task, add_ranks, add_settings, probe_config, subject
from domlora.cli.output import plain, print_json, progress_bar, say, say_of_rows
from domlora.errors import SweepError
from domlora.placements.methods import METHODS
from domlora.placements.names import NAMES
from domlora.probes.config import ProbeConfig


def add_place(parser: argparse.ArgumentParser) -> None:
    """`domlora place`."""
    add_model_and_task(parser)
    parser.add_argument("--placement", default="dominant", help=f"one of {', '.join(NAMES)} (default %(default)s)")
    add_ranks(parser)
    parser.add_argument("--method", choices=list(METHODS), default="lora", help="LoRA variant (default %(default)s)")
    add_settings(parser, ProbeConfig, "samples", "max_length")
    parser.add_argument("--seed", type=int, default=0, help="of random and spread placements (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write into")
    parser.add_argument("--json", action="store_true", help="the placement as one JSON object on stdout")
    parser.set_defaults(run=_place)


def _place(arguments: argparse.Namespace) -> None:
    from domlora.export import bundle
    from domlora.export.recipe import Recipe
    from domlora.jobs.execute import run_probe
    from domlora.jobs.spec import ProbeRequest
    from domlora.placements.place import check_name, place

    check_name(arguments.placement)
    probe = probe_config(arguments)
    request = ProbeRequest(config=probe, **subject(arguments))
    store = open_store()
    with progress_bar("sample", probe.samples) as progress:
        energy = store.maps.get(run_probe(request, store, progress))
    placement = place(
        energy,
        arguments.placement,
        rank=arguments.rank,
        alpha=arguments.alpha,
        budget=arguments.budget,
        allocation=arguments.allocation,
        seed=arguments.seed,
    )
    config, recipe = placement.lora_config(arguments.method), Recipe.of_placement(energy, placement, arguments.method)
    config.base_model_name_or_path, config.revision = recipe.model, recipe.revision
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        config.save_pretrained(str(arguments.out))
    except OSError as error:
        raise SweepError(f"cannot write into {arguments.out}: {error.strerror}") from error
    where = bundle.planned_table(recipe, config.to_dict(), energy.provenance.model_origin)
    listed = {"placement.json": placement.model_dump_json(indent=1).encode(), bundle.FILE: where.encode()}
    bundle.write(listed | bundle.recipe_files(recipe), arguments.out)
    if arguments.json:
        return print_json(plain(placement) | {"trainable_parameters": placement.parameters(arguments.method)})
    share = energy.table.set_index("module").loc[[m.module for m in placement.modules], "share"].sum()
    say(
        f"{placement.name}: {len(placement.modules)} modules with {share:.1%} of the energy, "
        f"{placement.parameters(arguments.method):,} trainable parameters\n"
    )
    say(placement.snippet(arguments.method))
    p = energy.provenance
    say_of_rows(p.warnings, (remark.words for remark in p.remarks))
    say(
        f"Wrote {arguments.out / 'adapter_config.json'}; placement.json beside it lists modules and ranks. To train: "
        f"{', '.join(bundle.RECIPES)}. {bundle.FILE} says which servers will take the adapter."
    )
