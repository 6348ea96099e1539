"""Settings of training mean what a plain loop means by them: the loss, dropout, patience, time, recomputation."""

from __future__ import annotations

import math

import pytest
import torch

from domlora.comparison.config import SweepConfig
from domlora.training.dropout import Clock, SeededDropout
from domlora.training.rows import choose_rows, encode_rows, step_rows
from tests.helpers.sweep_place import (
    CLOSE,
    SETTINGS,
    Killed,
    Watch,
    apart,
    assert_same_end,
    curve,
    kill,
    small_waves,
    weights,
)
from tests.helpers.sweeping import plain_losses


def test_the_loss_of_tokens_is_what_transformers_trainer_means_under_accumulation(place):
    """Sum over all trained tokens of a step divided by their number, over all of its batches."""
    settings = {"loss_mean": "tokens", "batch_size": 2, "accumulation": 2}
    _, metrics, _ = place.run([place.all, place.top], **settings)
    _, by_sample, _ = place.run([place.all, place.top], **settings | {"loss_mean": "sample"})
    config = SweepConfig(**SETTINGS | settings)
    rows = encode_rows(place.task, choose_rows(place.task, config), place.model.encode, config).train
    first = [rows[i] for i in step_rows(len(rows), config, 0)[0]]
    losses, counts = plain_losses(place.model.model, first), torch.tensor([row.targets for row in first])
    assert len(set(counts.tolist())) > 1, "else both losses are one"
    for name in ("all", "top"):
        found = curve(metrics, f"{name} lr=0.01 seed=0")[1]
        assert found == pytest.approx(float((losses * counts).sum() / counts.sum()), rel=CLOSE)
        assert curve(by_sample, f"{name} lr=0.01 seed=0")[1] == pytest.approx(float(losses.mean()), rel=CLOSE)


def test_token_loss_does_not_depend_on_how_a_step_is_cut_into_batches(place):
    whole = place.run([place.all], loss_mean="tokens", batch_size=4)
    parts = place.run([place.all], loss_mean="tokens", batch_size=1, accumulation=4)
    for name in ("train_loss", "grad_norm"):
        one, two = (curve(found[1], "all lr=0.01 seed=0", name) for found in (whole, parts))
        assert one == pytest.approx(two, rel=1e-4)


def test_activations_that_are_computed_again_change_nothing(place, monkeypatch):
    """In mixed batches and alone (DoRA), with shared blocks and without, with dropout."""
    from domlora.training.lockstep import Lockstep

    settings = {"methods": ("lora", "dora"), "dropout": 0.2}
    kept = place.run([place.all, place.top], **settings)
    again = place.run([place.all, place.top], **settings, gradient_checkpointing=True)
    assert_same_end(again, kept, close=1e-5)
    monkeypatch.setattr(Lockstep, "check", lambda self, *_: setattr(self, "shared", False))
    apart_run = place.run([place.all, place.top], **settings, gradient_checkpointing=True)
    assert_same_end(apart_run, kept, close=1e-4)


def test_recomputation_keeps_fewer_activations(place):
    """Bytes that autograd saves for the backward pass of one batch."""
    from domlora.training.adapters import Adapters
    from domlora.training.lockstep import Lockstep
    from tests.helpers.sweeping import batch_of

    def saved(checkpointing):
        kept: list[int] = []
        with Adapters(place.model.model, "x") as adapters:
            adapter = adapters.attach(place.all, "lora", 0)
            with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.nbytes), t)[1], lambda t: t):
                Lockstep(adapters, checkpointing).backward(batch_of(), [adapter], 1.0)
        return sum(kept)

    assert saved(True) < 0.5 * saved(False)


def test_dropout_is_inverted_seeded_and_off_outside_of_training():
    clock = Clock()
    drop = SeededDropout(0.25, 3, "layers.0.q", clock)
    x = torch.ones(400, 500)
    assert drop(x) is x
    with clock.at(1, 0):
        first, again = drop(x), drop(x)
        other = SeededDropout(0.25, 3, "layers.1.q", clock)(x)
    with clock.at(2, 0):
        later = drop(x)
    assert first.equal(again) and not first.equal(other) and not first.equal(later)
    assert first.unique().tolist() == pytest.approx([0, 4 / 3])
    assert float((first == 0).float().mean()) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_a_variant_with_dropout_ends_alike_alone_beside_others_in_waves_and_after_a_kill(place, monkeypatch, method):
    settings = {"dropout": 0.3, "methods": (method,)}
    alone = place.run([place.all], **settings)
    plain = place.run([place.all], methods=(method,))
    assert apart(weights(alone[0].variants[0]), weights(plain[0].variants[0])) > 1e-3, "something was dropped"
    name = [alone[0].variants[0].name]
    assert_same_end(place.run([place.top, place.all], **settings), alone, names=name)
    with pytest.raises(Killed):
        place.run([place.top, place.all], **settings, progress=Watch(4, kill))
    assert_same_end(place.run([place.top, place.all], **settings, fresh=False), alone, names=name)
    small_waves(place, monkeypatch)
    assert_same_end(place.run([place.top, place.all], **settings), alone, names=name)


def test_the_saved_config_says_the_dropout(place):
    import json
    from pathlib import Path

    run, _, _ = place.run([place.top], dropout=0.3)
    config = json.loads((Path(run.variants[0].adapter) / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["lora_dropout"] == 0.3


def test_patience_keeps_the_best_adapter_and_ends_what_gets_no_better(place):
    """A rate at which the validation loss rises after its best."""
    settings = {"learning_rates": (0.3,), "steps": 12, "evaluate_every": 1, "schedule": "constant", "warmup": 0}
    _, metrics, _ = place.run([place.all, place.top], **settings)
    run, stopped, _ = place.run([place.all, place.top], **settings, patience=2)
    seen = 0
    for variant in run.variants:
        full = curve(metrics, variant.name, "eval_loss")
        waited, best = 0, (math.inf, 0)
        for step in range(1, 13):
            waited = 0 if full[step] < best[0] else waited + 1
            best = min(best, (full[step], step))
            if waited == 2:
                break
        assert variant.status == "done"
        assert variant.results["best_step"] == best[1] and variant.results["steps"] == step
        assert variant.results["eval_loss_after"] == pytest.approx(best[0], rel=1e-4)
        assert max(curve(stopped, variant.name)) == step
        if step < 12:
            seen += 1
            assert f"ended at step {step}: no lower validation loss in 2 evaluations" in variant.note
    assert seen, "no variant was stopped early: the test shows nothing"


def test_patience_survives_a_kill(place):
    settings = {"learning_rates": (0.3,), "steps": 12, "evaluate_every": 1, "schedule": "constant", "patience": 3}
    whole = place.run([place.all, place.top], **settings)
    with pytest.raises(Killed):
        place.run([place.all, place.top], **settings, progress=Watch(4, kill))
    assert_same_end(place.run([place.all, place.top], **settings, fresh=False), whole, close=1e-5)


def test_a_time_limit_ends_training_and_what_is_reached_is_judged(place):
    run, metrics, evaluations = place.run([place.all, place.top], steps=400, evaluate_every=400, minutes=0.05)
    assert {v.status for v in run.variants} == {"done"}
    for variant in run.variants:
        steps = variant.results["steps"]
        assert 1 <= steps < 400 and max(curve(metrics, variant.name)) == steps
        assert variant.note == f"ended at step {steps} of 400: the time was over"
        assert {e.part for e in evaluations if e.variant == variant.name} == {"validation", "test"}
    assert any("0.05 minutes were over" in warning for warning in run.warnings)


def test_seeds_that_judge_get_their_part_of_the_time(place):
    run, _, _ = place.run([place.all], steps=400, evaluate_every=400, minutes=0.08, learning_rates=(1e-3, 1e-2))
    reached = {v.seed: v.results["steps"] for v in run.variants}
    assert run.variants[-1].seed == 0 and all(steps < 400 for steps in reached.values())
    assert reached[0] > 0.2 * reached[1000]


@pytest.mark.parametrize(("steps", "warmup", "rising"), [(1, 0.9, 0), (2, 0.9, 1), (10, 0.99, 9), (60, 0.1, 6)])
def test_the_warm_up_leaves_a_step_that_trains(steps, warmup, rising):
    assert SweepConfig(steps=steps, warmup=warmup).warmup_steps == rising


def test_one_step_with_a_long_warm_up_trains(place):
    run, metrics, _ = place.run([place.all], steps=1, warmup=0.9)
    (variant,) = run.variants
    assert curve(metrics, variant.name, "learning_rate")[1] == pytest.approx(1e-2)
    assert variant.results["eval_loss_after"] != variant.results["eval_loss_before"]
