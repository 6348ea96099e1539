"""`place`, `compare` and `runs` as a user meets them, and what `runs export` leaves on the disk."""

import json
import subprocess
import sys

import pytest
import yaml

from tests.helpers.command import run

TINY = ("--lr", "1e-2,1e-3", "--steps", 2, "--rank", 2, "--batch-size", 2, "--answers", 1, "--answer-tokens", 3,
        "--forgetting-rows", 2, "--samples", 4)  # fmt: skip


@pytest.fixture
def rows(tmp_path):
    """Thirty rows in Alpaca form."""
    path = tmp_path / "rows.jsonl"
    lines = [
        {"instruction": f"what is {i} and the fox?", "output": "four, the lazy dog" + " over" * (i % 4)}
        for i in range(30)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture
def compared(capsys, tiny_folder, rows):
    """The JSON of a finished comparison."""
    command = ("compare", tiny_folder, "--task", rows, "--placements", "dominant,all-linear", "--seeds", 1, *TINY)
    status, out, err = run(capsys, *command, "--json")
    assert status == 0, err
    return json.loads(out)


def test_compare_prints_one_json_object_with_the_promised_keys(compared):
    assert [(v["placement"], v["lr"], v["seed"]) for v in compared["variants"][:4]] == [
        (placement, rate, 1000) for placement in ("dominant", "all-linear") for rate in (1e-3, 1e-2)
    ]
    chosen = {c["placement"]: c["learning_rate"] for c in compared["contestants"]}
    judged = [(v["placement"], v["lr"], v["seed"]) for v in compared["variants"][4:]]
    assert judged == [("dominant", chosen["dominant"], 0), ("all-linear", chosen["all-linear"], 0)]
    wanted = {
        "placement", "lr", "seed", "trainable_parameters", "eval_loss_before", "eval_loss_after", "status",
    }  # fmt: skip
    assert wanted <= set(compared["variants"][0])
    assert {variant["status"] for variant in compared["variants"]} == {"done"}
    assert compared["best"] in ("dominant", "all-linear")


def test_the_same_comparison_is_answered_from_the_store(capsys, compared, tiny_folder, rows):
    command = ("compare", tiny_folder, "--task", rows, "--placements", "dominant,all-linear", "--seeds", 1, *TINY)
    status, out, _ = run(capsys, *command)
    assert status == 0
    assert f"Run {compared['run']}" in out
    assert len(json.loads(run(capsys, "runs", "--json")[1])) == 1


def test_runs_are_listed_shown_and_removed(capsys, compared, home):
    assert compared["run"] in run(capsys, "runs")[1]
    assert "Loss on" in run(capsys, "runs", "show", compared["run"][:5], "--baseline", "dominant")[1]
    assert run(capsys, "runs", "show", compared["run"], "--baseline", "nobody")[0] == 2
    assert (home / "runs" / compared["run"]).is_dir()
    assert run(capsys, "runs", "remove", compared["run"])[0] == 0
    assert not (home / "runs" / compared["run"]).exists()
    assert "No comparisons yet" in run(capsys, "runs")[1]


def test_export_loads_on_the_base_and_changes_its_logits(capsys, tmp_path, compared, tiny_folder):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    out = tmp_path / "out"
    assert run(capsys, "runs", "export", compared["run"], "--out", out)[0] == 0
    base = AutoModelForCausalLM.from_pretrained(tiny_folder).eval()
    ids = torch.arange(20).unsqueeze(0)
    before = base(ids).logits
    adapted = PeftModel.from_pretrained(base, out / "adapter").eval()
    assert not torch.equal(adapted(ids).logits, before)
    assert json.loads((out / "settings.json").read_text(encoding="utf-8"))["run"] == compared["run"]
    for script in ("lora_config.py", "train_with_trl.py", "train_with_unsloth.py"):
        compile((out / script).read_text(encoding="utf-8"), script, "exec")
    for name in ("axolotl.yaml", "llama_factory.yaml", "dataset_info.json", "train.jsonl", "conversations.jsonl"):
        assert (out / name).stat().st_size, name


def test_export_of_a_variant_that_is_not_there_names_those_that_are(capsys, tmp_path, compared):
    status, _, err = run(capsys, "runs", "export", compared["run"], "--variant", "none", "--out", tmp_path / "out")
    assert status == 2
    assert "dominant lr=0.001 seed=1000" in err


def test_place_writes_what_peft_loads(capsys, tmp_path, tiny_folder, rows):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    out = tmp_path / "placed"
    command = ("place", tiny_folder, "--task", rows, "--samples", 4, "--rank", 2, "--out", out, "--json")
    status, text, err = run(capsys, *command)
    assert status == 0, err
    placed = json.loads(text)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folder), LoraConfig.from_pretrained(str(out)))
    assert model.targeted_module_names == [placed["modules"][0]["module"]]
    assert model.get_nb_trainable_parameters()[0] == placed["trainable_parameters"]
    for script in ("train_with_trl.py", "train_with_unsloth.py"):
        compile((out / script).read_text(encoding="utf-8"), script, "exec")
    settings = yaml.safe_load((out / "axolotl.yaml").read_text(encoding="utf-8"))
    assert settings["lora_target_modules"] == [placed["modules"][0]["module"]]
    assert (settings["base_model"], settings["datasets"][0]["path"]) == (str(tiny_folder.resolve()), str(rows))
    assert settings["datasets"][0]["type"] == "alpaca"
    assert not (out / "train.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--lr", "0"), 2, "--lr: a learning rate of 0 trains nothing"),
        (("--lr=-1e-3",), 2, "--lr: a learning rate of -0.001 trains nothing"),
        (("--placements", "nobody"), 2, "no placement is called 'nobody': known are dominant"),
        (("--placements", "dominant,dominant"), 2, "dominant is named twice"),
        (("--placements", "dominant,top-k:1"), 1, "are the same placement here: leave one out"),
        (("--placements", "router"), 1, "router"),
        (("--budget", 1), 1, "below rank 1; the smallest possible is"),
        (("--rank", 999), 1, "rank 999 is larger than"),
        (("--batch-size", 99), 1, "fewer than one step reads"),
        (("--train-rows", 99), 1, "99 training rows asked for"),
        (("--steps", 0), 2, "--steps"),
    ],
)
def test_bad_requests_are_one_line_with_a_way_out(capsys, tiny_folder, rows, options, status, words):
    one = ("--placements", "dominant")
    found, out, err = run(capsys, "compare", tiny_folder, "--task", rows, *one, *TINY, *options)
    last = [line for line in err.splitlines() if line.strip()][-1]
    assert (found, out) == (status, "")
    assert words in last


def test_worker_and_dashboard_have_options_of_their_own():
    for command in ("worker", "dashboard"):
        done = subprocess.run(
            [sys.executable, "-m", "domlora.cli", command, "--help"],
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        assert "Usage" in done.stdout or "usage" in done.stdout


def test_unknown_options_are_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        run(capsys, "maps", "--nonsense")
    assert ended.value.code == 2


def test_place_at_the_head_and_whole_weights_write_what_peft_loads(capsys, tmp_path, tiny_folder, rows):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    of = (tiny_folder, "--task", rows, "--samples", 4, "--rank", 2, "--json")
    for name, module, whole in (
        ("lm_head", "lm_head", ()),
        ("embed", "model.embed_tokens", ()),
        ("down@1", "model.layers.1.mlp.down_proj", ("--train-whole", "lm_head")),
    ):
        out = tmp_path / name
        status, text, err = run(capsys, "place", *of, "--placement", name, "--out", out, *whole)
        assert status == 0, err
        placed = json.loads(text)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folder), LoraConfig.from_pretrained(str(out)))
        assert model.targeted_module_names == [module]
        assert model.get_nb_trainable_parameters()[0] == placed["trainable_parameters"]
        assert placed.get("modules_to_save") == (["lm_head"] if whole else None)


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--placement", "lm_head:full"), 2, "--train-whole lm_head"),
        (("--train-whole", "q"), 2, "--train-whole q: embed or lm_head can be trained whole"),
        (("--placement", "lm_head", "--train-whole", "lm_head"), 1, "lm_head has an adapter at lm_head"),
        (("--placement", "embed", "--method", "pissa"), 1, "which PEFT does not adapt with pissa"),
        (("--placement", "embed", "--rank", 999), 1, "rank 999 is larger than model.embed_tokens"),
    ],
)
def test_what_cannot_be_placed_at_the_ends_is_one_line(capsys, tmp_path, tiny_folder, rows, options, status, words):
    found, out, err = run(
        capsys, "place", tiny_folder, "--task", rows, "--samples", 4, "--out", tmp_path / "x", *options
    )
    assert (found, out) == (status, "")
    assert words in [line for line in err.splitlines() if line.strip()][-1]
