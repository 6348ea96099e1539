"""The house: folders are the stages of the flow, and what is imported says so.

In: the source text of the package, of the dashboard and of the tests, read without running any of it. Every import
counts, wherever it stands: at the head of a file, in a function, under `TYPE_CHECKING`, or as a string that names a
module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

# The lowest floor first. A folder (or a file at the top level) imports from lower floors only.
FLOORS = (
    ("colours", "errors", "json_values", "paths", "progress", "quoting", "settings", "version", "visible"),
    ("statistics",),
    ("wording",),  # knows how an interval reads
    ("data",),
    ("models",),
    ("generation", "probes"),
    ("energy",),
    ("matrix", "placements"),
    ("comparison",),
    ("ranking", "store"),
    ("tracking",),
    ("training",),
    ("search",),
    ("export",),
    ("jobs", "report"),
    ("cli",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
WRITTEN = ("domlora", "dashboard", "sample_data", "docs", "benchmarks", "tests")
A_MODULE = re.compile(r"((?:domlora|dashboard)(?:\.\w+)+)(?::\w+)?")


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """(where, dotted name) of all that a file imports; what comes `from` a module is named with it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        where = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from ((where, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{where}: imports are absolute"
            yield from ((where, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Constant) and (named := A_MODULE.fullmatch(str(node.value))) and is_module(named[1]):
            yield where, named[1]


def room(file: Path) -> str:
    """The folder below `domlora` or `dashboard` in which a file lies; its own name at the top level."""
    return file.relative_to(ROOT).parts[1].removesuffix(".py")


def test_every_room_of_the_package_has_a_floor():
    rooms = {room(file) for file in files("domlora")} - {"__init__"}
    assert rooms == set(FLOOR)


def test_folders_import_only_from_lower_floors():
    """So there is no circle between folders either."""
    wrong = []
    for file in files("domlora"):
        here = room(file)
        for where, name in imported(file):
            parts = [*name.split("."), ""]
            if here == "__init__" or parts[0] != "domlora" or parts[1] == here:
                continue
            if parts[1] not in FLOOR or FLOOR[parts[1]] >= FLOOR[here]:
                wrong.append(f"{where}: {name}")
    assert not wrong


def test_the_core_knows_no_page_and_no_library_of_pages():
    """But for the command that starts Streamlit on the dashboard."""
    found = {
        (where.partition(":")[0], name)
        for file in files("domlora")
        for where, name in imported(file)
        if name.split(".")[0] in ("dashboard", "streamlit", "plotly")
    }
    assert found == {("domlora/cli/dashboard.py", "streamlit.web.cli")}


def test_the_dashboard_imports_nothing_that_computes():
    found = [(where, name) for file in files("dashboard") for where, name in imported(file)]
    assert not [pair for pair in found if pair[1].split(".")[0] in ("torch", "transformers", "peft")]


def test_pages_do_not_import_each_other():
    """What two pages share lies in `dashboard/shared`, which knows no page."""
    wrong = []
    for file in files("dashboard"):
        for where, name in imported(file):
            parts = name.split(".")
            if parts[0] == "dashboard" and parts[1] not in ("shared", room(file)) and file.name != "app.py":
                wrong.append(f"{where}: {name}")
    assert not wrong


def test_init_files_are_empty():
    """So that importing one file of a folder imports that file alone."""
    inits = [file for folder in ("domlora", "dashboard", "tests") for file in files(folder) if file.stem == "__init__"]
    assert len(inits) > len(FLOORS)
    assert [str(file) for file in inits if file.read_text(encoding="utf-8")] == [str(ROOT / "domlora" / "__init__.py")]


def test_nothing_shadows_the_public_functions():
    assert not {"compare", "place", "probe"} & {path.stem for path in (ROOT / "domlora").iterdir()}


def test_tests_mirror_the_package():
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and list(path.glob("*.py"))}
    packages = {path.name for path in (ROOT / "domlora").iterdir() if (path / "__init__.py").exists()}
    assert folders == packages | {"browser", "dashboard", "helpers"}


def test_no_test_file_imports_another():
    """What tests share lies in `tests/helpers`, fixtures in a `conftest.py`. Code that is run as text counts too."""
    wrong = [
        f"{where}: {name}"
        for file in files("tests")
        for where, name in imported(file)
        if name.split(".")[0] == "tests" and any(part.startswith("test_") for part in name.split("."))
    ]
    as_text = re.compile(r"(?:from|import) tests[\w.]*\.test_\w+")
    wrong += [str(file) for file in files("tests") if as_text.search(file.read_text(encoding="utf-8"))]
    assert not wrong


def test_text_is_utf_8_whatever_the_locale():
    """Of files, and of what child processes print; ruff sees only the calls whose types it can tell."""
    wrong = []
    for file in (file for folder in WRITTEN for file in files(folder)):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _reads_text(node) and "encoding" not in {k.arg for k in node.keywords}:
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}: encoding='utf-8' is missing")
    assert not wrong


def _reads_text(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text"):
        return len(call.args) < 2
    return any(k.arg == "text" and isinstance(k.value, ast.Constant) and k.value.value is True for k in call.keywords)
