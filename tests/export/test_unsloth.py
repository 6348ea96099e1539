"""The Unsloth script runs, with a stand-in for Unsloth (which needs a GPU) that hands arguments to PEFT as it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from peft import LoraConfig
from safetensors.torch import load_file

from domlora.export import unsloth
from domlora.models.catalogue import builtin_folder
from domlora.placements.placement import PlacedModule, Placement
from tests.helpers.recipes import recipe

# `unsloth/models/llama.py`, 2026.10.9: named arguments, and the rest to `LoraConfig`.
STAND_IN = """
import peft, transformers

class FastLanguageModel:
    @staticmethod
    def from_pretrained(model_name, max_seq_length, dtype, load_in_4bit, trust_remote_code, revision):
        model = transformers.AutoModelForCausalLM.from_pretrained(model_name, dtype=dtype, revision=revision)
        return model, transformers.AutoTokenizer.from_pretrained(model_name)

    @staticmethod
    def get_peft_model(
        model, r, target_modules, lora_alpha, lora_dropout, bias, use_gradient_checkpointing, random_state,
        use_rslora=False, init_lora_weights=True, target_parameters=None, **kwargs,
    ):
        transformers.set_seed(random_state)
        assert isinstance(use_rslora, bool) and isinstance(target_modules, (list, str))
        config = peft.LoraConfig(
            r=r, lora_alpha=lora_alpha, target_modules=target_modules, lora_dropout=lora_dropout, bias=bias,
            task_type="CAUSAL_LM", init_lora_weights=init_lora_weights, use_rslora=use_rslora,
            target_parameters=target_parameters, **kwargs,
        )
        return peft.get_peft_model(model, config)
"""


def module(name: str, rank: int) -> PlacedModule:
    return PlacedModule(
        module=name, stack="decoder", layer=1, kind="q", in_features=96, out_features=96, rank=rank
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "lora+", "rslora", "dora"])
def test_the_script_trains_those_modules_with_their_ranks(method, tmp_path):
    ranks = {
        "model.layers.1.self_attn.q_proj": 2,
        "model.layers.3.mlp.down_proj": 5,
        "model.layers.0.self_attn.o_proj": 2,
    }
    placement = Placement(
        name="three", modules=tuple(module(name, rank) for name, rank in ranks.items()), rank=2, alpha=4, root_alpha=16
    )
    made = recipe(placement, method, model=str(builtin_folder("ref-llama")), rows_beside=True)
    made = replace(made, steps=2, warmup_steps=0, batch_size=2, max_length=32)
    (tmp_path / "unsloth.py").write_text(STAND_IN, encoding="utf-8")
    script = tmp_path / unsloth.SCRIPT
    script.write_text(unsloth.script(made), encoding="utf-8")
    rows = [{"input_ids": [5, 6, 7 + i, 8], "labels": [-100, -100, 7 + i, 8]} for i in range(4)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    alone = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, encoding="utf-8", env=alone, cwd="/"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    weights = load_file(tmp_path / "out-unsloth" / "adapter_model.safetensors")
    found = {
        name.removeprefix("base_model.model.").removesuffix(".lora_B.weight"): tensor
        for name, tensor in weights.items()
        if name.endswith(".lora_B.weight")
    }
    assert {name: tensor.shape[1] for name, tensor in found.items()} == ranks
    assert all(tensor.abs().max() > 0 for tensor in found.values())  # each was trained
    saved, wanted = LoraConfig.from_pretrained(str(tmp_path / "out-unsloth")), placement.lora_config(method)
    assert (saved.lora_alpha, saved.use_dora, saved.use_rslora, saved.alpha_pattern) == (
        wanted.lora_alpha, wanted.use_dora, wanted.use_rslora, wanted.alpha_pattern,
    )  # fmt: skip
