"""Training side by side changes nothing: each variant ends where it would end alone, and where plain PEFT ends."""

from __future__ import annotations

import math

import pytest
import torch
from peft import PeftModel, initialize_lora_eva_weights

from domlora.comparison.analysis import compare_run
from domlora.comparison.config import SweepConfig, variant_name
from domlora.errors import DomLoRAError
from domlora.models.loading import load_model
from domlora.placements.methods import METHODS
from domlora.placements.placement import Placement
from domlora.training import sweep
from domlora.training.lockstep import Lockstep
from domlora.training.rows import choose_rows, encode_rows, step_rows
from tests.helpers.sweep_place import (
    CLOSE,
    SETTINGS,
    Killed,
    Place,
    Watch,
    apart,
    assert_same_end,
    cancel,
    curve,
    kill,
    small_waves,
    weights,
)
from tests.helpers.sweeping import plain_losses, plain_peft

# Against plain PEFT and against itself alone


def plain_training(place: Place, where: Placement, method: str, rate: float, **settings):
    """LoRA training as anyone would write it; returns losses, gradient norms and weights."""
    config = SweepConfig(**SETTINGS | settings)
    rows = encode_rows(place.task, choose_rows(place.task, config), place.model.encode, config).train
    order = step_rows(len(rows), config, 0)
    model = plain_peft(place.model.model, where, method, 0)
    if method == "eva":
        inputs = []
        for start in range(0, 32, config.batch_size):
            padded = place.model.tokenizer.pad(
                {"input_ids": [list(row.ids) for row in rows[start : start + config.batch_size]]},
                return_tensors="pt", padding_side="right",
            )  # fmt: skip
            inputs.append({"input_ids": padded["input_ids"], "attention_mask": padded["attention_mask"]})
        initialize_lora_eva_weights(model, inputs, show_progress_bar=False)
    trained = {name: parameter for name, parameter in model.named_parameters() if "lora_" in name}
    for parameter in trained.values():
        parameter.requires_grad_(True)
    ratio = config.loraplus_ratio if method == "lora+" else 1.0
    groups = [
        {"params": [p for n, p in trained.items() if "lora_A" in n], "ratio": 1.0},
        {"params": [p for n, p in trained.items() if "lora_A" not in n], "ratio": ratio},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=False, foreach=False)
    warmup = round(config.warmup * config.steps)
    losses, norms = [], []
    for step, group in enumerate(order):
        left = (step - warmup) / (config.steps - warmup)
        factor = {
            "linear": 1 - left, "cosine": 0.5 * (1 + math.cos(math.pi * left)), "constant": 1.0,
        }[config.schedule] if step >= warmup else step / warmup  # fmt: skip
        for part in optimizer.param_groups:
            part["lr"] = rate * factor * part["ratio"]
        loss = plain_losses(model, [rows[i] for i in group]).mean()
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained.values(), config.max_grad_norm)))
        optimizer.step()
        losses.append(loss.item())
    state = {n.replace(".default", ""): p.detach() for n, p in model.state_dict().items() if "lora_" in n}
    return losses, norms, state


def as_trained(saved, method, rank):
    """The trained half of what is saved as twice the rank."""
    if method not in ("pissa", "olora"):
        return saved
    return {name: t[:rank] if "lora_A" in name else t[:, :rank] for name, t in saved.items()}


def assert_trained_as_plainly(place, found, variant, where, method, rate, **settings):
    run, metrics, _ = found
    losses, norms, state = plain_training(place, where, method, rate, **settings)
    assert list(curve(metrics, variant).values()) == pytest.approx(losses, rel=CLOSE)
    assert list(curve(metrics, variant, "grad_norm").values()) == pytest.approx(norms, rel=1e-4)
    (one,) = [v for v in run.variants if v.name == variant]
    saved = as_trained(weights(one), method, where.rank)
    renamed = {name.replace("magnitude_vector.weight", "magnitude_vector"): t for name, t in state.items()}
    assert apart(saved, renamed) < CLOSE


def test_every_method_trains_as_a_plain_loop_would_and_as_it_does_alone(place):
    """Placements × methods at once, in mixed batches and one at a time."""
    both = [place.all, place.top]
    together = place.run(both, methods=tuple(METHODS))
    assert [v.status for v in together[0].variants] == ["done"] * 14
    for where in both:
        for method in METHODS:
            name = variant_name(where.name, method, 1e-2, 0)
            assert_trained_as_plainly(place, together, name, where, method, 1e-2)
    for method in ("lora", "pissa", "eva"):
        name = variant_name("all", method, 1e-2, 0)
        assert_same_end(together, place.run([place.all], methods=(method,)), names=[name])


def test_rates_and_seeds_are_variants_that_do_not_touch_each_other(place):
    rates = (1e-3, 3e-2)
    together = place.run([place.all, place.low, place.top], learning_rates=rates, seeds=2, rate_seeds=0)
    run, metrics, _ = together
    assert len(run.variants) == 12 and len({v.name for v in run.variants}) == 12
    for rate in rates:
        alone = place.run([place.low], learning_rates=(rate,), seeds=2)
        assert_same_end(together, alone, names=[v.name for v in alone[0].variants])
        rate_curve = curve(metrics, f"low lr={rate:g} seed=1", "learning_rate")
        assert max(rate_curve.values()) == pytest.approx(rate)
    ends = {v.name: v.results["eval_loss_after"] for v in run.variants}
    assert len(set(ends.values())) == 12, "every one ends somewhere else"


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "cosine", "weight_decay": 0.1},
        {"schedule": "constant", "warmup": 0.5, "max_grad_norm": 0.05},
        {"batch_size": 2, "accumulation": 2, "schedule": "linear"},
    ],
    ids=["cosine-decay", "constant-clipped", "accumulated"],
)
def test_settings_mean_what_a_plain_loop_means(place, settings):
    found = place.run([place.all, place.top], **settings)
    assert_trained_as_plainly(place, found, "all lr=0.01 seed=0", place.all, "lora", 1e-2, **settings)
    assert_trained_as_plainly(place, found, "top lr=0.01 seed=0", place.top, "lora", 1e-2, **settings)


def test_accumulation_equals_a_larger_batch(place):
    small, large = place.run([place.all], batch_size=2, accumulation=2), place.run([place.all], batch_size=4)
    assert_same_end(small, large)


def test_results_are_losses_on_held_out_rows_before_and_after(place):
    run, metrics, evaluations = place.run([place.all])
    (variant,) = run.variants
    rows = encode_rows(place.task, choose_rows(place.task, run.config), place.model.encode, run.config)
    base = plain_losses(place.model.model, rows.test).tolist()
    tuned = PeftModel.from_pretrained(load_model(place.model.local.folder).model, variant.adapter).eval()
    found = {(e.variant, e.part): e.losses for e in evaluations}
    assert found["base", "test"] == pytest.approx(base, rel=1e-4)
    for part, short, held_out in (("validation", "eval", rows.validation), ("test", "test", rows.test)):
        after = plain_losses(tuned, held_out).tolist()
        assert found[variant.name, part] == pytest.approx(after, rel=1e-4)
        assert variant.results[f"{short}_loss_after"] == pytest.approx(sum(after) / len(after), rel=1e-4)
        assert variant.results[f"{short}_loss_before"] > variant.results[f"{short}_loss_after"], "it learned"
        assert 0 <= variant.results[f"{short}_accuracy_after"] <= 1
    assert list(curve(metrics, variant.name, "eval_loss")) == [0, 3, 6]
    assert list(curve(metrics, variant.name)) == [1, 2, 3, 4, 5, 6]
    assert curve(metrics, variant.name, "eval_loss")[6] == pytest.approx(variant.results["eval_loss_after"])


def test_a_half_precision_base_trains_float32_adapters(place):
    place.model.model.to(torch.bfloat16)
    run, _, _ = place.run([place.all, place.top], methods=("lora", "dora", "pissa", "olora", "eva"))
    assert {v.status for v in run.variants} == {"done"}
    for variant in run.variants:
        assert {t.dtype for t in weights(variant).values()} == {torch.float32}
        assert variant.results["eval_loss_after"] < variant.results["eval_loss_before"]
    assert {p.dtype for p in place.model.model.parameters()} == {torch.bfloat16}


def test_the_model_comes_back_as_it_was(place):
    before = {name: t.clone() for name, t in place.model.model.state_dict().items()}
    place.run([place.all], methods=("lora", "dora", "pissa"))
    after = place.model.model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], t) for name, t in before.items())


# Ends before the end


def test_a_variant_that_diverges_is_marked_and_the_others_go_on(place):
    together = place.run([place.wild(), place.all, place.low], learning_rates=(1e-2,))
    run, metrics, evaluations = together
    wild = run.variants[0]
    assert wild.status == "diverged" and wild.adapter is None
    assert "no longer finite at step" in wild.note and "try a learning rate below 0.01" in wild.note
    step = int(wild.note.split("at step ")[1].split(":")[0])
    assert max(curve(metrics, wild.name)) == step < 6
    assert wild.results["eval_loss_before"] > 0 and "eval_loss_after" not in wild.results
    assert not any(e.variant == wild.name for e in evaluations)
    alone = place.run([place.all, place.low])
    assert_same_end(together, alone, names=[v.name for v in alone[0].variants])


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_loss_or_a_gradient_that_is_not_a_number_ends_one_variant(place, monkeypatch, what):
    honest, calls = Lockstep.backward, []

    def broken(self, batch, variants, scale):
        losses = honest(self, batch, variants, scale)
        calls.append(1)
        if len(calls) == 3:
            if what == "loss":
                losses[0] = math.nan
            else:
                variants[0].down[0].grad.fill_(math.inf)
        return losses

    alone = place.run([place.all])
    monkeypatch.setattr(Lockstep, "backward", broken)
    together = place.run([place.top, place.all])
    top = together[0].variants[0]
    assert top.status == "diverged" and top.note.startswith(f"its {what} was no longer finite at step 3")
    assert_same_end(together, alone, names=["all lr=0.01 seed=0"])


def test_when_all_diverge_the_run_ends_and_its_curves_are_there(place):
    watch = Watch()
    run, metrics, evaluations = place.run([place.wild("wild"), place.wild("mad").model_copy(
        update={"modules": place.low.modules})], progress=watch)  # fmt: skip
    assert run.status == "done" and {v.status for v in run.variants} == {"diverged"}
    assert all(len(curve(metrics, v.name)) >= 1 for v in run.variants)
    comparison = compare_run(run, evaluations)
    assert comparison.best is None
    assert "diverged" in set(comparison.table["status"])
    assert watch.heard[-1][1] == watch.heard[-1][2]


def test_one_variant_is_cancelled_and_the_others_go_on(place, monkeypatch):
    monkeypatch.setattr(sweep, "REPORT_SECONDS", 0.0)
    name = "top lr=0.01 seed=0"
    # The first report of the stage comes before the first step.
    watch = Watch(4, lambda: cancel(place, name))
    together = place.run([place.all, place.top], progress=watch)
    run, metrics, _ = together
    top = run.variants[1]
    assert top.status == "cancelled" and top.adapter is None and top.note is None
    assert list(curve(metrics, name)) == [1, 2, 3]
    assert_same_end(together, place.run([place.all]), names=["all lr=0.01 seed=0"])
    assert watch.heard[-1][1] == watch.heard[-1][2]


def test_a_variant_cancelled_before_it_starts_never_trains(place, monkeypatch):
    name = "top lr=0.01 seed=0"
    watch = Watch(1, lambda: cancel(place, name), stage="evaluating the base model")
    run, metrics, _ = place.run([place.all, place.top], progress=watch)
    assert [v.status for v in run.variants] == ["done", "cancelled"]
    assert curve(metrics, name) == {}


def test_all_cancelled_ends_the_run(place):
    watch = Watch(1, lambda: cancel(place, "top lr=0.01 seed=0"), stage="evaluating the base model")
    run, _, evaluations = place.run([place.top], progress=watch)
    assert run.status == "done" and run.variants[0].status == "cancelled"
    assert compare_run(run, evaluations).best is None


# What is said meanwhile


def test_progress_never_goes_back_and_ends_at_its_total(place, monkeypatch):
    small_waves(place, monkeypatch)
    watch = Watch()
    place.run([place.wild(), place.low, place.top], seeds=2, progress=watch)
    done = [d for _, d, _ in watch.heard]
    assert done == sorted(done)
    assert len({total for _, _, total in watch.heard}) == 1
    assert done[-1] == watch.heard[-1][2]
    stages = {stage for stage, _, _ in watch.heard}
    assert stages == {"evaluating the base model", "training", "evaluating", "finished"}


@pytest.mark.parametrize("diverging", [False, True])
def test_progress_fits_what_there_is_to_do(place, diverging):
    watch = Watch()
    place.run([place.low, place.wild() if diverging else place.top], progress=watch)
    total = watch.heard[-1][2]
    reached = [done for stage, done, _ in watch.heard if stage != "finished"]
    assert reached[-1] == total and reached.count(total) == 1, "neither too little nor too much was counted"


def test_progress_counts_what_a_cancelled_variant_need_not_do(place, monkeypatch):
    monkeypatch.setattr(sweep, "REPORT_SECONDS", 0.0)
    watch = Watch(4, lambda: cancel(place, "top lr=0.01 seed=0"))
    place.run([place.all, place.top], progress=watch)
    reached = [done for stage, done, _ in watch.heard if stage != "finished"]
    assert reached[-1] == watch.heard[-1][2] and reached.count(reached[-1]) == 1


def test_a_resumed_run_counts_all_that_was_done(place):
    with pytest.raises(Killed):
        place.run([place.low, place.top], progress=Watch(6, kill))
    watch = Watch()
    place.run([place.low, place.top], progress=watch, fresh=False)
    reached = [done for stage, done, _ in watch.heard if stage != "finished"]
    assert reached[-1] == watch.heard[-1][2] and reached.count(reached[-1]) == 1


@pytest.mark.parametrize(("method", "waves"), [("lora", 1), ("pissa", 2)])
def test_weights_that_a_method_keeps_beside_the_base_need_room_too(place, monkeypatch, method, waves):
    small_waves(place, monkeypatch)
    watch = Watch()
    place.run([place.low], methods=(method,), seeds=2, progress=watch)
    assert sum(stage == "training" for stage, _, _ in watch.heard) == waves * (1 + SETTINGS["steps"])


def test_errors_of_the_placement_come_in_one_line(place):
    strange = place.top.modules[0].model_copy(update={"module": "model.layers.9.mlp.down_proj"})
    with pytest.raises(DomLoRAError, match=r"model\.layers\.9"):
        place.run([Placement(name="strange", modules=(strange,), rank=4, alpha=8)])
