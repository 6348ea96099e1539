"""What a user takes away from a comparison or a placement: files by name.

In: a run from the store, its comparison, one of its variants; or a map and a placement on it. Out: files by name, a
folder or a ZIP. No torch here: the adapter's own files are copied as they were saved.

A new file is a line here: in `RECIPES` where it says how to train (placements have it too), in `EVIDENCE` where it
needs the run.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from domlora.comparison.result import Comparison
from domlora.comparison.run import Run, Variant
from domlora.errors import SweepError
from domlora.export import axolotl, llama_factory, trl, unsloth
from domlora.export.card import card
from domlora.export.recipe import Recipe
from domlora.export.rows import row_files
from domlora.export.saved import described
from domlora.export.taken import ADAPTER, CURVES, Taken
from domlora.export.where import FILE, base_named, table, verdicts
from domlora.models.origin import ModelOrigin

# How to train: of a recipe alone.
RECIPES: Mapping[str, Callable[[Recipe], str]] = {
    "lora_config.py": lambda recipe: recipe.placement.snippet(recipe.method, recipe.dropout),
    trl.SCRIPT: trl.script,
    unsloth.SCRIPT: unsloth.script,
    axolotl.NAME: axolotl.config,
    llama_factory.NAME: llama_factory.config,
    llama_factory.INFO: llama_factory.dataset_info,
}
# What was trained, and what it was compared with.
EVIDENCE: Mapping[str, Callable[[Taken], str | None]] = {  # None: there is nothing to say
    "README.md": card,
    FILE: lambda taken: None if taken.saved is None else table(verdicts(taken.saved, taken.base)),
    CURVES: lambda taken: taken.curves,
    "settings.json": lambda taken: json.dumps(_settings(taken), indent=1),
    "comparison.json": lambda taken: json.dumps(taken.comparison.to_json(), indent=1),
    "comparison.csv": lambda taken: taken.comparison.to_csv(),
}


def best_variant(comparison: Comparison) -> Variant:
    """The first seed of the contestant with the lowest loss.

    Raises:
        SweepError: no variant has finished.
    """
    for contestant in comparison.contestants:
        if contestant.name == comparison.best and contestant.variants:
            return contestant.variants[0]
    raise SweepError(f"run {comparison.run.id} has no finished variant yet: there is nothing to take away")


def files(run: Run, comparison: Comparison, variant: Variant) -> dict[str, bytes]:
    """Everything about one variant: its adapter, how it was trained, the comparison.

    Raises:
        SweepError: the variant has no adapter, or its files are on another machine.
    """
    return files_of(Taken.of(run, comparison, variant))


def files_of(taken: Taken) -> dict[str, bytes]:
    """The same of what is taken away already, which may have curves; errors as `files`."""
    return _adapter(taken.variant, taken.recipe.revision) | texts_of(taken)


def texts(run: Run, comparison: Comparison, variant: Variant) -> dict[str, bytes]:
    """The same without the adapter, which may be on another machine."""
    return texts_of(Taken.of(run, comparison, variant))


def texts_of(taken: Taken) -> dict[str, bytes]:
    made = {name: make(taken) for name, make in EVIDENCE.items()}
    evidence = {name: text.encode() for name, text in made.items() if text is not None}
    return evidence | recipe_files(taken.recipe) | row_files(taken.run, taken.variant)


def recipe_files(recipe: Recipe) -> dict[str, bytes]:
    """The files that say how to train, for each trainer its own."""
    return {name: make(recipe).encode() for name, make in RECIPES.items()}


def planned_table(recipe: Recipe, config: Mapping[str, Any], origin: ModelOrigin | None) -> str:
    """`where_it_runs.md` of an adapter that is still to be trained.

    Args:
        config: `LoraConfig.to_dict()` of its placement and method.
    """
    adapter = described(config, (module.module for module in recipe.placement.modules))
    return table(verdicts(adapter, base_named(recipe.model_argument, recipe.revision, origin)), planned=True)


def write(content: Mapping[str, bytes], folder: Path) -> None:
    """Puts the files into a folder, which is made where it is not there.

    Raises:
        SweepError: no space, or no right to write there.
    """
    try:
        for name, data in content.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise SweepError(f"cannot write into {folder}: {error.strerror}") from error


def archive(content: Mapping[str, bytes]) -> bytes:
    """The files as one ZIP."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in content.items():
            made.writestr(name, data)
    return buffer.getvalue()


def adapter_files(variant: Variant) -> list[Path]:
    """The files of a variant's PEFT adapter on this machine.

    Raises:
        SweepError: there are none.
    """
    if variant.adapter is None:
        raise SweepError(f"{variant.name} has no adapter: it is {variant.status}")
    if not (paths := _adapter_paths(variant.adapter)):
        raise SweepError(f"the adapter of {variant.name} is not on this machine: it was saved in {variant.adapter}")
    return paths


def has_adapter(variant: Variant) -> bool:
    """Whether its PEFT adapter is on this machine."""
    return variant.adapter is not None and bool(_adapter_paths(variant.adapter))


def _adapter_paths(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).glob("adapter_*") if path.is_file())


def _adapter(variant: Variant, revision: str | None) -> dict[str, bytes]:
    """Its files; one that was trained by an earlier version names the commit of its base too."""
    found = {f"{ADAPTER}/{path.name}": path.read_bytes() for path in adapter_files(variant)}
    name = f"{ADAPTER}/adapter_config.json"
    if revision is not None and name in found:
        config = json.loads(found[name])
        found[name] = json.dumps(config | {"revision": config.get("revision") or revision}, indent=2).encode()
    return found


def _settings(taken: Taken) -> dict[str, object]:
    run, variant = taken.run, taken.variant
    return {
        "run": run.id,
        "variant": variant.name,
        "model": run.model,
        "model_source": run.model_source,
        "model_origin": run.model_origin and run.model_origin.model_dump(mode="json"),
        "model_revision": run.model_revision,
        "task": run.task,
        "task_source": run.task_source,
        "task_origin": run.task_origin and run.task_origin.model_dump(mode="json"),
        "task_hash": run.task_hash,
        "config": run.config.model_dump(mode="json"),
        "placement": taken.recipe.placement.model_dump(mode="json"),
        "method": variant.method,
        "learning_rate": variant.learning_rate,
        "seed": variant.seed,
        "results": dict(variant.results),
        "facts": dict(run.facts),
    }
