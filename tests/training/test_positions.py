"""Training a model with a table of positions: rows end where the table does, whatever length was asked for."""

from transformers import OPTConfig, OPTForCausalLM

from domlora.data.tasks import load_task
from tests.helpers.sweep_place import Place
from tests.helpers.sweeping import write_task


def test_rows_longer_than_the_table_are_cut_and_said_to_be(tokenizer, tmp_path, monkeypatch):
    config = OPTConfig(
        hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32,
        max_position_embeddings=24, vocab_size=len(tokenizer),
    )  # fmt: skip
    OPTForCausalLM(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    place = Place(tmp_path / "model", load_task(str(write_task(tmp_path / "rows.jsonl"))), tmp_path, monkeypatch)
    run, metrics, _ = place.run([place.top], max_length=500)
    assert run.status == "done" and len(metrics)
    assert any("rows were cut at 24 tokens" in warning for warning in run.warnings)
