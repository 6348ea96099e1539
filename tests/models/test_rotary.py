"""Rotations that follow the longest sequence of a batch: a sample means the same alone and beside others."""

import pytest
import torch
import transformers as hf

from domlora.data.batches import LengthRule, apart, group_by_length
from domlora.data.encoding import EncodedSample
from domlora.generation import answers
from domlora.models.census import find_modules
from domlora.models.loading import load_model
from domlora.models.rotary import length_rule
from domlora.probes.config import ProbeConfig
from domlora.probes.page import estimator
from domlora.training.evaluation import evaluate_base
from tests.helpers.tiny_models import COMMON

TRAINED = 32  # tokens, beyond which the frequencies are others
LENGTHS = (60, 50, 50, 40, 33, 32, 31, 20, 8)
PHI3 = {
    "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.1, 1.3, 1.5],
    "long_factor": [1.0, 4.0, 20.0, 40.0], "original_max_position_embeddings": TRAINED,
}  # fmt: skip
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


def make(kind, words):
    settings = {**COMMON, "vocab_size": words}
    if kind == "longrope":
        config = hf.Phi3Config(
            **settings | {"max_position_embeddings": 128}, original_max_position_embeddings=TRAINED,
            rope_parameters=dict(PHI3),
        )  # fmt: skip
        return hf.Phi3ForCausalLM(config)
    config = hf.LlamaConfig(**settings | {"max_position_embeddings": TRAINED}, rope_parameters=dict(DYNAMIC))
    return hf.LlamaForCausalLM(config)


@pytest.fixture(scope="module", params=["longrope", "dynamic"])
def loaded(request, tokenizer, tmp_path_factory):
    torch.manual_seed(0)
    model = make(request.param, len(tokenizer))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)
    folder = tmp_path_factory.mktemp(request.param) / request.param
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load_model(folder, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def samples():
    generator = torch.Generator().manual_seed(0)
    return [
        EncodedSample(
            tuple(torch.randint(5, 90, (length,), generator=generator).tolist()),
            tuple(i >= length // 2 for i in range(length)),
            row,
        )
        for row, length in enumerate(LENGTHS)
    ]


def test_energies_alone_and_together_are_equal(loaded, samples):
    modules = find_modules(loaded.model).modules
    config = ProbeConfig(rank=2, reduction="per_sample")

    def measured(chosen):
        found = estimator.measure(loaded.model, modules, chosen, config)
        return found.energies.double(), found.losses.double()

    alone = [measured([sample]) for sample in samples]
    energies, losses = measured(samples)
    assert torch.allclose(losses, torch.cat([loss for _, loss in alone]), rtol=1e-5)
    assert torch.allclose(energies, torch.stack([energy for energy, _ in alone]).mean(0), rtol=1e-4)


def test_held_out_losses_alone_and_together_are_equal(loaded, samples):
    alone = [evaluate_base(loaded.model, [sample]).loss for sample in samples]
    assert evaluate_base(loaded.model, samples).losses == pytest.approx(alone, rel=1e-5)
    assert evaluate_base(loaded.model, samples[::-1]).losses == pytest.approx(alone[::-1], rel=1e-5)


def test_what_ran_before_leaves_no_trace(loaded, samples):
    first = loss(loaded.model, [samples[3]])
    loss(loaded.model, [samples[0]])
    assert torch.equal(loss(loaded.model, [samples[3]]), first)


def test_the_lengths_do_matter_to_these_models(loaded, samples):
    """Else the tests above would say nothing."""
    together = loss(loaded.model, [samples[0], samples[7]])[1]
    assert abs(together - loss(loaded.model, [samples[7]])[0]) > 1e-3


def loss(model, chosen):
    width = max(len(sample.ids) for sample in chosen)
    ids = torch.zeros(len(chosen), width, dtype=torch.long)
    for row, sample in enumerate(chosen):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
    with torch.no_grad():
        chances = model(input_ids=ids, attention_mask=(ids > 0).long()).logits.log_softmax(-1)
    return torch.stack(
        [-chances[row, torch.arange(len(s.ids) - 1), torch.tensor(s.ids[1:])].mean() for row, s in enumerate(chosen)]
    )


def test_answers_alone_and_together_are_equal(loaded):
    from domlora.data.samples import Message, Sample

    asked = [
        Sample((Message("user", "what is " + "two and " * count + "two?"), Message("assistant", "four")), row=count)
        for count in (0, 1, 2, 3, 5)
    ]
    sizes = [len(loaded.tokenizer(text)["input_ids"]) for text in answers.prompts(asked, loaded.tokenizer)]
    assert min(sizes) < TRAINED < max(sizes) + 12
    alone = [answers.generate(loaded.model, loaded.tokenizer, [one], max_new_tokens=12)[0] for one in asked]
    assert answers.generate(loaded.model, loaded.tokenizer, asked, max_new_tokens=12) == alone


def test_the_rule_is_the_models(loaded, tiny_folder):
    expected = {
        "longrope": LengthRule(steps=(TRAINED,)),
        "dynamic": LengthRule(alike_beyond=TRAINED),
    }
    assert loaded.length_rule == length_rule(loaded.model) == expected[loaded.name]
    assert load_model(tiny_folder, device="cpu").length_rule is None


def lengths(groups, samples):
    return [[len(samples[i].ids) for i in group] for group in groups]


@pytest.mark.parametrize(
    ("rule", "growth", "expected"),
    [
        (None, 0, [[60, 50, 50, 40, 33, 32, 31, 20, 8]]),
        (LengthRule(steps=(32,)), 0, [[60, 50, 50, 40, 33], [32, 31, 20, 8]]),
        (LengthRule(alike_beyond=32), 0, [[60], [50, 50], [40], [33], [32, 31, 20, 8]]),
        (LengthRule(steps=(32,)), 12, [[60, 50, 50, 40, 33], [32], [31], [20, 8]]),
        (LengthRule(alike_beyond=32), 12, [[60], [50, 50], [40], [33], [32], [31], [20, 8]]),
    ],
)
def test_lengths_on_two_sides_of_a_step_share_no_group(samples, rule, growth, expected):
    groups = group_by_length(samples, 10_000, rule=rule, growth=growth)
    assert lengths(groups, samples) == expected
    assert sorted(i for group in groups for i in group) == list(range(len(samples)))


def test_a_group_is_taken_apart_in_its_order(samples):
    group = [8, 0, 5, 1, 2]
    assert apart(samples, group, None) == [group]
    assert apart(samples, group, LengthRule(steps=(32,))) == [[8, 5], [0, 1, 2]]
    assert apart(samples, group, LengthRule(alike_beyond=32)) == [[8, 5], [0], [1, 2]]
