"""Flags are made of settings: every one has help and says its default, and `--queue` is the same on every command."""

import argparse
import json
from collections.abc import Iterator
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from domlora.cli.arguments import add_settings, checked
from domlora.cli.main import build_parser, main
from domlora.comparison.config import SweepConfig
from domlora.errors import UsageError
from domlora.jobs import worker
from domlora.jobs.queue import Queue
from domlora.jobs.spec import HeldOut, ProbeRequest, SweepRequest
from domlora.probes.config import ProbeConfig
from domlora.settings import setting
from domlora.store.store import Store
from tests.helpers.sweeping import write_task


def run(capsys, *argv):
    """Exit status, stdout, stderr of one command."""
    status = main([str(a) for a in argv])
    out = capsys.readouterr()
    return status, out.out, out.err


class Settings(BaseModel):
    """One field of every form that a flag can be made of."""

    count: int = Field(default=8, ge=1, title="Count", description="how many")
    rate: float = Field(default=0.1, gt=0, title="Rate", description="less than 100 %")
    mode: Literal["a", "b"] = Field(default="b", title="Mode", description="which way")
    learning_rates: tuple[float, ...] = Field(default=(1e-3, 1e-2), title="Rates", description="to try")
    names: tuple[str, ...] = Field(default=(), title="Names", description="to name")
    rows: int | None = Field(
        default=None, ge=1, title="Rows", description="at most", json_schema_extra={"unset": "all of them"}
    )
    fast: bool = Field(default=False, title="Fast", description="hurry")
    needed: str = Field(title="Needed", description="what must be given")


def parser_of(*names: str, **options) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_settings(parser, Settings, *(names or Settings.model_fields), **options)
    return parser


def actions(parser: argparse.ArgumentParser, path: str = "domlora") -> Iterator[tuple[str, argparse.Action]]:
    """Every flag and positional of a parser and of the commands below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from actions(command, f"{path} {name}")
        elif action.help != argparse.SUPPRESS:
            yield f"{path} {'/'.join(action.option_strings) or action.dest}", action


def tree() -> dict[str, argparse.Action]:
    return dict(actions(build_parser())) | dict(actions(worker.parser(), "domlora worker"))


def test_every_command_is_walked_over():
    commands = {place.rpartition(" ")[0] for place in tree()}
    for name in ("probe", "place", "compare", "matrix", "probes rank", "maps show", "runs export", "jobs submit",
                 "models get", "tasks show", "worker"):  # fmt: skip
        assert f"domlora {name}" in commands
    assert {"worker", "dashboard"} <= set(build_parser()._subparsers._group_actions[0].choices)


@pytest.mark.parametrize("place", tree())
def test_no_option_is_without_help_and_default(place):
    action = tree()[place]
    assert action.help, "no help"
    shown = argparse.ArgumentParser()._get_formatter()._expand_help(action)
    if not action.option_strings or action.required or action.nargs == 0:  # positionals, switches
        return
    assert "default" in shown
    if action.default is not None:
        values = action.default if isinstance(action.default, tuple) else [action.default]
        said = shown.rpartition("default")[2]
        for value in values:
            number = isinstance(value, float)
            assert any(float(w) == value for w in numbers(said)) if number else str(value) in said


def numbers(text: str) -> list[float]:
    found = []
    for word in text.replace(",", " ").strip(") :").split():
        try:
            found.append(float(word))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--count", "how many (default 8)"),
        ("--rate", "less than 100 % (default 0.1)"),
        ("--mode", "which way (default b)"),
        ("--lr", "to try (default 1e-3,1e-2)"),
        ("--names", "to name (default: none)"),
        ("--rows", "at most (default: all of them)"),
        ("--fast", "hurry"),
        ("--needed", "what must be given"),
    ],
)
def test_a_flag_says_what_its_field_says(flag, text):
    parser = parser_of()
    (action,) = (a for a in parser._actions if flag in a.option_strings)
    assert parser._get_formatter()._expand_help(action) == text


def test_flags_read_what_their_fields_hold():
    read = parser_of().parse_args(
        ["--count", "3", "--rate", "2", "--mode", "a", "--lr", "1e-3, 2", "--names", "x,y", "--fast", "--needed", "n"]
    )
    assert vars(read) == {
        "count": 3, "rate": 2.0, "mode": "a", "learning_rates": (1e-3, 2.0), "names": ("x", "y"), "rows": None,
        "fast": True, "needed": "n",
    }  # fmt: skip


@pytest.mark.parametrize("words", [["--mode", "c"], ["--count", "x"], ["--lr", "fast"], []])
def test_what_no_field_could_hold_is_bad_usage(words):
    with pytest.raises(SystemExit) as ended:
        parser_of().parse_args(words)
    assert ended.value.code == 2


def test_a_value_outside_of_the_bounds_is_one_line_that_names_the_flag():
    read = parser_of().parse_args(["--needed", "n", "--count", "0"])
    with pytest.raises(UsageError, match=r"^--count: input should be greater than or equal to 1$"):
        checked(Settings, read)


def test_a_flag_can_be_none_where_it_is_not_given():
    parser = parser_of("count", "rate", defaults=Settings(count=5, needed=""), only_given=True)
    assert vars(parser.parse_args([])) == {"count": None, "rate": None}
    helps = {a.dest: a.help for a in parser._actions}
    assert helps["count"] == "how many (default 5)"


def test_a_default_that_follows_from_another_field_is_said_in_words_whatever_the_defaults():
    parser = argparse.ArgumentParser()
    add_settings(parser, SweepConfig, "rank", "alpha", defaults=SweepConfig(rank=4))
    read = parser.parse_args([])
    assert (read.rank, read.alpha) == (4, None)
    assert {a.dest: a.help for a in parser._actions}["alpha"].endswith("(default: twice the rank)")
    assert checked(SweepConfig, parser.parse_args(["--rank", "32"])).alpha == 64


@pytest.mark.parametrize("model", [ProbeConfig, SweepConfig])
def test_every_setting_describes_itself(model):
    for name in model.model_fields:
        one = setting(model, name)
        assert one.title[0].isupper() or one.title.startswith("rsLoRA")
        assert not one.description.endswith(".")


@pytest.fixture
def no_worker(monkeypatch):
    """Nobody takes the jobs; how often one was asked for."""
    asked = []
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda: asked.append(1))
    return asked


@pytest.fixture
def rows(tmp_path):
    return write_task(tmp_path / "rows.jsonl", 40)


def test_queue_has_the_same_words_on_every_command_that_computes():
    texts = {place: action.help for place, action in tree().items() if place.endswith(" --queue")}
    assert set(texts) == {f"domlora {name} --queue" for name in ("find", "probe", "compare", "matrix", "probes rank")}
    assert len(set(texts.values())) == 1


def test_a_probe_is_queued_by_either_spelling(capsys, tiny_folder, rows, no_worker):
    asked = ("--task", rows, "--samples", 4, "--also", "plop")
    status, out, _ = run(capsys, "probe", tiny_folder, *asked, "--queue", "--json")
    assert status == 0
    first = Queue(Store()).get(json.loads(out)["job"])
    status, out, _ = run(capsys, "jobs", "submit", tiny_folder, *asked)
    second = Queue(Store()).get(out.strip())
    assert status == 0
    assert first.id != second.id
    assert first.request == second.request
    assert first.request == ProbeRequest(
        model=str(tiny_folder), task=str(rows), config=ProbeConfig(samples=4), also=("plop",)
    )
    assert len(no_worker) == 2


def test_a_queued_probe_writes_no_file(capsys, tiny_folder, rows, no_worker, tmp_path):
    command = ("probe", tiny_folder, "--task", rows, "--queue", "--out", tmp_path / "map.csv")
    status, out, err = run(capsys, *command)
    assert (status, out) == (2, "")
    assert "leave out --queue" in err
    assert not Queue(Store()).list()


def test_a_comparison_is_queued(capsys, tiny_folder, rows, no_worker):
    status, out, _ = run(capsys, "compare", tiny_folder, "--task", rows, "--rank", 2, "--queue", "--json")
    job = Queue(Store()).get(json.loads(out)["job"])
    assert status == 0
    assert job.request.sweep == SweepConfig(rank=2, alpha=4)
    assert len(no_worker) == 1


def test_a_ranking_leaves_what_it_lacks_to_a_worker_once(capsys, tiny_folder, rows, no_worker):
    command = (
        "probes", "rank", tiny_folder, "--task", rows, "--probes", "page,plop", "--modules", 6, "--steps", 3,
        "--samples", 4, "--queue",
    )  # fmt: skip
    status, out, _ = run(capsys, *command, "--json")
    jobs = [Queue(Store()).get(one["id"]) for one in json.loads(out)["jobs"]]
    assert status == 0
    assert [type(job.request) for job in jobs] == [ProbeRequest, SweepRequest]  # the map first, that modules come from
    assert [config.probe for config in jobs[0].request.configs] == ["page", "plop"]
    assert (jobs[1].request.sweep.placements, jobs[1].request.sweep.steps) == (("spread:6",), 3)
    assert jobs[1].request.probe == jobs[0].request.config
    assert jobs[0].request.without == HeldOut.by(jobs[1].request.sweep), "both read the same rows"
    status, out, err = run(capsys, *command)
    assert (status, out) == (0, "")
    assert "known or queued" in err
    assert len(no_worker) == 1
