"""Training with rotations that follow the longest sequence of a batch: what shares a batch does not change a step."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from domlora.comparison.config import SweepConfig
from domlora.data.tasks import load_task
from domlora.training.rows import choose_rows, encode_rows, step_rows
from tests.helpers.sweep_place import SETTINGS, Place, curve
from tests.helpers.sweeping import encoder, write_task

LONGROPE = {
    "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.1, 1.3, 1.5],
    "long_factor": [1.0, 4.0, 20.0, 40.0],
}  # fmt: skip
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


@pytest.mark.parametrize("kind", ["longrope", "dynamic"])
def test_a_step_is_the_same_in_one_batch_and_row_by_row(tokenizer, tmp_path, monkeypatch, kind):
    task = load_task(str(write_task(tmp_path / "rows.jsonl")))
    config = SweepConfig(**SETTINGS | {"batch_size": 4, "accumulation": 1})
    rows = encode_rows(task, choose_rows(task, config), encoder(tokenizer), config).train
    lengths = sorted(len(row.ids) for row in rows)
    trained = lengths[len(lengths) // 2] - 1
    rope = LONGROPE | {"original_max_position_embeddings": trained} if kind == "longrope" else DYNAMIC
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=len(tokenizer), max_position_embeddings=256 if kind == "longrope" else trained, rope_parameters=rope,
    ))  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("q_proj.weight", "k_proj.weight")):
                parameter.mul_(40)  # so that attention is far from uniform, and follows the rotations
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    first = step_rows(len(rows), config, 0)[0]
    assert min(len(rows[i].ids) for i in first) <= trained < max(len(rows[i].ids) for i in first)
    place = Place(tmp_path / "model", task, tmp_path, monkeypatch)
    curves = []
    for batch_size, accumulation in ((4, 1), (1, 4)):
        _, metrics, evaluations = place.run([place.top], batch_size=batch_size, accumulation=accumulation)
        (variant,) = set(metrics["variant"])
        held_out = [loss for one in evaluations for loss in one.losses]
        curves.append([*curve(metrics, variant).values(), *held_out])
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)
