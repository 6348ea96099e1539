"""The small reference models: what is shipped is small, safe, trained, and what its card says; the script makes them.

Comes in: sample_data/models and the script beside it. Losses in the cards are computed again by domlora from the files.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from domlora import load_model, load_task
from domlora.cli.main import main
from domlora.data.encoding import encode
from domlora.data.tasks import builtin_tasks
from domlora.errors import ModelError
from domlora.models.catalogue import REFERENCE_MODELS, is_ready, known_models
from domlora.models.fetch import localise
from domlora.models.reference import resolve
from domlora.training.evaluation import evaluate_base

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"
sys.path.insert(0, str(SAMPLE_DATA))

import make_models  # noqa: E402
import model_cards  # noqa: E402
import model_recipes  # noqa: E402

MODELS = SAMPLE_DATA / "models"
NAMES = list(REFERENCE_MODELS)
FILES = {
    "README.md", "training.json", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
    "tokenizer_config.json", "chat_template.jinja",
}  # fmt: skip
MEGABYTE = 1e6


def record(name: str) -> dict:
    return json.loads((MODELS / name / "training.json").read_text(encoding="utf-8"))


def size(name: str) -> int:
    return sum(path.stat().st_size for path in (MODELS / name).iterdir())


@pytest.fixture(scope="module")
def loaded():
    """Each model once for all tests."""
    models = {}

    def get(name: str):
        if name not in models:
            models[name] = load_model(name, device="cpu")
        return models[name]

    return get


# What is shipped


def test_every_model_has_a_recipe_and_a_folder():
    assert set(NAMES) == set(model_recipes.RECIPES) == {path.name for path in MODELS.iterdir()}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_small_and_holds_data_only(name):
    assert {path.name for path in (MODELS / name).iterdir()} == FILES  # no pickle, no code
    assert size(name) <= 8 * MEGABYTE
    assert "auto_map" not in (MODELS / name / "config.json").read_text(encoding="utf-8")
    assert "auto_map" not in (MODELS / name / "tokenizer_config.json").read_text(encoding="utf-8")


def test_all_folders_together_are_small():
    assert sum(map(size, NAMES)) <= 40 * MEGABYTE


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_what_the_registry_and_its_card_say(name, loaded):
    model = loaded(name).model
    parameters = sum(p.numel() for p in model.parameters())
    assert 1e6 <= parameters <= 3e6
    assert parameters == REFERENCE_MODELS[name].parameters == record(name)["parameters"]
    assert type(model) is model_recipes.RECIPES[name].model
    assert loaded(name).architecture == record(name)["architecture"]
    assert (model.config.num_hidden_layers, model.config.vocab_size) == (8, len(loaded(name).tokenizer))
    assert model.config.max_position_embeddings >= 512
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", NAMES)
def test_held_out_losses_of_the_card_are_those_of_the_files(name, loaded):
    shipped, found, said = loaded(name), [], []
    for task in builtin_tasks():
        rows = encode(load_task(task).split("validation")[:3], shipped.tokenizer, 512).samples
        found += evaluate_base(shipped.model, rows).losses
        said += record(name)["held_out"][task]["rows"][:3]
    assert found == pytest.approx(said, rel=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_the_card_shows_the_losses_that_were_recorded(name):
    card = (MODELS / name / "README.md").read_text(encoding="utf-8")
    assert card == model_cards.card(record(name), model_recipes.RECIPES[name].shape)
    for task, held_out in record(name)["held_out"].items():
        assert held_out["loss"] == pytest.approx(sum(held_out["rows"]) / len(held_out["rows"]), abs=1e-3)
        assert f"| {task} | {len(held_out['rows'])} | {held_out['loss']:.4f} |" in card


@pytest.mark.parametrize("name", NAMES)
def test_a_model_was_trained(name):
    curve = record(name)["curve"]
    kept = next(point for point in curve if point["step"] == record(name)["best_step"])
    assert all(kept["held_out"][task] < 0.75 * curve[0]["held_out"][task] for task in builtin_tasks())
    losses = [point["train_loss"] for point in curve[1:]]
    assert losses == sorted(losses, reverse=True)


def test_the_docs_show_the_models_as_they_are():
    docs = (SAMPLE_DATA.parent / "docs" / "reference_models.md").read_text(encoding="utf-8")
    assert model_cards.overview([record(name) for name in NAMES], [size(name) for name in NAMES]) in docs


# The tokenizer


def test_the_tokenizer_is_the_one_that_the_training_rows_give(tmp_path):
    model_recipes.train_tokenizer(make_models.training_texts()).save_pretrained(tmp_path)
    made = (tmp_path / "tokenizer.json").read_bytes()
    assert all((MODELS / name / "tokenizer.json").read_bytes() == made for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_response_is_the_answer_and_the_end_of_its_turn(name, loaded):
    tokenizer = loaded(name).tokenizer
    samples = [load_task(task).split("validation")[0] for task in ("math", "code", "chat")]
    for sample, encoded in zip(samples, encode(samples, tokenizer, 512).samples, strict=True):
        answer = [token for token, counts in zip(encoded.ids, encoded.response, strict=True) if counts]
        turns = [message.content for message in sample.messages if message.role == "assistant"]
        assert tokenizer.decode(answer) == "".join(turn + "<|im_end|>" for turn in turns)
        assert answer[-1] == tokenizer.eos_token_id == loaded(name).model.config.eos_token_id


# The registry


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_model_is_built_in_and_ready(name, home):
    assert resolve(name).kind == "builtin"
    assert is_ready(name)
    assert localise(resolve(name)).revision == localise(resolve(str(MODELS / name))).revision
    assert not (home / "models").exists()  # nothing was fetched


def test_reference_models_are_marked_and_come_after_the_real_ones(capsys):
    assert list(known_models())[-len(NAMES) :] == NAMES
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in listed if model["reference"]] == NAMES
    assert all(model["ready"] and model["title"] == "Small reference model" for model in listed if model["reference"])


def test_an_adapter_names_a_base_that_transformers_loads(loaded):
    base = loaded("ref-gpt2").local.origin.base_name
    assert loaded("ref-gpt2").base_name == base
    model = AutoModelForCausalLM.from_pretrained(base)
    assert model.dtype == torch.float32  # the files are float16
    for key, weight in model.state_dict().items():
        assert torch.equal(weight, loaded("ref-gpt2").model.state_dict()[key])


def test_a_model_that_was_not_installed_says_how_to_make_it(tmp_path, monkeypatch):
    monkeypatch.setattr("domlora.models.catalogue.sample_data_path", lambda: tmp_path)
    assert not is_ready("ref-moe")
    with pytest.raises(ModelError, match=r"ref-moe is missing.*make_models.py --only ref-moe"):
        localise(resolve("ref-moe"))


def test_a_reference_model_is_probed_by_name(capsys):
    assert main(["probe", "ref-llama", "--task", "math", "--samples", "2", "--json"]) == 0
    energy = json.loads(capsys.readouterr().out)
    assert energy["model"] == "ref-llama"
    assert len(energy["modules"]) == 8 * 7


# The script


@pytest.fixture(scope="module")
def rows():
    """A few short rows of each task."""
    tokenizer = model_recipes.train_tokenizer(make_models.training_texts())

    def some(split: str, count: int) -> make_models.Rows:
        found = {}
        for name in builtin_tasks():
            samples = sorted(load_task(name).split(split), key=lambda s: sum(len(m.content) for m in s.messages))
            found[name] = encode(samples[:count], tokenizer, 128).samples
        return found

    return tokenizer, some("train", 12), some("validation", 2)


def miniature(name: str) -> torch.nn.Module:
    """The real class with two narrow layers."""
    recipe = model_recipes.RECIPES[name]
    depth = "n_layer" if "n_layer" in recipe.arguments else "num_hidden_layers"
    torch.manual_seed(0)
    return replace(recipe, arguments={**recipe.arguments, depth: 2}).build()


@pytest.mark.parametrize("name", ["ref-llama", "ref-moe"])
def test_a_few_steps_of_the_script_lower_the_loss_and_leave_a_folder_that_loads(name, rows, tmp_path):
    tokenizer, training, held_out = rows
    model = miniature(name)
    curve = make_models.train(model, training, held_out, make_models.Schedule(steps=24, tokens_per_step=256))
    assert [point.step for point in curve] == [0, 24]
    assert curve[-1].mean < curve[0].mean - 1
    make_models.save(model, tokenizer, tmp_path / "model")
    again = load_model(tmp_path / "model", device="cpu", dtype="float32")
    for task, found in held_out.items():
        assert evaluate_base(again.model, found).loss == pytest.approx(curve[-1].held_out[task], abs=1e-3)


def test_the_same_seed_trains_the_same_weights(rows):
    _, training, held_out = rows
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        models = [miniature("ref-llama") for _ in range(2)]
        for model in models:
            make_models.train(model, training, held_out, make_models.Schedule(steps=3))
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)


def test_the_best_weights_are_kept_and_a_rising_loss_ends_training(rows):
    _, training, held_out = rows
    # A rate far too high: the untrained weights stay the best, or an early epoch does.
    schedule = make_models.Schedule(epochs=6, learning_rate=3.0, warmup=0.0, patience=1)
    model = miniature("ref-llama")
    curve = make_models.train(model, training, held_out, schedule)
    best = min(curve, key=lambda point: point.mean)
    assert curve[-1] is not best
    assert len(curve) < 7
    for task, found in held_out.items():
        assert evaluate_base(model, found).loss == pytest.approx(best.held_out[task], rel=1e-5)


def test_batches_hold_every_row_once_within_their_tokens(rows):
    flat = [row for task in rows[1].values() for row in task]
    drawn = make_models.batches(flat, 256, seed=1)
    key = lambda row: (row.ids, row.row)  # noqa: E731
    assert sorted((row for batch in drawn for row in batch), key=key) == sorted(flat, key=key)
    assert all(len(batch) * max(len(row.ids) for row in batch) <= 256 for batch in drawn)
    assert drawn == make_models.batches(flat, 256, seed=1)
    assert drawn != make_models.batches(flat, 256, seed=2)


def test_the_loss_of_a_batch_is_the_mean_over_its_tokens_without_padding(rows):
    batch = [rows[1]["math"][0], rows[1]["chat"][0]]
    model = miniature("ref-gpt2").eval()
    total = count = 0
    for row in batch:
        ids = torch.tensor([row.ids])
        chances = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        total -= chances[torch.arange(len(row.ids) - 1), ids[0, 1:]].sum().item()
        count += len(row.ids) - 1
    assert make_models.token_loss(model, batch)[0].item() == pytest.approx(total / count, rel=1e-5)
