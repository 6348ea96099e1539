"""The file: one page that asks nobody for anything, in which a name stays a name, small enough to be sent."""

import base64
import dataclasses
import gzip
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from domlora.comparison.analysis import compare_run
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError, UsageError
from domlora.report import page
from domlora.report.comparison import comparison_part
from domlora.report.energy_map import map_part
from domlora.report.search import search_part
from domlora.report.subjects import parts_of
from domlora.search.answer import make_answer
from domlora.store.store import Store
from tests.helpers import stored_searches as searches
from tests.helpers.compared import fill
from tests.helpers.maps import make_map

HOSTILE = '</script><img src=https://evil.example/x onerror="alert(1)">\u202e{{ 7 * 7 }}'


class Read(HTMLParser):
    """Tags, addresses, script blocks and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.scripts: dict[str, str] = {}
        self.words = ""
        self._script: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        known = dict(attributes)
        self.addresses += [known[name] for name in ("src", "href", "action", "data", "srcset") if name in known]
        self.handlers += [name for name in known if name.startswith("on")]
        self._script = known.get("id", "") if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self._script = None

    def handle_data(self, data):
        if self._script is None:
            self.words += data
        else:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data


@pytest.fixture
def all_parts(energy):
    """The parts of a map, a comparison and a search."""
    store = Store()
    store.maps.add(energy)
    race = searches.stored(energy, judged=True)
    return parts_of(store, [energy.id[:6], "abab", race.id])


def test_one_file_of_three_results_has_all_of_them_and_loads_nothing(all_parts):
    text = page.html(all_parts, when=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    assert len(text.encode()) < 5e6
    read = Read(text)
    assert [a for a in read.addresses if not a.startswith("#part-")] == []
    assert len(read.addresses) == 3
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(read.tags)
    assert "@import" not in text and "url(" not in read.scripts[""]
    for said in (
        "3 results of domlora", "2026-01-02 03:04 UTC", "Diffuse: the energy spreads", "model.layers.11.mlp.down_proj",
        "domlora probe smollm2-135m --task math --samples 32", "torch 2.13.0", "The lowest test loss is all-linear's",
        "Placements differ in budget", "+0.100 (+0.083 to +0.117)", "domlora compare smollm2-135m --task math",
        "--placements dominant,qv,all-linear", "domlora find smollm2-135m --task math", "Adapt all-linear",
        "the reason for qv", "Takes no part: embed: it is not adapted here.", "LoraConfig(", "peft 1", "chat",
        "2.00 GB",
    ):  # fmt: skip
        assert said in read.words, said
    drawn = json.loads(read.scripts["figures"])
    assert read.words.count("LoraConfig(") == 3
    assert len(drawn) == len(re.findall(r'data-chart="\d+"', text)) == 2 + 4 + 2
    script = gzip.decompress(base64.b64decode(read.scripts["plotly"])).decode()
    assert script == page._script().read_text(encoding="utf-8")


def test_names_from_outside_stay_text_everywhere(energy):
    provenance = energy.provenance.model_copy(update={
        "model": f"{HOSTILE}\ud800", "task": HOSTILE, "model_source": HOSTILE, "warnings": (HOSTILE,),
        "model_origin": None, "task_origin": None, "versions": {HOSTILE: HOSTILE},
    })  # fmt: skip
    modules = energy.modules.assign(module=[f"{HOSTILE}{i}" for i in range(len(energy.modules))])
    run = fill(energy, steps=20, ended=True)
    placements = tuple(p.model_copy(update={"name": f"{p.name}{HOSTILE}"}) for p in run.placements)
    variants = tuple(dataclasses.replace(v, placement=v.placement + HOSTILE, note=HOSTILE) for v in run.variants)
    hostile = dataclasses.replace(
        run, model=HOSTILE, task=HOSTILE, placements=placements, variants=variants, warnings=(HOSTILE,),
        facts={**run.facts, "device": HOSTILE, "remarks": [HOSTILE]},
    )  # fmt: skip
    comparison = compare_run(hostile, Store().runs.evaluations(run.id))
    parts = [
        map_part(EnergyMap(modules, provenance)), comparison_part(comparison, Store().runs.metrics(run.id)),
        search_part(make_answer(dataclasses.replace(searches.race(energy), model=HOSTILE, warnings=(HOSTILE,)), None),
                    None),
    ]  # fmt: skip
    text = page.html(parts)
    text.encode()  # half a surrogate pair is spelt out
    read = Read(text)
    assert read.tags.count("script") == 3
    assert "img" not in read.tags
    assert read.handlers == []
    assert [a for a in read.addresses if not a.startswith("#part-")] == []
    assert "{{ 7 * 7 }}" in read.words
    assert "<img src=https://evil.example/x" in read.words
    assert "\u202e" not in text
    assert "<" not in read.scripts["figures"]
    assert len(json.loads(read.scripts["figures"])) == text.count("data-chart=")


def test_what_is_not_known_yet_is_said_and_nothing_fails(energy):
    store = Store()
    fresh = fill(energy, steps=10, ended=False)
    untrained = dataclasses.replace(fresh, variants=())
    for run in (fresh, untrained):
        part = comparison_part(compare_run(run, store.runs.evaluations(run.id)), store.runs.metrics(run.id))
        assert "It has not ended" in part.made
        assert "No contestant has been measured to the end yet." in Read(page.html([part])).words
    for done in (0, 2):
        part = search_part(make_answer(searches.race(energy, done=done), None), None)
        words = Read(page.html([part])).words
        assert "The finalists" not in words
        assert "domlora find" in words
    sample = map_part(make_map([2.0, 1.0], samples=1, loss=None))
    assert "95 % interval" not in Read(page.html([sample])).words


def test_a_page_without_a_chart_does_without_the_script(energy):
    part = dataclasses.replace(map_part(energy), sections=())
    assert len(page.html([part])) < 20_000


def test_ids_that_fit_nothing_or_several_are_one_line(energy):
    store = Store()
    fill(energy, steps=20, ended=True)
    fill(energy, steps=20, ended=True, key="ac")
    for wanted, words in (("zz", "the store has no result 'zz'"), ("", "no result ''"), ("A", "'A' fits 2 results")):
        with pytest.raises(DomLoRAError, match=words):
            parts_of(store, [wanted])
    assert [part.id for part in parts_of(store, ["acac", "AB", "abab"])] == ["acacacacacac", "abababababab"]


def test_without_plotly_it_says_what_to_install(energy, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DomLoRAError, match="pip install plotly"):
        page.html([map_part(energy)])


def test_only_pages_are_written_and_what_cannot_be_is_said(tmp_path):
    for name in ("report.pdf", "report"):
        with pytest.raises(UsageError, match=r"written as \.html"):
            page.check_suffix(tmp_path / name)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DomLoRAError, match="cannot write"):
        page.write("", tmp_path / "file" / "report.html")
    assert page.write("ä", tmp_path / "new" / "report.html") == 2
