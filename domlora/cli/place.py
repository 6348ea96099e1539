"""`domlora place`: choose modules by their energy and write the `adapter_config.json` that PEFT loads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domlora.cli.actions import open_store
from domlora.cli.arguments import add_model_and_task, add_ranks, add_settings, list_of, probe_config, subject
from domlora.cli.output import plain, print_json, progress_bar, say, say_of_rows
from domlora.errors import SweepError, UsageError
from domlora.placements.methods import METHODS
from domlora.placements.names import EMBED, HEAD, NAMES
from domlora.probes.config import ProbeConfig

if TYPE_CHECKING:
    from domlora.models.modules import Ends


def add_place(parser: argparse.ArgumentParser) -> None:
    """`domlora place`."""
    add_model_and_task(parser)
    parser.add_argument("--placement", default="dominant", help=f"one of {', '.join(NAMES)} (default %(default)s)")
    add_ranks(parser)
    parser.add_argument("--method", choices=list(METHODS), default="lora", help="LoRA variant (default %(default)s)")
    parser.add_argument(
        "--train-whole", type=list_of(str), default=(), metavar="NAME,...",
        help=f"train the whole weight of {EMBED} or {HEAD} beside the adapter, as PEFT's modules_to_save "
        "(default: none)",
    )  # fmt: skip
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
    from domlora.placements.ends import check_tied, needs_ends, tied_words, trained_whole
    from domlora.placements.place import check_name, place

    check_name(arguments.placement)
    whole = tuple(dict.fromkeys(arguments.train_whole))
    if unknown := [name for name in whole if name not in (EMBED, HEAD)]:
        raise UsageError(f"--train-whole {unknown[0]}: {EMBED} or {HEAD} can be trained whole")
    probe = probe_config(arguments)
    request = ProbeRequest(config=probe, **subject(arguments))
    store = open_store()
    with progress_bar("sample", probe.samples) as progress:
        energy = store.maps.get(run_probe(request, store, progress))
    ends = _ends(arguments) if whole or needs_ends(energy, [arguments.placement]) else None
    placement = place(
        energy,
        arguments.placement,
        rank=arguments.rank,
        alpha=arguments.alpha,
        budget=arguments.budget,
        allocation=arguments.allocation,
        seed=arguments.seed,
        ends=ends,
    )
    config, recipe = placement.lora_config(arguments.method), Recipe.of_placement(energy, placement, arguments.method)
    parameters = placement.parameters(arguments.method)
    added: dict[str, Any] = {}
    if ends is not None:
        check_tied(placement, arguments.method, ends)
        if whole:
            added, more = trained_whole(placement, whole, ends)
            parameters += more
    for name, value in added.items():
        setattr(config, name, value)
    config.base_model_name_or_path, config.revision = recipe.model, recipe.revision
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        config.save_pretrained(str(arguments.out))
    except OSError as error:
        raise SweepError(f"cannot write into {arguments.out}: {error.strerror}") from error
    warnings = tied_words([placement], ends) if ends is not None else ()
    listed = {"placement.json": placement.model_dump_json(indent=1).encode()}
    if not added:  # recipes, and what is known of servers, are of adapters alone
        where = bundle.planned_table(recipe, config.to_dict(), energy.provenance.model_origin)
        listed |= {bundle.FILE: where.encode()} | bundle.recipe_files(recipe)
    bundle.write(listed, arguments.out)
    if arguments.json:
        return print_json(plain(placement) | {"trainable_parameters": parameters} | added | {"warnings": warnings})
    shares = energy.table.set_index("module")["share"].reindex([m.module for m in placement.modules]).dropna()
    held = f" with {shares.sum():.1%} of the energy" if len(shares) else ", not measured"
    say(f"{placement.name}: {len(placement.modules)} modules{held}, {parameters:,} trainable parameters\n")
    say(placement.snippet(arguments.method) + "".join(f"config.{name} = {value!r}\n" for name, value in added.items()))
    p = energy.provenance
    say_of_rows((*p.warnings, *warnings), (remark.words for remark in p.remarks))
    say(f"Wrote {arguments.out / 'adapter_config.json'}; placement.json beside it lists modules and ranks.")
    if added:
        say("Recipes of trainers are of adapters alone: give the config to PEFT.")
    else:
        say(f"To train: {', '.join(bundle.RECIPES)}. {bundle.FILE} says which servers will take the adapter.")


def _ends(arguments: argparse.Namespace) -> Ends:
    """Embedding and head of the model, by its files."""
    from domlora.models.ends import ends_of
    from domlora.models.fetch import localise
    from domlora.models.reference import resolve

    return ends_of(localise(resolve(arguments.model, arguments.revision)))
