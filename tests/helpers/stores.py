"""What the tests of the store and of the queue share: a database, other processes, a map and requests to keep."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from domlora.energy.energy_map import EnergyMap, Provenance
from domlora.jobs.spec import ProbeRequest, SweepRequest
from domlora.probes.config import ProbeConfig
from domlora.store import schema

ROOT = Path(__file__).parents[2]
REQUEST = ProbeRequest(model="smollm2", task="math")
SWEEP = SweepRequest(model="smollm2", task="math")
POSTGRES = os.environ.get("DOMLORA_TEST_POSTGRES")


def energy_map(name: str = "a", *, energies=(4.0, 1.0, 0.5), created: str = "2026-01-02T03:04:05+00:00") -> EnergyMap:
    count = len(energies)
    table = pd.DataFrame(
        {
            "module": [f"layers.{i}.mlp.down_proj" for i in range(count)],
            "stack": "decoder",
            "layer": range(count),
            "kind": "down",
            "in_features": 8,
            "out_features": 4,
            "energy": energies,
            "sample_energies": list(np.outer(energies, [0.5, 1.5]).astype(np.float32)),
        }
    )
    provenance = Provenance(
        key=hashlib.sha256(name.encode()).hexdigest(),
        model=f"model-{name}",
        model_source="hub",
        model_revision="abc",
        architecture="LlamaForCausalLM",
        model_parameters=1000,
        layers=count,
        task="math",
        task_source="built-in",
        task_hash="def",
        config=ProbeConfig(samples=5, dtype="float32"),
        method="closed form",
        samples=2,
        tokens=20,
        response_tokens=10,
        truncated=0,
        dropped=0,
        loss=1.5,
        device="NVIDIA H200",
        dtype="bfloat16",
        seconds=0.0,
        peak_memory_bytes=1,
        created=created,
        versions={"torch": "2.13.0"},
    )
    return EnergyMap(table, provenance)


def run_python(code: str, *arguments: str, **variables: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        encoding="utf-8",
    )


def empty_store(backend: str) -> str | None:
    """The URL of a store without tables."""
    if backend == "sqlite":
        return None
    if not POSTGRES:
        pytest.skip("DOMLORA_TEST_POSTGRES names no database")
    engine = sa.create_engine(POSTGRES)
    schema.metadata.drop_all(engine)
    engine.dispose()
    return POSTGRES
