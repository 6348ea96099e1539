"""`domlora report` as a user meets it."""

import json

from domlora.energy.files import read
from domlora.paths import sample_data_path
from domlora.store.store import Store
from tests.helpers.command import run
from tests.helpers.stored_searches import stored


def test_results_become_one_file_and_its_path_is_printed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    energy = read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")
    Store().maps.add(energy)
    race = stored(energy, judged=True)
    assert run(capsys, "report", energy.id[:5]) == (0, "report.html\n", "")
    assert "<title>Energy map: smollm2-135m on math</title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    out = tmp_path / "new" / "all.html"
    status, printed, _ = run(capsys, "report", race.id, "abab", energy.id, race.id, "--out", out, "--json")
    assert status == 0
    assert json.loads(printed) == {"path": str(out), "bytes": out.stat().st_size}
    assert "<title>3 results of domlora</title>" in out.read_text(encoding="utf-8")
    for arguments, status, words in (
        (("zz",), 1, "the store has no result 'zz'"),
        ((race.id, "--out", "report.pdf"), 2, "written as .html"),
    ):
        found = run(capsys, "report", *arguments)
        assert (found[0], found[1]) == (status, "")
        assert words in found[2] and found[2].startswith("domlora: ") and found[2].count("\n") == 1
    assert not (tmp_path / "report.pdf").exists()
