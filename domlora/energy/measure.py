"""From a loaded model and a task to EnergyMaps: draw rows, encode, measure, write down where it came from."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import torch

from domlora.data.encoding import Encoding
from domlora.data.tasks import Task, load_task
from domlora.energy.energy_map import EnergyMap, Provenance
from domlora.energy.key import request_key
from domlora.errors import UsageError
from domlora.models.census import find_modules
from domlora.models.device import device_name, peak_memory
from domlora.models.loading import LoadedModel
from domlora.models.modules import AdaptableModule, Census, Skipped
from domlora.probes import score
from domlora.probes.config import ProbeConfig
from domlora.probes.recorder import Measurement
from domlora.probes.registry import check
from domlora.version import __version__

WARN_TRUNCATED = 0.2  # of the samples
SHARED_SETTINGS = ("samples", "seed", "max_length", "split", "dtype")  # of all probes in one pass


def probe(
    model: LoadedModel,
    task: Task,
    config: ProbeConfig | None = None,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    max_samples: int | None = None,
    **settings: Any,
) -> EnergyMap:
    """Measures every module of a model on a task, by PAGE or by the probe that `config` names.

    Args:
        model: from `domlora.load_model`.
        task: from `domlora.load_task`.
        config: all settings at once; or name them as keywords (`samples=32, rank=8, ...`), but not both.
        progress: called with (samples done, samples).
        max_samples: of a batch; no value changes an energy.

    Raises:
        DomLoRAError: rows that cannot be used, a rank above a module's size, a loss that is not finite, no memory.
    """
    if config is not None and settings:
        raise UsageError("give `config` or single settings to probe(), not both")
    config = config or ProbeConfig(**settings)
    return probe_many(model, task, [config], progress=progress, max_samples=max_samples)[0]


def probe_many(
    model: LoadedModel,
    task: Task,
    configs: Sequence[ProbeConfig],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    max_samples: int | None = None,
) -> list[EnergyMap]:
    """Measures several probes of a model on a task, all that read samples in one pass over them.

    A map's `provenance.seconds` are those of encoding and of the shared pass, and of what its probe computed besides;
    where others took part in the pass, `notes["shared_pass"]` names all of them, and alone it would have been cheaper.
    Probes of weights run no model: their seconds are their own, and their loss is None.

    Args:
        configs: they draw the same samples; what concerns a probe alone (estimator, reduction, rank, ...) may differ.
        progress, max_samples: as `probe`.

    Returns:
        A map for each of `configs`.

    Raises:
        DomLoRAError: as `probe`; a setting that is not for its probe.
    """
    check_alike(configs)
    for config in configs:
        check(config)
    started = time.perf_counter()
    census = find_modules(model.model)
    first = configs[0]
    encoding = _encoded(model, task, first)
    other_tasks = {c.against: load_task(c.against) for c in configs if c.against is not None}
    others = {name: _encoded(model, other, first).samples for name, other in other_tasks.items()}
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(model.device)
    prepared = time.perf_counter() - started
    found = score.score(
        model.model, census.modules, encoding.samples, configs, others=others, progress=progress,
        max_samples=max_samples,
    )  # fmt: skip
    maps = []
    for config, scored in zip(configs, found, strict=True):
        notes: dict[str, Any] = {"shared_pass": list(scored.shared)} if len(scored.shared) > 1 else {}
        if model.objective != "causal":
            notes["objective"] = model.objective
        if config.against is not None:
            notes["against_hash"] = other_tasks[config.against].content_hash
        seconds = scored.seconds + (prepared if scored.shared else 0)
        maps.append(_energy_map(model, task, config, census, encoding, scored.found, seconds, notes))
    return maps


def check_alike(configs: Sequence[ProbeConfig]) -> None:
    """Raises UsageError unless all draw the same samples and read them in the same way."""
    if not configs:
        raise UsageError("name at least one probe")
    for name in SHARED_SETTINGS:
        if len({getattr(config, name) for config in configs}) > 1:
            raise UsageError(f"probes of one pass see the same samples: give all the same {name}")


def _encoded(model: LoadedModel, task: Task, config: ProbeConfig) -> Encoding:
    return model.encode(task.draw(config.samples, config.seed, config.split), config.max_length, config.seed)


def _energy_map(
    model: LoadedModel,
    task: Task,
    config: ProbeConfig,
    census: Census,
    encoding: Encoding,
    found: Measurement,
    seconds: float,
    notes: dict[str, Any],
) -> EnergyMap:
    provenance = Provenance(
        key=request_key(model.local.revision, task.content_hash, config),
        model=model.name,
        model_source=model.local.source,
        model_revision=model.local.revision,
        architecture=model.architecture,
        model_parameters=model.model.num_parameters(),
        layers=1 + max(module.layer for module in census.modules),
        task=task.name,
        task_source=task.source,
        task_hash=task.content_hash,
        config=config,
        method=found.method,
        samples=len(encoding.samples),
        tokens=sum(len(sample.ids) for sample in encoding.samples),
        response_tokens=sum(sample.targets for sample in encoding.samples),
        truncated=encoding.truncated,
        dropped=len(encoding.dropped),
        loss=float(found.losses.double().mean()) if len(found.losses) else None,
        device=device_name(model.device),
        dtype=model.dtype,
        seconds=seconds,
        peak_memory_bytes=peak_memory(model.device),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={name: importlib.metadata.version(name) for name in ("torch", "transformers")}
        | {"domlora": __version__},
        warnings=tuple(_warnings(task, encoding, config)) if len(found.losses) else (),
        remarks=(*task.remarks, *encoding.remarks) if len(found.losses) else (),
        skipped=census.skipped
        + tuple(Skipped(module=census.modules[i].name, reason=why) for i, why in found.unmeasured.items()),
        notes=notes,
        model_origin=model.local.origin,
        task_origin=task.origin,
    )
    table = table_of(census.modules, found, model)
    return EnergyMap(table.drop(index=list(found.unmeasured)).reset_index(drop=True), provenance)


def table_of(modules: tuple[AdaptableModule, ...], found: Measurement, model: LoadedModel) -> pd.DataFrame:
    """The rows of an EnergyMap, one for each module that was tapped, also where it was not measured."""
    tokens = model.tokenizer.convert_ids_to_tokens
    table = pd.DataFrame(
        {
            "module": [m.name for m in modules],
            "stack": [m.stack for m in modules],
            "layer": [m.layer for m in modules],
            "kind": [m.kind for m in modules],
            "in_features": [m.in_features for m in modules],
            "out_features": [m.out_features for m in modules],
            "energy": found.energies.numpy(),
        }
    )
    if any(m.parameter for m in modules):
        table["experts"] = [m.experts for m in modules]
        table["parameter"] = [m.parameter for m in modules]
    if found.expert_energies:
        table["expert_energies"] = [
            found.expert_energies[i].float().numpy() if i in found.expert_energies else np.zeros(0, dtype=np.float32)
            for i in range(len(modules))
        ]
    why = found.explanation
    if why is not None:
        table["max_output"] = why.max_output.astype(float)
        table["max_output_position"] = why.max_position
        table["max_output_token"] = tokens(why.max_token.tolist())
    if why is not None and why.roles is not None and why.positions is not None and why.top_tokens is not None:
        table[["first_token", "prompt", "response"]] = why.roles
        table["positions"] = list(why.positions)
        table["top_tokens"] = [tokens(row.tolist()) for row in why.top_tokens]
        table["top_token_shares"] = list(why.top_shares if why.top_shares is not None else [])
    if found.sample_energies is not None:
        table["sample_energies"] = list(found.sample_energies.T.float().numpy())
    if found.kernels is not None:
        table["sample_kernel"] = list(found.kernels.flatten(1).float().numpy())
    return table


def _warnings(task: Task, encoding: Encoding, config: ProbeConfig) -> list[str]:
    warnings = [task.warning] if task.warning else []
    count = len(encoding.samples)
    if encoding.limit < config.max_length:
        warnings.append(f"the model has places for {encoding.limit} tokens: samples are cut there")
    if encoding.truncated > WARN_TRUNCATED * count:
        warnings.append(f"{encoding.truncated} of {count} samples were cut at the maximum length: raise it to see all")
    if encoding.dropped:
        row, reason = next(iter(encoding.dropped.items()))
        warnings.append(f"{len(encoding.dropped)} rows were left out, such as row {row}: {reason}")
    if encoding.plain:
        warnings.append("the model has no chat template: samples were written as plain `User:` and `Assistant:` turns")
    return warnings
