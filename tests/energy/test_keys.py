"""Keys of requests: what earlier versions stored is found again, whatever becomes of how settings are described."""

import pytest

from domlora.comparison.config import SweepConfig
from domlora.comparison.key import sweep_key, trained_key
from domlora.energy.key import request_key
from domlora.jobs.spec import ProbeRequest, SweepRequest
from domlora.probes.config import ProbeConfig

PROBE = ProbeConfig(
    probe="interference", against="chat", samples=4, rank=2, alpha=3.5, rslora=True, draws=2, estimator="projected",
    reduction="mean_gradient", max_length=9, seed=3, split="test", dtype="bfloat16",
)  # fmt: skip
SWEEP = SweepConfig(
    placements=("qv", "o"), budget=100, allocation="energy", methods=("dora", "lora+"), learning_rates=(0.1, 0.01),
    energy_every=5, schedule="cosine", train_rows=7,
)  # fmt: skip


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        (request_key("rev", "task", ProbeConfig()), "e23d9d43955bfa3f3e611989a6934fea6de6d07b3d82ecb85b32829f34ae1f03"),
        (request_key("rev", "task", PROBE), "f6099540ca6cfdd07f8733cb7efd3722470d7fe9f5ab2efb3150c1e778e0e7e6"),
        (
            sweep_key("rev", "task", SweepConfig(), [], ProbeConfig()),
            "97df9ada168d809870c16d32b3ef3bc3211c6a5745751d8ac04d6d7695c8aab1",
        ),
        (
            sweep_key("rev", "task", SWEEP, [], PROBE),
            "c603b1f20f17e98a3f0538ad61a2cfd9e0476277ccf5be76226c5d59ff5d62dc",
        ),
        (
            trained_key("run", "variant", 3, ProbeConfig()),
            "028cc36e24d359193ae96c142a3b4b240f976d2403807681e29564ac1d1c8482",
        ),
    ],
)
def test_requests_have_the_keys_that_are_stored(key, stored):
    """Maps of earlier versions are found again; comparisons since seeds have orders (`SWEEP_VERSION` 2)."""
    assert key == stored


def test_queued_requests_are_written_as_they_were():
    """A comparison says what earlier versions did not know: their workers refuse it, as they would train another."""
    probe = ProbeConfig().model_dump_json()
    assert ProbeRequest(model="m", task="t").model_dump_json() == (
        '{"schema_version":1,"kind":"probe","model":"m","revision":null,"task":"t","config":' + probe
        + ',"device":"auto","refresh":false,"also":[]}'
    )  # fmt: skip
    assert probe == (
        '{"probe":"page","estimator":"expected","reduction":"per_sample","samples":32,"rank":8,"alpha":16.0,'
        '"rslora":false,"draws":1,"max_length":512,"seed":0,"split":"train","dtype":"auto","against":null}'
    )
    assert SweepRequest(model="m", task="t").model_dump_json() == (
        '{"schema_version":1,"kind":"sweep","model":"m","revision":null,"task":"t","probe":' + probe
        + ',"sweep":{"placements":["dominant","random:3","qv","all-linear"],"rank":8,"alpha":16.0,"budget":null,'
        '"allocation":"equal","methods":["lora"],"learning_rates":[0.001,0.003,0.01],"seeds":2,"rate_seeds":1,'
        '"order":"seed","steps":60,"legs":[],"batch_size":4,"accumulation":1,"schedule":"linear","warmup":0.1,"weight_decay":0.0,"max_grad_norm":1.0,'
        '"loss_mean":"sample","dropout":0.0,"patience":0,"gradient_checkpointing":false,"minutes":null,'
        '"loraplus_ratio":16.0,"max_length":512,"train_rows":null,"validation_rows":48,"test_rows":96,'
        '"evaluate_every":10,"answers":4,"answer_tokens":160,"run_code":false,"forgetting_rows":16,'
        '"checkpoint_every":10,"data_seed":0,"dtype":"auto","energy_every":0,"energy_samples":8},"device":"auto",'
        '"refresh":false}'
    )  # fmt: skip
