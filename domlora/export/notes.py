"""What a reader of any recipe file must know, a sentence each: the base, the rows, what cannot be the same again."""

from __future__ import annotations

from domlora.export.recipe import Recipe
from domlora.placements.methods import METHODS

SAMPLE_MEAN = (
    "The loss here is the mean over all tokens of a step; domlora's is the mean over each sample's tokens and then "
    "over samples, as in train_with_trl.py."
)


def about(recipe: Recipe) -> list[str]:
    """At the head of a file."""
    said = [recipe.title, rows_note(recipe)]
    if recipe.run is None:
        said.append("Nothing was trained yet: rate, steps and batch are the defaults of a comparison.")
    if recipe.model is None:
        said.append(f"The base is {recipe.model_words}. Name its Hub id, or its folder in transformers' form, below.")
    if recipe.dropout:
        said.append("Dropout draws other masks here than it did there.")
    return said


def rows_note(recipe: Recipe) -> str:
    """Where the rows lie, and how they were read."""
    origin = recipe.task_origin
    if origin is None:
        return f"The rows: {recipe.task}."
    kind = {"builtin": "built into domlora", "hub": "of the Hub", "file": "file"}[origin.kind]
    shape = f", in the format {origin.format}" if origin.format else ""
    read = f", columns {origin.columns_named}" if origin.columns else ""
    read += f", system texts: {origin.system}" if origin.system != "keep" else ""
    return f"The rows: {origin.named_again} ({kind}{shape}{read})."


def plain_start(recipe: Recipe, tool: str) -> str:
    """Where a tool cannot start an adapter as the method does."""
    words = METHODS[recipe.method].words
    return f"{tool} has no {recipe.method} ({words}): the adapter starts as plain LoRA here."
