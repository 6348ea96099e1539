"""Where an adapter runs: verdicts follow from ranks, scales and modules; commands hold whatever names there are."""

import shlex

import pytest

from domlora.export.saved import described
from domlora.export.servers import NOT_KNOWN, SERVERS, vllm_rank
from domlora.export.where import Base, base_named, needs_uniform, table, verdicts
from domlora.models.origin import ModelOrigin

BASE = Base("org/model", "abc", layers=2)
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
EVERYWHERE = [f"model.layers.{layer}.x.{kind}" for layer in (0, 1) for kind in PROJECTIONS]


def adapter(names=EVERYWHERE, **config):
    return described({"peft_type": "LORA", "r": 8, "lora_alpha": 16, **config}, names)


def uses(found, base=BASE):
    return {verdict.server.name: verdict.use for verdict in verdicts(found, base)}


def why(found, server, base=BASE):
    return next(verdict.why for verdict in verdicts(found, base) if verdict.server.name == server)


def test_plain_lora_everywhere_loads_everywhere():
    assert set(uses(adapter()).values()) == {"adapter"}
    assert not needs_uniform(adapter(), BASE)


def test_one_alpha_for_ranks_that_differ_is_misread():
    """As measured on llama.cpp: alpha / rank of each tensor, with the alpha of the most frequent rank."""
    mixed = adapter(rank_pattern={"layers.0.x.q_proj": 4, "layers.0.x.v_proj": 32},
                    alpha_pattern={"layers.0.x.q_proj": 8, "layers.0.x.v_proj": 64})  # fmt: skip
    found = uses(mixed)
    assert found == {
        "PEFT": "adapter", "vLLM": "adapter", "llama.cpp": "adapter_uniform", "TGI": "adapter_uniform",
        "SGLang": "adapter_uniform",
    }  # fmt: skip
    assert "scaled by 0.25 to 2 times" in why(mixed, "llama.cpp")
    assert "0.32.0" in why(mixed, "vLLM")
    assert needs_uniform(mixed, BASE)


def test_rslora_is_misread_where_alpha_is_divided_by_the_rank():
    root = adapter(use_rslora=True)
    assert uses(root) == {
        "PEFT": "adapter", "vLLM": "adapter", "llama.cpp": "adapter_uniform", "TGI": "adapter",
        "SGLang": "adapter_uniform",
    }  # fmt: skip
    assert "scaled by 0.35 times" in why(root, "llama.cpp")
    assert "scaled by 0.35 times" in why(root, "SGLang")


def test_a_rank_that_tgi_pads_changes_its_scale_there():
    assert uses(adapter(r=4, lora_alpha=8))["TGI"] == "adapter_uniform"
    assert "scaled by 0.5 to 1 times" in why(adapter(r=4, lora_alpha=8), "TGI")


def test_dora_is_merged_wherever_it_is_not_peft():
    found = uses(adapter(use_dora=True))
    assert found.pop("PEFT") == "adapter"
    assert set(found.values()) == {"merged"}


def test_a_single_module_is_ignored_by_tgi_and_read_by_the_others():
    one = adapter(["model.layers.1.mlp.down_proj"])
    assert uses(one) == {
        "PEFT": "adapter",
        "vLLM": "adapter",
        "llama.cpp": "adapter",
        "TGI": "merged",
        "SGLang": "adapter",
    }
    assert "1 of 2 layers" in why(one, "TGI")


def test_without_a_known_number_of_layers_that_is_said():
    whole = adapter(["model.layers.0.mlp.down_proj"])
    assert "not known here" in why(whole, "TGI", Base("org/model"))
    assert uses(whole)["TGI"] == "merged", "the base has two layers"


@pytest.mark.parametrize("kinds", [("q_proj",), ("k_proj",), ("v_proj",), ("up_proj",)])
def test_sglang_joins_projections(kinds):
    found = adapter([f"model.layers.{layer}.x.{kind}" for layer in (0, 1) for kind in kinds])
    assert uses(found)["SGLang"] == "merged"


def test_gpt2_runs_as_a_merged_model_but_for_peft():
    found = uses(adapter(["transformer.h.0.attn.c_attn"], fan_in_fan_out=True))
    assert found.pop("PEFT") == "adapter"
    assert set(found.values()) == {"merged"}


def test_experts_are_merged():
    found = uses(adapter(target_parameters=["mlp.experts.gate_up_proj"]))
    assert found.pop("PEFT") == "adapter"
    assert set(found.values()) == {"merged"}


def test_an_adapter_that_begins_in_the_base_runs_in_peft_alone():
    found = uses(adapter(init_lora_weights="pissa"))
    assert found.pop("PEFT") == "adapter"
    assert set(found.values()) == {"nothing"}


def test_modules_outside_the_layers_are_named():
    head = adapter([*EVERYWHERE, "lm_head"])
    assert uses(head)["TGI"] == "merged" and "lm_head" in why(head, "TGI")
    assert "lm_head only where" in why(head, "vLLM")
    assert "not tied" in why(head, "llama.cpp")


@pytest.mark.parametrize(("rank", "wanted"), [(1, 1), (2, 8), (16, 16), (48, 64), (320, 320), (512, 512), (513, None)])
def test_vllm_is_told_a_rank_that_it_takes(rank, wanted):
    assert vllm_rank(rank) == wanted


def test_ranks_above_all_that_vllm_takes_are_merged():
    assert uses(adapter(r=600, lora_alpha=600))["vLLM"] == "merged"


def test_commands_hold_whatever_the_base_is_called():
    base = Base("my models/a; rm 'b'", layers=2)
    for verdict in verdicts(adapter(), base)[1:]:
        words = shlex.split(verdict.command)
        assert verdict.server.name == "llama.cpp" or base.name in words
    (llama,) = [v for v in verdicts(adapter(), Base("", gguf="/x y/b.gguf")) if v.server.name == "llama.cpp"]
    assert shlex.split(llama.command) == ["llama-server", "-m", "/x y/b.gguf", "--lora", "adapter.gguf"]


def test_the_commands_are_those_of_the_servers():
    found = {verdict.server.name: verdict.command for verdict in verdicts(adapter(r=24, lora_alpha=24), BASE)}
    assert found["vLLM"] == (
        "vllm serve org/model --revision abc --enable-lora --max-lora-rank 32 --lora-modules adapter=adapter"
    )
    assert found["TGI"] == (
        "LORA_ADAPTERS=adapter=adapter_uniform text-generation-launcher --model-id org/model --revision abc"
    )


def test_every_fact_has_a_source_and_every_server_answers_the_same_questions():
    questions = [tuple(server.facts) for server in SERVERS]
    assert len(set(questions)) == 1
    assert all(fact.source and fact.answer for server in SERVERS for fact in server.facts.values())
    assert any(fact.answer == NOT_KNOWN for server in SERVERS for fact in server.facts.values())


def test_the_table_is_a_table_whatever_modules_are_called():
    text = table(verdicts(adapter(["layers.0.a|b`<img>"]), BASE))
    rows = [line for line in text.splitlines() if line.startswith("| TGI")]
    assert rows[0].replace("\\|", "").count("|") == 5
    assert "\\<img\\>" in rows[0]


def test_layers_come_from_the_configuration_that_lies_here(tiny_folder, tmp_path):
    assert base_named("x", None, ModelOrigin(kind="reference", place="ref-llama")).layers == 8
    assert base_named("x", None, ModelOrigin(kind="folder", place=str(tiny_folder))).layers == 2
    assert base_named("x", None, ModelOrigin(kind="folder", place=str(tmp_path))).layers is None
    assert base_named("x", None, None).layers is None
    assert base_named("x", None, ModelOrigin(kind="gguf", place="/b.gguf")).gguf == "/b.gguf"
