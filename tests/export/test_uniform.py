"""An adapter at one rank with a scale of 1 is the same adapter, to PEFT and in every module."""

import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

from domlora.errors import SweepError
from domlora.export.saved import CONFIG, WEIGHTS, described, read_adapter
from domlora.export.uniform import uniform_rank, write_uniform
from tests.helpers.exported import distance, loaded, logits, reference, saved, with_adapter

KINDS = [("lora", "mixed"), ("rslora", "equal"), ("rslora", "mixed"), ("lora", "equal"), ("pissa", "mixed")]


@pytest.mark.parametrize(("method", "ranks"), KINDS)
@pytest.mark.parametrize("name", ["ref-llama", "ref-gpt2"])
def test_a_padded_adapter_gives_the_same_logits(name, method, ranks, tmp_path):
    base = reference(name)
    folder = saved(loaded(base), tmp_path / "adapter", method, ranks)
    rank = write_uniform(folder, tmp_path / "uniform")
    found = logits(with_adapter(base, tmp_path / "uniform"))
    wanted, zero = logits(with_adapter(base, folder)), logits(loaded(base))
    assert float((wanted - zero).abs().max()) > 1e-2, "the adapter changes nothing"
    assert distance(found, wanted, zero) < 1e-5
    config = LoraConfig.from_pretrained(str(tmp_path / "uniform"))
    assert (config.r, config.lora_alpha, config.rank_pattern, config.alpha_pattern) == (rank, rank, {}, {})
    assert not config.use_rslora
    shapes = {t.shape[0] for n, t in load_file(tmp_path / "uniform" / WEIGHTS).items() if ".lora_A." in n}
    assert shapes == {rank}


def test_a_padded_adapter_in_half_the_bits_differs_by_their_rounding_alone(tmp_path):
    base = reference("ref-llama")
    folder = saved(loaded(base), tmp_path / "adapter", "rslora", "mixed", alpha=7)
    halved = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(folder / WEIGHTS).items()}
    save_file(halved, folder / WEIGHTS, metadata={"format": "pt"})
    write_uniform(folder, tmp_path / "uniform")
    found, wanted = logits(with_adapter(base, tmp_path / "uniform")), logits(with_adapter(base, folder))
    assert distance(found, wanted, logits(loaded(base))) < 2**-7
    assert {t.dtype for t in load_file(tmp_path / "uniform" / WEIGHTS).values()} == {torch.bfloat16}


def test_experts_are_padded_one_by_one(tmp_path):
    """Their ranks lie one after the other in A and side by side in B."""
    base = reference("ref-moe")
    model = loaded(base)
    names = [
        name for name, _ in model.named_parameters() if name.endswith(("experts.gate_up_proj", "experts.down_proj"))
    ]
    torch.manual_seed(0)
    config = LoraConfig(
        r=3,
        lora_alpha=7,
        target_modules=["q_proj"],
        target_parameters=names[:4],
        use_rslora=True,
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    adapted.save_pretrained(str(tmp_path / "adapter"))
    assert write_uniform(tmp_path / "adapter", tmp_path / "uniform") == 8
    found, wanted = logits(with_adapter(base, tmp_path / "uniform")), logits(with_adapter(base, tmp_path / "adapter"))
    assert distance(found, wanted, logits(loaded(base))) < 1e-5


@pytest.mark.parametrize(("ranks", "wanted"), [((1, 4), 8), ((8,), 8), ((9, 2), 16), ((16,), 16), ((33,), 48)])
def test_the_rank_is_one_that_servers_pad_to(ranks, wanted):
    config = {"r": ranks[0], "lora_alpha": 8, "rank_pattern": {f"m{i}": r for i, r in enumerate(ranks)}}
    assert uniform_rank(described(config, [f"layers.0.m{i}" for i in range(len(ranks))])) == wanted


def test_a_dora_adapter_is_not_padded(tmp_path):
    folder = saved(loaded(reference("ref-llama")), tmp_path / "adapter", "dora")
    with pytest.raises(SweepError, match=r"DoRA.*merged"):
        write_uniform(folder, tmp_path / "uniform")
    assert not (tmp_path / "uniform").exists()


def test_an_adapter_that_changes_the_base_is_not_padded(tmp_path):
    folder = saved(loaded(reference("ref-llama")), tmp_path / "adapter")
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    (folder / CONFIG).write_text(json.dumps(config | {"init_lora_weights": "pissa"}), encoding="utf-8")
    with pytest.raises(SweepError, match="pissa"):
        write_uniform(folder, tmp_path / "uniform")


@pytest.mark.parametrize(("method", "ranks"), KINDS)
def test_ranks_and_scales_are_read_as_peft_reads_them(method, ranks, tmp_path):
    base = reference("ref-llama")
    folder = saved(loaded(base), tmp_path / "adapter", method, ranks)
    model = PeftModel.from_pretrained(loaded(base), str(folder))
    wanted = {
        name.removeprefix("base_model.model."): (layer.r["default"], layer.scaling["default"])
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer)
    }
    found = {module.name: (module.rank, module.scale) for module in read_adapter(folder).modules}
    assert found.keys() == wanted.keys()
    assert all(found[name] == pytest.approx(wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / WEIGHTS).unlink(), "holds no adapter"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"123"), "damaged"),
        (lambda folder: (folder / CONFIG).write_text("{", encoding="utf-8"), "damaged"),
        (lambda folder: (folder / CONFIG).write_text('{"peft_type": "IA3"}', encoding="utf-8"), "no LoRA"),
    ],
)
def test_a_folder_without_a_whole_adapter_is_said_in_one_line(spoil, words, tmp_path):
    folder = saved(loaded(reference("ref-llama")), tmp_path / "adapter")
    spoil(folder)
    with pytest.raises(SweepError, match=words) as caught:
        read_adapter(folder)
    assert "\n" not in str(caught.value)
