"""What a process notes of the points that it sent."""

from __future__ import annotations

from domlora.tracking import mark


def test_how_far_a_variant_was_sent_survives_a_torn_file(home):
    mark.write("trackio", "ab", {"train/loss": 3})
    assert mark.read("trackio", "ab") == {"train/loss": 3}
    (home / "tracking" / "trackio" / "ab.json").write_text('{"train', encoding="utf-8")
    assert mark.read("trackio", "ab") == {} == mark.read("trackio", "other")
