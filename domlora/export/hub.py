"""What is taken away, as a repository of the Hugging Face Hub.

In: an export folder. Out: one commit. The rows of the user stay here, and so does where files lie on this machine: in
texts, folders of this machine are replaced by the last part of their names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from domlora.comparison.run import Run
from domlora.errors import SweepError, UsageError
from domlora.paths import home

TEXTS = {".md", ".json", ".py", ".yaml", ".yml", ".csv", ".txt", ".svg", ".jinja"}
ROWS = {".jsonl"}  # training rows: of the user, and not ours to publish
HERE = "~"


def check_name(name: str) -> str:
    """`owner/name` as the Hub takes it.

    Raises:
        UsageError: it is none.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UsageError(
            f"--push-to-hub: {name!r} is no OWNER/NAME of the Hub ({str(error).splitlines()[0]})"
        ) from error
    if name.count("/") != 1:
        raise UsageError(f"--push-to-hub: {name!r} names no owner: give OWNER/NAME")
    return name


def check_folder(folder: Path) -> None:
    """Raises UsageError for a folder that holds files already: all of it is uploaded, and they are not the export's."""
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"--push-to-hub uploads all of {folder}, which holds files already: give --out a new folder")


def check_token() -> None:
    """Raises SweepError where there is no token to write with."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise SweepError("no token for the Hub: set HF_TOKEN to one that may write, or log in with `hf auth login`")


def push(folder: Path, name: str, run: Run, *, private: bool = False) -> str:
    """Uploads an export folder; the token is HF_TOKEN of the environment, or of `hf auth login`.

    Returns:
        The address of the repository.

    Raises:
        SweepError: no token, refused, or no connection; one line.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    check_token()
    api = HfApi()
    operations = [
        CommitOperationAdd(path, data if isinstance(data, bytes) else str(data)) for path, data in uploads(folder, run)
    ]
    try:
        made = api.create_repo(name, private=private, exist_ok=True)
        api.create_commit(name, operations, commit_message=f"Adapter of domlora run {run.id}")
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no status")
        said = (error.server_message or str(error)).strip().splitlines()[0]
        raise SweepError(
            f"the Hub refused {name} ({status}: {said}): is the token one that may write there?"
        ) from error
    except OfflineModeIsEnabled as error:
        raise SweepError("nothing was uploaded: HF_HUB_OFFLINE is set") from error
    except (HTTPError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise SweepError(f"the Hub cannot be reached ({reason}): {folder} holds all that was to be uploaded") from error
    return str(made)


def uploads(folder: Path, run: Run) -> Iterator[tuple[str, bytes | Path]]:
    """(path in the repository, content) of what is uploaded: texts without places of this machine, the rest as is."""
    places = places_of(run, folder)
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in ROWS:
            continue
        name = path.relative_to(folder).as_posix()
        # A vocabulary holds no places, and may be large.
        if path.suffix in TEXTS and path.name != "tokenizer.json":
            yield name, without_places(path.read_text(encoding="utf-8"), places).encode()
        else:
            yield name, path


def places_of(run: Run, *folders: Path) -> dict[str, str]:
    """Places of this machine that a run names -> what stands for each."""
    found: dict[str, str] = {}
    named = [origin.place for origin in (run.model_origin, run.task_origin) if origin is not None]
    named += [variant.adapter for variant in run.variants if variant.adapter is not None]
    if run.model_origin is not None and run.model_origin.base_name is not None:
        named.append(run.model_origin.base_name)
    for place in named:
        if Path(place).is_absolute():
            found[place] = Path(place).name
    for folder in (*folders, home()):
        for place in (str(folder), str(folder.expanduser().resolve())):
            if Path(place).is_absolute():
                found[place] = Path(place).name
    found[str(Path.home())] = HERE
    return found


def without_places(text: str, places: dict[str, str]) -> str:
    """A text with each place replaced, also where it stands as a JSON text; longer ones first."""
    for place in sorted(places, key=len, reverse=True):
        for written in dict.fromkeys((place, *_written(place))):
            text = text.replace(written, places[place])
    return text


def _written(place: str) -> Iterable[Any]:
    yield json.dumps(place)[1:-1]
    yield json.dumps(place, ensure_ascii=False)[1:-1]
