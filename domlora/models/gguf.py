"""A GGUF, whole or split, becomes a folder of safetensors that transformers, PEFT and trainers take as any other model.

    name-00001-of-00003.gguf    all metadata and the first tensors; `split.no` 0, `split.count` 3
    name-00002-of-00003.gguf    further tensors
    name-00003-of-00003.gguf

transformers reads one file, so that the parts are joined first. The names of parts are looked at without any library.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domlora.errors import ModelError

if TYPE_CHECKING:
    from gguf import GGUFReader

CONVERSION = 2  # raised when earlier conversions must not be believed: 2 reads all parts and makes up no weight
PART = re.compile(r"(?P<whole>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
SPLIT_COUNT, SPLIT_TENSORS = "split.count", "split.tensors.count"
WRITTEN_ANEW = ("GGUF.", "split.", "general.architecture")  # by the writer, or not true of the joined file


def parts_of(path: Path) -> tuple[Path, ...]:
    """All files of the model that one of them is named of, in order: the file alone where its name is no part's.

    Raises:
        ModelError: a part is missing.
    """
    named = PART.fullmatch(path.name)
    if named is None:
        return (path,)
    count = int(named["count"])
    parts = [
        path.with_name(f"{named['whole']}-{number:05d}-of-{named['count']}.gguf") for number in range(1, count + 1)
    ]
    missing = [part for part in parts if not part.exists()]
    if missing:
        raise ModelError(
            f"{path.name} is one of {count} files of a model, and {missing[0]} is missing: put all in one folder"
        )
    return tuple(parts)


def whole_name(path: Path) -> str:
    """The name of a GGUF without its ending, and of a part without its number."""
    named = PART.fullmatch(path.name)
    return path.stem if named is None else named["whole"]


def convert_gguf(path: Path, folder: Path) -> None:
    """De-quantises a GGUF file into `folder` as float32 safetensors with tokenizer and chat template.

    Args:
        path: the file, or any part of a split one.

    Raises:
        ModelError: a truncated or damaged file, a part or a weight that is missing, or an architecture that
            transformers does not read from GGUF.
    """
    parts = parts_of(path)
    readers = [_opened(part) for part in parts]
    _check_split(parts, readers)
    scale = next((found for reader in readers if (found := _scale(reader)) is not None), None)
    if len(parts) == 1:
        _convert(path, folder, scale)
        return
    with tempfile.TemporaryDirectory(prefix="joined-", dir=folder) as scratch:
        joined = Path(scratch) / f"{whole_name(path)}.gguf"
        _join(readers, joined)
        _convert(joined, folder, scale)


def _opened(path: Path) -> GGUFReader:
    """Maps every tensor: a truncated file ends here and not in the middle of a conversion."""
    from gguf import GGUFReader

    try:
        return GGUFReader(path)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is truncated or damaged ({short(error)}): download it again") from error


def _check_split(parts: tuple[Path, ...], readers: list[GGUFReader]) -> None:
    for path, reader in zip(parts, readers, strict=True):
        count = _number(reader, SPLIT_COUNT, 1)
        if count != len(parts):
            raise ModelError(
                f"{path} is one of {count} files of a model, which its name does not say: name the parts as they were "
                f"split, such as name-00001-of-{count:05d}.gguf"
            )
    there = sum(len(reader.tensors) for reader in readers)
    expected = _number(readers[0], SPLIT_TENSORS, there)
    if there != expected:
        raise ModelError(
            f"{parts[0].name} and its other parts hold {there} of {expected} tensors: download the parts again, all of "
            "the same model"
        )


def _number(reader: GGUFReader, key: str, default: int) -> int:
    field = reader.get_field(key)
    return default if field is None else int(field.contents())


def _join(readers: list[GGUFReader], path: Path) -> None:
    """Writes the parts of a model as one file; tensors stay quantised as they are."""
    from gguf import GGUFValueType, GGUFWriter

    first = readers[0]
    architecture = first.get_field("general.architecture")
    if architecture is None:
        raise ModelError(f"the first part of {path.stem} names no architecture: download the parts again")
    writer = GGUFWriter(path, architecture.contents(), endianess=first.endianess)
    writer.data_alignment = int(first.alignment)
    for field in first.fields.values():
        kind, value = field.types[0], field.contents()
        if field.name.startswith(WRITTEN_ANEW) or (kind == GGUFValueType.ARRAY and not value):
            continue
        inner = field.types[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, value, kind, sub_type=inner)
    tensors = [tensor for reader in readers for tensor in reader.tensors]
    for tensor in tensors:
        data = tensor.data
        writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for reader in readers:
        for tensor in reader.tensors:
            writer.write_tensor_data(tensor.data, tensor_endianess=reader.endianess)
    writer.close()


def _convert(path: Path, folder: Path, scale: str | None) -> None:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from domlora.models.report import check_report, without_table
    from domlora.models.rotary import scaled

    source = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**source)
        with without_table():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                **source, dtype="float32", output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as error:  # tokenizers raises bare ones, and a class whatever a file makes it stumble over
        raise ModelError(
            f"transformers cannot read {path.name} ({short(error)}): give the safetensors folder of this model instead"
        ) from error
    model, report = loaded
    check_report(model, report, path.name)
    if scale is not None and not scaled(model):
        raise ModelError(
            f"{path.name} scales its rotations ({scale}), which transformers leaves out when it reads a GGUF: give the "
            "safetensors folder of this model instead"
        )
    # from_pretrained marks the model as quantised, and save_pretrained refuses it as long as it is.
    model.hf_quantizer, model.is_quantized, model.quantization_method = None, False, None
    del model.config.quantization_config
    try:
        model.save_pretrained(folder)
    except SafetensorError as error:  # how its writer reports a full disk
        raise ModelError(
            f"cannot write {path.name} as safetensors into {folder.parent} ({short(error)}): "
            "free some space, or set DOMLORA_HOME to another place"
        ) from error
    tokenizer.save_pretrained(folder)


def _scale(reader: GGUFReader) -> str | None:
    """What in a file says that its rotary frequencies are divided: Llama-3's and Phi-3's factors, or a setting."""
    for tensor in reader.tensors:
        # Below 1 they are the frequencies themselves, as conversions of the first two Llamas keep them beside.
        if tensor.name.startswith(("rope_freqs", "rope_factors")) and tensor.data.max() > 1:
            return tensor.name
    for name in reader.fields:
        field = reader.get_field(name)
        if name.endswith("rope.scaling.type") and field is not None and field.contents() not in ("", "none"):
            return name
    return None


def short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
