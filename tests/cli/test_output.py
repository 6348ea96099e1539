"""What commands print: plain and whole for scripts, fitted and coloured on a terminal (a pseudo-terminal here)."""

import io
import json
import logging
import os
import pty
import queue
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl

import pytest

from domlora.cli import output
from domlora.progress import FETCHING

HEAD = ("id", "status", "module", "share")
ROWS = [
    ("a1", "done", "model.layers.11.mlp.down_proj", "12.5%"),
    ("b2", "failed", "lm_head", ""),
    ("c3", "queued", "[red]x[/red] :smile:", "3.1%"),
]
PLAIN = """\
id  status  module                         share
a1  done    model.layers.11.mlp.down_proj  12.5%
b2  failed  lm_head
c3  queued  [red]x[/red] :smile:           3.1%
"""
TABLE = f"output.print_table({HEAD!r}, {ROWS!r}, status=1)"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environment(**more):
    told = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "COLORTERM", "PYTHONIOENCODING", "PYTHONUTF8")
    kept = {name: value for name, value in os.environ.items() if name not in told}
    return kept | {"TERM": "xterm-256color"} | more


def on_terminal(code, columns=100, **env):
    """All that a process prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = [sys.executable, "-c", f"import sys\nfrom domlora.cli import output\n{code}"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(**env))
    os.close(theirs)
    printed = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that nobody holds the other end any more
            part = b""
        if not part:
            break
        printed += part
    os.close(ours)
    process.wait()
    return printed.decode().replace("\r\n", "\n")


def command(*argv, **env):
    return subprocess.run(
        [sys.executable, "-m", "domlora.cli", *argv], capture_output=True, env=environment(**env), timeout=120
    )


def test_a_piped_table_is_plain_whole_and_without_trailing_blanks(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    output.print_table(HEAD, ROWS, status=1)
    assert capsys.readouterr().out == PLAIN
    output.print_table(("name", "what"), [("x", "long " * 60), ("a\x1b[31mb", "")])
    out = capsys.readouterr().out
    assert "long " * 59 in out
    assert "a\x1b[31mb\n" in out  # as it is: what reads a pipe is no terminal


def test_piped_sentences_are_plain(capsys, monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    output.say("Diffuse.", "bold")
    output.note("[b]few[/b] samples.")
    output.complain("no model 'x'")
    out = capsys.readouterr()
    assert out.out == "Diffuse.\nNote: [b]few[/b] samples.\n"
    assert out.err == "domlora: no model 'x'\n"


def test_on_a_terminal_headings_statuses_and_warnings_are_marked_and_numbers_stand_right():
    out = on_terminal(f"{TABLE}; output.note('few samples.'); output.complain('broken')")
    assert "\x1b[1mmodule" in out
    assert "\x1b[32mdone" in out and "\x1b[31mfailed" in out
    assert "\x1b[1;35mNote:\x1b[0m few samples." in out
    assert "\x1b[1;31mdomlora:\x1b[0m broken" in out
    lines = [line.rstrip() for line in ESCAPES.sub("", out).splitlines()]
    assert lines[1:4] == [
        "a1  done    model.layers.11.mlp.down_proj  12.5%",
        "b2  failed  lm_head",
        "c3  queued  [red]x[/red] :smile:            3.1%",
    ]


def test_a_model_called_as_a_status_has_no_colour():
    out = on_terminal("output.print_table(('status', 'model'), [('done', 'failed')], status=0)")
    assert "\x1b[32mdone" in out and "\x1b[31m" not in out


def test_a_table_fits_its_terminal_and_loses_nothing():
    row = ("4f896868359a", "model.layers.11.block_sparse_moe.experts.down_proj", "12 345", "97.25%", "a b c " * 9)
    out = on_terminal(f"output.print_table({('id', 'module', 'of', 'share', 'why')!r}, [{row!r}])", columns=60)
    lines = ESCAPES.sub("", out).splitlines()
    assert len(lines) > 2 and max(map(len, lines)) <= 60
    assert "97.25%" in lines[1] and "4f896868359a" in lines[1]  # neither a number nor a short id is folded
    module = "".join(line[14:].split("  ")[0].strip() for line in lines[1:])
    assert row[1] in module


def test_a_table_that_no_terminal_of_that_width_can_hold_is_not_mangled():
    assert on_terminal(TABLE, columns=20) == PLAIN


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"FORCE_COLOR": ""}])
def test_colour_can_be_refused(env):
    out = on_terminal(f"{TABLE}; output.note('x'); output.complain('y')", **env)
    assert "\x1b" not in out and "Note: x\ndomlora: y" in out


def test_colour_can_be_forced_and_a_pipe_has_no_width():
    code = f"from domlora.cli import output; {TABLE}; output.print_table(('what',), [('long ' * 60,)])"
    env = environment(FORCE_COLOR="1", COLUMNS="40")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env, text=True, encoding="utf-8").stdout
    assert "\x1b[32mdone" in out
    assert "long " * 59 in out


def test_names_steer_neither_markup_nor_the_terminal():
    name = "[red]x[/red]\x1b[31m\x07\x9b2J\u202e\n[/]"
    shown = r"[red]x[/red]\x1b[31m\x07\x9b2J\u202e\n[/]"
    out = on_terminal(f"output.print_table(('name',), [({name!r},)]); output.say('on ' + {name!r})")
    table, sentence = out.split("on ")
    assert shown in table
    assert sentence == shown.replace(r"\n", "\n") + "\n"  # a sentence may have lines
    assert "\x07" not in out and "\x9b" not in out


WORK = """
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
try:
    with output.progress_bar("sample", 32) as progress:
        progress("loading [red]x[/red]", 0, 0)
        progress("probing", 12, 32)
        logging.info("a line of the log")
        progress("other", 3, 5)
        {end}
except BaseException as error:
    print("caught", type(error).__name__)
print("cursor here", isinstance(sys.stderr, type(sys.__stderr__)), logging.getLogger().handlers[0].stream is sys.stderr)
"""


@pytest.mark.parametrize("end", ["pass", "raise ValueError", "raise KeyboardInterrupt"])
def test_however_the_work_ends_the_bar_is_gone_and_the_terminal_clean(end):
    out = on_terminal(WORK.format(end=end))
    drawn, after = out.rsplit("\x1b[2K", 1)  # the last thing the bar does is to clear its line
    assert "3/5" in drawn
    assert "\x1b[2Ka line of the log\n" in drawn  # above the bar and not through it
    name = end.removeprefix("raise ")
    assert after == ("" if end == "pass" else f"caught {name}\n") + "cursor here True True\n"
    assert "\x1b[?25l" not in out  # a process that is killed could not bring a hidden cursor back


def test_the_bar_says_stage_amount_and_time_left():
    code = """
import time
with output.progress_bar("sample", 32) as progress:
    progress("loading [red]x[/red]", 0, 0)
    time.sleep(0.3)
    for done in range(4, 13, 4):
        progress("probing", done, 32)
        time.sleep(0.3)
"""
    shown = ESCAPES.sub("", on_terminal(code))
    assert "loading [red]x[/red]" in shown
    assert re.search(r"probing .+ sample 12/32 0:00:0\d", shown)


def test_progress_may_come_from_several_threads():
    code = """
from threading import Thread
def work(stage, progress):
    for done in range(200):
        progress(stage, done, 200)
with output.progress_bar("sample") as progress:
    threads = [Thread(target=work, args=(f"stage {i}", progress)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
print("end")
"""
    out = on_terminal(code)
    assert out.endswith("end\n") and "Traceback" not in out


def test_without_a_terminal_long_work_says_every_half_minute_how_far_it_is():
    stream = io.StringIO()
    asked, turns = queue.Queue(), queue.Queue()

    def wait(ended, seconds):
        asked.put(seconds)
        return turns.get(timeout=20)

    def half_a_minute_passes():
        turns.put(False)
        return asked.get(timeout=20)  # only asked again once the line is written

    with output._lines(stream, wait) as progress:
        assert asked.get() == 30
        progress("loading the model", 0, 0)
        half_a_minute_passes()
        progress(FETCHING, 12, 93)
        half_a_minute_passes()
        progress("probing", 1, 32)
        progress("probing", 12, 32)
        half_a_minute_passes()
        progress("probing", 32, 32)
        turns.put(True)
    assert stream.getvalue() == "loading the model\nfetching the model: 12 of 93 MB\nprobing 12/32 (38%)\n"


def test_short_work_says_nothing_without_a_terminal(capsys):
    with pytest.raises(ValueError), output.progress_bar("sample", 32) as progress:
        progress("probing", 12, 32)
        raise ValueError
    assert capsys.readouterr() == ("", "")


def test_a_dumb_terminal_gets_no_moving_bar():
    assert on_terminal(WORK.format(end="pass"), TERM="dumb") == "a line of the log\ncursor here True True\n"


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "LANG": "C"}])
def test_a_stream_that_lacks_a_character_gets_another(env):
    env |= {"PYTHONCOERCECLOCALE": "0"}
    shown = command("probes", **env)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"?" in shown.stdout and shown.stdout.isascii()
    assert command("probe", "ref-llama", "--task", "ü×±", **env).stderr.startswith(b"domlora: ")
    as_json = command("probes", "--json", **env)
    assert as_json.stdout.isascii()
    assert json.loads(as_json.stdout) == json.loads(command("probes", "--json", PYTHONIOENCODING="utf-8").stdout)


def test_an_ascii_terminal_shows_table_and_bar():
    code = f"output.replace_unknown_characters(); {TABLE}; output.say('±3 × 4')\n{WORK.format(end='pass')}"
    out = on_terminal(code, PYTHONIOENCODING="ascii")
    assert "?3 ? 4" in out and "3/5" in out and "Traceback" not in out


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["maps", "--json"], ["maps"]])
def test_rich_is_imported_only_for_a_terminal(argv):
    code = (
        "import sys\nfrom domlora.cli.main import main\ntry:\n main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print([name for name in ('rich', 'torch') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, env=environment(), text=True, encoding="utf-8"
    )
    assert done.stderr == "[]\n"


def test_log_lines_go_back_to_their_stream():
    ours, other = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(ours)
    logging.getLogger().addHandler(handler)
    try:
        with output._logging_to(other, instead_of=ours):
            assert handler.stream is other
        assert handler.stream is ours
    finally:
        logging.getLogger().removeHandler(handler)


def test_what_of_the_rows_is_not_used_is_said_where_a_placement_is_written(tiny_folder, tmp_path, capsys):
    from domlora.cli.main import main

    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": "what?", "completion": "the fox", "label": i > 0} for i in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    request = [str(tiny_folder), "--task", str(path), "--samples", "2"]
    assert main(["place", *request, "--placement", "dominant", "--out", str(tmp_path / "out")]) == 0
    said = "1 row with label false left out (row 1)"
    assert f"Rows: {said}." in capsys.readouterr().out
    assert main(["matrix", str(tiny_folder), "--tasks", str(path), "--samples", "2"]) == 0
    assert f"Rows of rows: {said}." in capsys.readouterr().out
