"""The licence of a base model, where the base itself says it: never one that was made up.

In: where a run's model came from. Out: fields of a model card, none where nothing is known. Looks on this disk only.
"""

from __future__ import annotations

from pathlib import Path

from domlora.models.catalogue import BUILTIN_MODELS, REFERENCE_MODELS
from domlora.models.origin import ModelOrigin

CARD = "README.md"
FIELDS = ("license", "license_name", "license_link")
HUB_NAMES = {"Apache-2.0": "apache-2.0", "Gemma terms of use": "gemma"}  # as the Hub calls those of the catalogue


def licence(origin: ModelOrigin | None) -> dict[str, str]:
    """`license`, and its name and link where it is none of the Hub's own list."""
    if origin is None:
        return {}
    if origin.kind in ("builtin", "reference"):
        known = BUILTIN_MODELS.get(origin.place) or REFERENCE_MODELS.get(origin.place)
        return {"license": HUB_NAMES[known.licence]} if known is not None and known.licence in HUB_NAMES else {}
    card = _card(origin)
    return _of_card(card) if card is not None and card.is_file() else {}


def _card(origin: ModelOrigin) -> Path | None:
    if origin.kind == "folder":
        return Path(origin.place) / CARD
    if origin.kind == "hub":
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(origin.place, CARD, revision=origin.revision)
        return Path(found) if isinstance(found, str) else None
    return None


def _of_card(card: Path) -> dict[str, str]:
    import yaml
    from huggingface_hub.repocard import metadata_load

    try:
        data = metadata_load(card) or {}
    except (OSError, ValueError, yaml.YAMLError):  # a card of others that is none: then nothing is known
        return {}
    return {field: data[field] for field in FIELDS if isinstance(data.get(field), str)}
