"""What only reads, chooses or draws imports nothing that computes: each case runs in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from domlora.energy.files import read
from domlora.paths import sample_data_path
from tests.helpers.command import run
from tests.helpers.compared import VIEWS, fill
from tests.helpers.pages import APP
from tests.helpers.stored_searches import stored

ROOT = Path(__file__).parents[1]
MODELS = ("torch", "transformers", "peft")
OPENED = f"from streamlit.testing.v1 import AppTest; app = AppTest.from_file({str(APP)!r}, default_timeout=60).run()\n"


def nothing(request: pytest.FixtureRequest) -> list[str]:
    return []


def a_comparison(request: pytest.FixtureRequest) -> list[str]:
    """A finished run in the store; its id."""
    energy = read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")
    return [fill(energy, steps=20, ended=True).id]


def a_search(request: pytest.FixtureRequest) -> list[str]:
    """One that is judged, in the store; the id of its race."""
    energy = read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")
    return [stored(energy, judged=True).id]


def a_matrix(request: pytest.FixtureRequest) -> list[str]:
    """All cells in the store: those of a folder are measured here, those of the other model are shipped."""
    command = ["matrix", str(request.getfixturevalue("tiny_folder")), "smollm2-135m", "--tasks", "math"]
    status, _, err = run(request.getfixturevalue("capsys"), *command)
    assert status == 0, err
    return command


@dataclass(frozen=True)
class Case:
    """What is run, with which arguments, and what it must not have imported at the end."""

    code: str
    heavy: tuple[str, ...] = MODELS
    arguments: Callable[[pytest.FixtureRequest], list[str]] = nothing


CASES = {
    "tasks": Case(
        "import domlora.data.tasks",
        ("torch", "transformers", "streamlit", "pandas", "pyarrow", "datasets", "numpy"),
    ),
    "store and worker": Case(
        "import domlora.store.store, domlora.jobs.worker, domlora.jobs.child",
        ("torch", "transformers", "pandas", "pyarrow", "scipy"),
    ),
    "placements": Case("import domlora.placements.place"),
    "comparison": Case("import domlora.comparison.analysis", (*MODELS, "streamlit")),
    "ranking": Case("import domlora.ranking.rank, domlora.cli.probes", ("torch", "peft")),
    "matrix from the store": Case(
        "import io, contextlib; from domlora.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "    assert main(sys.argv[1:]) == 0\n"
        "assert 'between models' in out.getvalue()",
        (*MODELS, "scipy"),
        a_matrix,
    ),
    "report": Case(
        "import tempfile; from domlora.cli.main import main\n"
        "assert main(['report', sys.argv[1], '--out', tempfile.mkdtemp() + '/report.html']) == 0",
        (*MODELS, "streamlit", "plotly"),
        a_search,
    ),
    "probes page": Case("import dashboard.probes.queries, dashboard.probes.charts, dashboard.probes.launch"),
    "overview, energy map, launch and jobs pages": Case(
        OPENED + "assert not app.exception\n"
        "for name in ('energy_map', 'launch', 'jobs'):\n"
        "    app.switch_page(f'{name}/page.py').run(); assert not app.exception, name"
    ),
    "what a model will learn, found out beside the page": Case(
        OPENED + "app.query_params['model'] = 'ref-llama'; app.query_params['learned'] = 'true'\n"
        "app.switch_page('launch/page.py').run(); assert not app.exception\n"
        "assert 'showing' in app.session_state"
    ),
    "matrix page": Case(
        OPENED + "app.switch_page('matrix/page.py').run(); assert not app.exception\n"
        "for panel in ('Maps', 'Winners', 'Agreement', 'Samples'):\n"
        "    app.segmented_control(key='panel').set_value(panel).run(); assert not app.exception, panel"
    ),
    "find page": Case(
        OPENED + "app.switch_page('find/page.py').run(); assert not app.exception\n"
        "app.query_params['search'] = sys.argv[1]\n"
        "app.switch_page('find/page.py').run(); assert not app.exception\n"
        "assert 'Take away' in [one.value for one in app.subheader]",
        arguments=a_search,
    ),
    "launch and compare pages": Case(
        OPENED + "app.query_params['kind'] = 'Comparison'\n"
        "app.switch_page('launch/page.py').run(); assert not app.exception\n"
        f"for view in {VIEWS}:\n"
        "    app.query_params['run'] = sys.argv[1]; app.query_params['view'] = view\n"
        "    app.switch_page('compare/page.py').run(); assert not app.exception, view",
        arguments=a_comparison,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_heavy_is_imported(name, request):
    case = CASES[name]
    code = f"import json, sys\n{case.code}\nprint(json.dumps(sorted({set(case.heavy)} & sys.modules.keys())))"
    command = [sys.executable, "-c", code, *case.arguments(request)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-500:]
    assert json.loads(done.stdout.splitlines()[-1]) == []
