"""Where a model came from, as fields: `ModelOrigin`. Plain data, nothing is fetched or loaded here.

In: what `fetch.localise` found, or the words in which maps and runs of earlier versions keep it. Out: how the command
line and the dashboard name the model again, from whatever folder, and what `from_pretrained` takes for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domlora.models.catalogue import BUILTIN_MODELS, builtin_folder

REFERENCE_WORDS = "small reference model, shipped with domlora"
DEQUANTISED = ", de-quantised"  # how the words for a GGUF end


class ModelOrigin(BaseModel):
    """Where a model came from.

    Attributes:
        place: built-in name, Hub id, absolute path of a folder or of a .gguf file.
        revision: commit of a Hub id.
        sha256: of a .gguf file.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["builtin", "reference", "hub", "folder", "gguf"]
    place: str
    revision: str | None = None
    sha256: str | None = None

    @property
    def named_again(self) -> str:
        """What the command line and the Launch page take; of a Hub id together with `revision`."""
        return self.place

    @property
    def known(self) -> bool:
        """Whether `named_again` leads there; earlier versions wrote down the name of a GGUF, not where it lies."""
        return self.kind != "gguf" or Path(self.place).is_absolute()

    @property
    def base_name(self) -> str | None:
        """What `from_pretrained` takes for the model; None for a GGUF, which it takes only converted."""
        if self.kind == "builtin":
            return BUILTIN_MODELS[self.place].hub_id
        if self.kind == "reference":
            return str(builtin_folder(self.place).resolve())
        return None if self.kind == "gguf" else self.place


def base_of(origin: ModelOrigin | None, source: str, revision: str) -> tuple[str | None, str | None]:
    """What `from_pretrained` takes for the model and for its `revision`; None for what it takes nothing.

    Args:
        source, revision: as the provenance of a map or a run names them.
    """
    if origin is None or origin.base_name is None:
        return None, None
    if origin.kind == "builtin" and source.startswith("Hub "):  # not where its weights came in a package
        return origin.base_name, revision
    return origin.base_name, origin.revision


def model_origin_of(model: str, source: str, revision: str) -> ModelOrigin | None:
    """Reads the words of an earlier version, such as `Hub org/name@0123456789ab`; None for words that say nothing.

    Args:
        model, source, revision: as the provenance of a map or a run names them.
    """
    if source == REFERENCE_WORDS:  # not by its name alone: folders elsewhere may bear it
        return ModelOrigin(kind="reference", place=model)
    kind, _, rest = source.partition(" ")
    if kind == "folder":
        return ModelOrigin(kind="folder", place=rest)
    if kind == "GGUF":
        return ModelOrigin(kind="gguf", place=rest.removesuffix(DEQUANTISED), sha256=revision)
    hub_id = rest.split("@")[0] if kind == "Hub" else None
    built_in = BUILTIN_MODELS.get(model)
    if built_in is not None and hub_id in (None, built_in.hub_id):
        return ModelOrigin(kind="builtin", place=model)
    return ModelOrigin(kind="hub", place=hub_id, revision=revision) if hub_id else None
