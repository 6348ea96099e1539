"""Many adapters in one batch give what plain PEFT gives with one adapter, to the last few bits."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers as hf

from domlora.errors import ProbeError
from domlora.training.adapters import Adapters
from domlora.training.evaluation import evaluate_base, evaluate_variants
from domlora.training.lockstep import Lockstep, base_results
from tests.helpers.sweeping import (
    LENGTHS,
    batch_of,
    difference,
    named,
    perturb,
    placement,
    plain_gradients,
    plain_losses,
    plain_peft,
    sample,
)
from tests.helpers.tiny_models import MODELS, PLAIN, make

CLOSE = 1e-5
ROWS = [sample(n, i) for i, n in enumerate(LENGTHS)]


@pytest.fixture
def tiny():
    return make("llama")


def attach(adapters):
    """Adapters of three depths, moved so that no two are alike."""
    model = adapters.model
    placements = [placement(model, "all"), placement(model, "top", [1]), placement(model, "low", [0])]
    attached = [adapters.attach(place, "lora", seed) for seed, place in enumerate(placements)]
    for adapter in attached:
        perturb(adapter)
    return attached


def gradients(adapters, attached):
    found = [named(adapters, adapter, gradients=True) for adapter in attached]
    for adapter in attached:
        for parameter in adapter.parameters:
            parameter.grad = None
    return found


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "whole"])
@pytest.mark.parametrize("name", MODELS)
def test_losses_and_gradients_are_those_of_plain_peft_with_one_adapter(name, shared):
    model = make(name)
    fresh = copy.deepcopy(model)
    with Adapters(model, "tiny") as adapters:
        attached = attach(adapters)
        lockstep = Lockstep(adapters)
        lockstep.shared = shared
        losses = lockstep.backward(batch_of(), attached, 0.5)
        found = gradients(adapters, attached)
        evaluated = lockstep.evaluate(batch_of(), attached)
        states = [named(adapters, adapter) for adapter in attached]
    torch.testing.assert_close(evaluated.losses, losses, rtol=CLOSE, atol=CLOSE)
    for i, adapter in enumerate(attached):
        plain = plain_peft(fresh, adapter.placement, "lora", 0, states[i])
        wanted = plain_losses(plain, ROWS)
        torch.testing.assert_close(losses[i], wanted.detach(), rtol=CLOSE, atol=CLOSE)
        (0.5 * wanted.sum()).backward()
        assert difference(found[i], plain_gradients(plain)) < CLOSE
    assert (losses[0] - losses[1]).abs().max() > 0.01, "the adapters are different"


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("method", ["rslora", "dora", "pissa"])
def test_every_method_has_the_gradients_of_plain_peft(name, method):
    """Also through adapted modules above, whose weights PiSSA has replaced."""
    model = make(name)
    fresh = copy.deepcopy(model)
    place, low = placement(model, "all"), placement(model, "low", [0])
    with Adapters(model, "tiny") as adapters:
        adapter, other = adapters.attach(place, method, 3), adapters.attach(low, "lora", 0)
        perturb(adapter)
        lockstep = Lockstep(adapters)
        losses = lockstep.backward(batch_of(), [other, adapter], 1.0)[1]
        found, state = named(adapters, adapter, gradients=True), named(adapters, adapter)
    plain = plain_peft(fresh, place, method, 3, state)
    wanted = plain_losses(plain, ROWS)
    torch.testing.assert_close(losses, wanted.detach(), rtol=CLOSE, atol=CLOSE)
    wanted.sum().backward()
    assert difference(found, plain_gradients(plain)) < CLOSE


def test_groups_of_any_size_give_the_same(tiny):
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        losses = lockstep.backward(batch_of(), attached, 1.0)
        whole = gradients(adapters, attached)
        for variants_at_a_time in (1, 2):
            lockstep.max_tokens = variants_at_a_time * len(LENGTHS) * max(LENGTHS)
            again = lockstep.backward(batch_of(), attached, 1.0)
            torch.testing.assert_close(again, losses, rtol=CLOSE, atol=CLOSE)
            for one, other in zip(gradients(adapters, attached), whole, strict=True):
                assert difference(one, other) < CLOSE


def test_variants_come_back_in_the_order_asked_for(tiny):
    other = placement(tiny, "other", [1], ["q"])
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        attached.append(adapters.attach(other, "dora", 4))
        perturb(attached[-1])
        losses = lockstep.evaluate(batch_of(), attached).losses
        turned = lockstep.evaluate(batch_of(), attached[::-1]).losses
        backward = lockstep.backward(batch_of(), attached[::-1], 1.0)
    torch.testing.assert_close(turned, losses.flip(0), rtol=CLOSE, atol=CLOSE)
    torch.testing.assert_close(backward, losses.flip(0), rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("name", ["llama", "gemma3", "opt"])
def test_padding_and_neighbours_do_not_change_a_row(name):
    model = make(name)
    with Adapters(model, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        together = lockstep.evaluate(batch_of(), attached)
        alone = [lockstep.evaluate(batch_of_row(row), attached) for row in range(len(LENGTHS))]
    torch.testing.assert_close(torch.cat([one.losses for one in alone], 1), together.losses, rtol=CLOSE, atol=CLOSE)
    torch.testing.assert_close(torch.cat([one.accuracies for one in alone], 1), together.accuracies)


def batch_of_row(row):
    from domlora.data.batches import collate

    return collate(ROWS, [row], torch.device("cpu"))


def test_gradients_add_up_over_batches(tiny):
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        lockstep.backward(batch_of(), attached, 1.0)
        whole = gradients(adapters, attached)
        for row in range(len(LENGTHS)):
            lockstep.backward(batch_of_row(row), attached, 1.0)
        for one, other in zip(gradients(adapters, attached), whole, strict=True):
            assert difference(one, other) < CLOSE


def full_above(monkeypatch, model, rows):
    """A first block that takes so many rows and no more; returns how many rows each call brought."""
    block, seen = type(model.model.layers[1]), []
    forward = block.forward

    def limited(self, hidden, *args, **kwargs):
        seen.append(len(hidden))
        if len(hidden) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, hidden, *args, **kwargs)

    monkeypatch.setattr(block, "forward", limited)
    return seen


def test_running_out_of_memory_halves_the_group_and_changes_nothing(tiny, monkeypatch):
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        losses = lockstep.backward(batch_of(), attached, 1.0)
        whole = gradients(adapters, attached)
        seen = full_above(monkeypatch, tiny, len(LENGTHS))
        again = lockstep.backward(batch_of(), attached, 1.0)
        torch.testing.assert_close(again, losses, rtol=CLOSE, atol=CLOSE)
        for one, other in zip(gradients(adapters, attached), whole, strict=True):
            assert difference(one, other) < CLOSE
        assert max(seen) > len(LENGTHS)
        seen.clear()
        lockstep.backward(batch_of(), attached, 1.0)
        assert max(seen) == len(LENGTHS), "what did not fit is not tried again"


def test_no_memory_for_one_variant_is_said_in_one_line(tiny, monkeypatch):
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        full_above(monkeypatch, tiny, 1)
        for shared in (True, False):
            lockstep.shared = shared
            with pytest.raises(ProbeError, match=r"no memory for 4 rows of 12 tokens .* smaller batch"):
                lockstep.backward(batch_of(), attached[:1], 1.0)
        with pytest.raises(ProbeError, match="no memory"):
            base_results(tiny, batch_of())
        assert all(parameter.grad is None for parameter in attached[0].parameters)


def test_evaluation_takes_fewer_rows_at_a_time_when_memory_is_short(tiny, monkeypatch):
    before = evaluate_base(tiny, ROWS)
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        tables = evaluate_variants(lockstep, ROWS, attached)
        full_above(monkeypatch, tiny, 1)
        again = evaluate_variants(lockstep, ROWS, attached)
        with adapters.disabled():
            base = evaluate_base(tiny, ROWS)
    assert base.losses == pytest.approx(before.losses, rel=CLOSE)
    for one, other in zip(again, tables, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=CLOSE)
        assert one.accuracies == other.accuracies


def test_evaluation_keeps_the_order_of_the_rows(tiny):
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        tables = evaluate_variants(lockstep, ROWS, attached)
        turned = evaluate_variants(lockstep, ROWS[::-1], attached)
        state = named(adapters, attached[0])
        place = attached[0].placement
    assert tables[0].losses == pytest.approx(turned[0].losses[::-1], rel=CLOSE)
    plain = plain_peft(tiny, place, "lora", 0, state)
    assert tables[0].losses == pytest.approx(plain_losses(plain, ROWS).tolist(), rel=CLOSE)
    assert 0 <= tables[0].accuracy <= 1
    assert tables[0].loss == pytest.approx(sum(tables[0].losses) / len(ROWS))


def test_accuracy_counts_the_most_likely_tokens():
    model = make("llama")
    counted = base_results(model, batch_of_row(1)).accuracies[0, 0]
    ids = torch.tensor([ROWS[1].ids])
    hits = (model(input_ids=ids).logits[0, :-1].argmax(-1) == ids[0, 1:])[torch.tensor(ROWS[1].response[1:])]
    assert float(counted) == pytest.approx(hits.float().mean().item())
    learned = copy.deepcopy(ROWS[1])
    greedy = (*learned.ids[:-1], int(model(input_ids=ids).logits[0, -2].argmax()))
    from domlora.data.batches import collate
    from domlora.data.encoding import EncodedSample

    mask = tuple([False] * (len(greedy) - 1) + [True])
    best = collate([EncodedSample(greedy, mask, 0)], [0], torch.device("cpu"))
    assert base_results(model, best).accuracies.item() == 1


def test_blocks_of_a_known_kind_are_shared(tiny):
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        lockstep.check(batch_of(), attached)
        assert lockstep.shared
        calls = []
        handle = tiny.model.layers[0].mlp.register_forward_hook(lambda *found: calls.append(len(found[2])))
        lockstep.evaluate(batch_of(), [attached[1], attached[1]])
        handle.remove()
    assert calls == [len(LENGTHS)], "block 0 ran once, for both variants that enter at block 1"


@pytest.mark.parametrize("kind", ["bloom", "falcon", "gptj"])
def test_a_model_whose_blocks_return_tuples_runs_unshared(kind):
    torch.manual_seed(0)
    short = {"vocab_size": 97, "bos_token_id": 1, "eos_token_id": 2}
    model = {
        "bloom": lambda: hf.BloomForCausalLM(hf.BloomConfig(**short, hidden_size=32, n_layer=2, n_head=4)),
        "falcon": lambda: hf.FalconForCausalLM(
            hf.FalconConfig(**{k: v for k, v in PLAIN.items() if k != "intermediate_size"})
        ),
        "gptj": lambda: hf.GPTJForCausalLM(
            hf.GPTJConfig(**short, n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4)
        ),
    }[kind]().eval()
    fresh = copy.deepcopy(model)
    with Adapters(model, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        lockstep.check(batch_of(), attached)
        assert not lockstep.shared
        losses = lockstep.backward(batch_of(), attached, 1.0)
        state = named(adapters, attached[1])
    plain = plain_peft(fresh, attached[1].placement, "lora", 0, state)
    torch.testing.assert_close(losses[1], plain_losses(plain, ROWS).detach(), rtol=CLOSE, atol=CLOSE)


def test_sharing_is_given_up_where_it_changes_losses(tiny, monkeypatch):
    """A block that looks at something else than its input, such as a counter of its calls."""
    block = type(tiny.model.layers[0])
    forward, calls = block.forward, []

    def restless(self, hidden, *args, **kwargs):
        calls.append(1)
        return forward(self, hidden, *args, **kwargs) * (1 + 0.1 * (len(calls) % 3))

    monkeypatch.setattr(block, "forward", restless)
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        lockstep.check(batch_of(), attached)
        assert not lockstep.shared


def test_blocks_and_hooks_are_as_before_also_after_an_error(tiny, monkeypatch):
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        before = lockstep.evaluate(batch_of(), attached).losses
        attention = type(tiny.model.layers[1].self_attn)
        with monkeypatch.context() as patch:
            patch.setattr(attention, "forward", lambda *_, **__: 1 / 0)
            for work in (
                lambda: lockstep.evaluate(batch_of(), attached),
                lambda: lockstep.backward(batch_of(), attached, 1),
            ):
                with pytest.raises(ZeroDivisionError):
                    work()
        assert all("forward" not in block.__dict__ for block in tiny.model.layers)
        assert not any(module._forward_pre_hooks for module in tiny.modules())
        assert torch.equal(lockstep.evaluate(batch_of(), attached).losses, before)


def test_a_forward_that_a_block_was_given_is_run_and_kept(tiny):
    """As accelerate does, which hangs its hooks there: a block that lies on another device needs them."""
    block, calls = tiny.model.layers[1], []
    own = block.forward

    def hooked(*args, **kwargs):
        calls.append(1)
        return own(*args, **kwargs)

    block.forward = hooked
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        lockstep.evaluate(batch_of(), attached)
        lockstep.backward(batch_of(), attached, 1.0)
    assert calls
    assert block.__dict__["forward"] is hooked


def test_a_module_that_no_row_reaches_has_no_gradient(tiny, monkeypatch):
    """As an expert that is not chosen; plain PEFT leaves `grad` at None."""
    monkeypatch.setattr(tiny.model.layers[1].mlp, "forward", lambda hidden: hidden)
    with Adapters(tiny, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        lockstep.backward(batch_of(), attached, 1.0)
        found = named(adapters, attached[1], gradients=True)
    for name, gradient in found.items():
        assert (gradient is None) == (".mlp." in name)


def test_half_precision_keeps_adapters_in_float32():
    model = make("llama").to(torch.bfloat16)
    top = placement(model, "top", [1])
    with Adapters(model, "tiny") as adapters:
        attached, lockstep = attach(adapters), Lockstep(adapters)
        attached += [adapters.attach(top, method, 0) for method in ("dora", "pissa")]
        lockstep.check(batch_of(), attached)
        assert lockstep.shared
        losses = lockstep.backward(batch_of(), attached, 1.0)
        assert losses.dtype == torch.float32 and losses.isfinite().all()
        for adapter in attached:
            assert {p.dtype for p in adapter.parameters} == {torch.float32}
            assert {p.grad.dtype for p in adapter.parameters} == {torch.float32}
