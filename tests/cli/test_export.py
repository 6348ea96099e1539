"""`domlora runs export`: a small comparison that was really trained, and what is written of it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from domlora.comparison.config import SweepConfig, variant_name
from domlora.export.saved import read_adapter
from domlora.export.uniform import uniform_rank
from domlora.models.fetch import localise
from domlora.models.origin import ModelOrigin
from domlora.models.reference import resolve
from domlora.store.store import Store
from tests.helpers.command import run
from tests.helpers.exported import distance, loaded, logits, reference, saved, with_adapter
from tests.helpers.runs import DOMINANT, a_run, evaluation


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Puts a finished run with one variant into a store, whose adapter is of a method and of ranks."""

    def make(method="lora", ranks="mixed"):
        base = localise(resolve("ref-llama"))
        adapter = saved(loaded(base.folder), tmp_path / "adapter of run", method, ranks)
        before = a_run()
        name = variant_name("dominant", method, 1e-3, 0)
        results = {"eval_loss_after": 1.4, "test_loss_before": 2.5, "test_loss_after": 1.5}
        variant = replace(
            before.variants[0], name=name, method=method, status="done", adapter=str(adapter), results=results
        )
        config = SweepConfig(placements=("dominant",), learning_rates=(1e-3,), seeds=1, methods=(method,))
        store = Store()
        kept = store.runs.start(
            replace(before, config=config, placements=(DOMINANT,), variants=(variant,), model_revision=base.revision,
                    model_origin=ModelOrigin(kind="reference", place="ref-llama"), job=None)
        )  # fmt: skip
        store.runs.add_evaluations(kept.id, [evaluation("base", losses=(2.5, 2.6)), evaluation(name)])
        store.runs.finish(kept.id)
        return kept.id, adapter

    monkeypatch.setenv("DOMLORA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("DOMLORA_STORE", raising=False)
    return make


def test_the_padded_adapter_is_written_where_a_server_would_misread_the_other(stored, tmp_path, capsys):
    identity, adapter = stored()
    status, _, err = run(capsys, "runs", "export", identity, "--out", tmp_path / "out")
    assert status == 0, err
    assert "adapter_uniform" in err
    uniform = read_adapter(tmp_path / "out" / "adapter_uniform")
    assert {(m.rank, m.scale) for m in uniform.modules} == {(uniform_rank(read_adapter(adapter)), 1.0)}
    text = (tmp_path / "out" / "where_it_runs.md").read_text(encoding="utf-8")
    assert "| llama.cpp |" in text and "take `adapter_uniform/`" in text
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.license == "apache-2.0" and "adapter_uniform" in card.text


def test_the_merged_model_is_written_beside_it(stored, tmp_path, capsys):
    identity, adapter = stored("dora", "equal")
    status, _, err = run(capsys, "runs", "export", identity, "--out", tmp_path / "out", "--merged")
    assert status == 0, err
    assert not (tmp_path / "out" / "adapter_uniform").exists()
    base = reference("ref-llama")
    wanted, zero = logits(with_adapter(base, adapter)), logits(loaded(base))
    assert distance(logits(loaded(tmp_path / "out" / "merged")), wanted, zero) < 1e-5
    status, _, err = run(capsys, "runs", "export", identity, "--out", tmp_path / "out", "--merged")
    assert status == 1 and "holds something already" in err


def test_gguf_is_made_by_the_checkout_that_is_named(stored, tmp_path, capsys):
    """By stand-ins for its scripts, that write what they were given; `tests/export/test_gguf.py` has the real ones."""
    identity, _ = stored()
    checkout = tmp_path / "llama.cpp"
    checkout.mkdir()
    script = "import sys; open(sys.argv[sys.argv.index('--outfile') + 1], 'w').write(' '.join(sys.argv[1:]))"
    for name in ("convert_lora_to_gguf.py", "convert_hf_to_gguf.py"):
        (checkout / name).write_text(script, encoding="utf-8")
    out = tmp_path / "out"
    command = ("runs", "export", identity, "--out", out, "--gguf", "--llama-cpp", checkout, "--merged")
    status, _, err = run(capsys, *command)
    assert status == 0, err
    given = (out / "adapter.gguf").read_text(encoding="utf-8")
    assert given.endswith(str(out / "adapter_uniform")) and f"--base {reference('ref-llama').resolve()}" in given
    assert (out / "merged.gguf").read_text(encoding="utf-8").startswith("--outtype f32")
    assert "llama.cpp converts the adapter" in err


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--gguf",), 1, "--llama-cpp or $LLAMA_CPP"),
        (("--llama-cpp", "x"), 2, "--gguf"),
        (("--private",), 2, "--push-to-hub"),
        (("--push-to-hub", "no-owner"), 2, "OWNER/NAME"),
        (("--push-to-hub", "owner/name"), 1, "HF_TOKEN"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    options, status, words, stored, tmp_path, capsys, monkeypatch
):
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    identity, _ = stored()
    found, _, err = run(capsys, "runs", "export", identity, "--out", tmp_path / "out", *options)
    assert found == status and words in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_dora_adapter_has_no_gguf_of_its_own(stored, tmp_path, capsys):
    identity, _ = stored("dora", "equal")
    checkout = tmp_path / "llama.cpp"
    checkout.mkdir()
    for name in ("convert_lora_to_gguf.py", "convert_hf_to_gguf.py"):
        (checkout / name).write_text("", encoding="utf-8")
    status, _, err = run(capsys, "runs", "export", identity, "--out", tmp_path / "o", "--gguf", "--llama-cpp", checkout)
    assert status == 1 and "refuses DoRA" in err and "--merged" in err
    assert not (tmp_path / "o").exists()


def test_an_adapter_that_is_elsewhere_is_said(stored, tmp_path, capsys):
    identity, adapter = stored()
    shutil.rmtree(adapter)
    status, _, err = run(capsys, "runs", "export", identity, "--out", tmp_path / "out", "--merged")
    assert status == 1 and "is not on this machine" in err
