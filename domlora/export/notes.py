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
    if recipe.taken_at < recipe.steps:
        said.append(f"The adapter was taken after step {recipe.taken_at} of {recipe.steps}.")
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


def other_schedule(recipe: Recipe) -> list[str]:
    """For a tool that has one schedule for all steps, and trains all of them."""
    said = []
    if len(recipe.legs) > 1:
        ends = " and ".join(str(last) for last, _ in recipe.legs[:-1])
        said.append(
            f"After step {ends} the comparison began a schedule anew; here there is one: see train_with_trl.py."
        )
    if recipe.taken_at < recipe.steps:
        said.append(f"All steps are trained here, not {recipe.taken_at}: see train_with_trl.py.")
    return said
