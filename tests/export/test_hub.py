"""An export folder on the Hub: what goes there over HTTP, what stays here, and how a refusal is said."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from domlora.data.origin import TaskOrigin
from domlora.errors import SweepError, UsageError
from domlora.export.hub import check_folder, check_name, push, uploads
from domlora.models.origin import ModelOrigin
from tests.helpers.runs import a_run

TOKEN = "hf_of_a_test"


class Hub(ThreadingHTTPServer):
    """The four addresses that an upload of small files asks, and what was sent to them."""

    def __init__(self, status: int = 200):
        super().__init__(("127.0.0.1", 0), Answers)
        self.status, self.created, self.tokens = status, [], set()
        self.files: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(self.headers["Authorization"])
        if self.server.status != 200:
            return self.say({"error": "You don't have the rights"}, self.server.status)
        if self.path == "/api/repos/create":
            self.server.created.append(json.loads(body))
            return self.say({"url": f"{self.server.address}/owner/name", "id": "owner/name"})
        if self.path == "/api/validate-yaml":
            return self.say({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.say({"files": files})
        assert self.path == "/api/models/owner/name/commit/main", self.path
        for line in body.splitlines():
            sent = json.loads(line)
            if sent["key"] == "file":
                self.server.files[sent["value"]["path"]] = base64.b64decode(sent["value"]["content"])
        return self.say({"commitOid": "a" * 40, "commitUrl": f"{self.server.address}/owner/name/commit/a"})

    def say(self, data, status=200):
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    """A Hub of our own, to which huggingface_hub turns."""
    made = []

    def start(status=200):
        server = Hub(status)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        made.append(server)
        return server

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield start
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """A folder as `runs export` writes it, and its run, whose model and rows lie below a home."""
    home = tmp_path / "home of me"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DOMLORA_HOME", str(home / ".domlora"))
    model, rows = str(home / "models" / "my-base"), str(home / "data" / "secret.jsonl")
    run = a_run(model_origin=ModelOrigin(kind="folder", place=model), task_origin=TaskOrigin(kind="file", place=rows))
    out = tmp_path / "out"
    (out / "adapter").mkdir(parents=True)
    (out / "README.md").write_text(f"# x\nbase {model}, rows {rows}, {home}/else\n", encoding="utf-8")
    (out / "settings.json").write_text(json.dumps({"model": model, "out": str(out)}), encoding="utf-8")
    config = {"base_model_name_or_path": model}
    (out / "adapter" / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    (out / "adapter" / "adapter_model.safetensors").write_bytes(b"\x00\xffweights")
    for name in ("train.jsonl", "conversations.jsonl", "eva.jsonl"):
        (out / name).write_text('{"secret": 1}\n', encoding="utf-8")
    return out, run, home


def test_the_folder_is_uploaded_without_rows_and_without_places_of_this_machine(hub, exported):
    server = hub()
    out, run, home = exported
    assert push(out, "owner/name", run, private=True) == f"{server.address}/owner/name"
    assert sorted(server.files) == [
        "README.md", "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "settings.json"
    ]  # fmt: skip
    assert server.tokens == {f"Bearer {TOKEN}"}
    (created,) = server.created
    assert created["name"] == "name" and created["organization"] == "owner" and created["visibility"] == "private", (
        created
    )
    everything = b"".join(server.files.values())
    assert str(home).encode() not in everything and str(out.parent).encode() not in everything
    assert server.files["README.md"].decode() == "# x\nbase my-base, rows secret.jsonl, ~/else\n"
    assert json.loads(server.files["settings.json"]) == {"model": "my-base", "out": "out"}
    assert json.loads(server.files["adapter/adapter_config.json"]) == {"base_model_name_or_path": "my-base"}
    assert server.files["adapter/adapter_model.safetensors"] == b"\x00\xffweights"
    assert (out / "train.jsonl").exists(), "what is here stays as it was"


def test_places_are_found_as_json_and_code_write_them(exported):
    out, run, _ = exported
    odd = out / 'a "quoted" \\ pläce'
    run = a_run(model_origin=ModelOrigin(kind="folder", place=str(odd)), task_origin=None)
    for name, text in (("a.json", json.dumps([str(odd)])), ("b.json", json.dumps([str(odd)], ensure_ascii=False))):
        (out / name).write_text(text, encoding="utf-8")
    found = {name: data for name, data in uploads(out, run) if name in ("a.json", "b.json")}
    assert all(str(out).encode() not in data and b"quoted" in data for data in found.values())


def test_a_refusal_is_one_line(hub, exported):
    hub(403)
    out, run, _ = exported
    with pytest.raises(SweepError, match=r"refused owner/name \(403: .*rights") as caught:
        push(out, "owner/name", run)
    assert "\n" not in str(caught.value) and TOKEN not in str(caught.value)


def test_no_connection_is_one_line(hub, exported, monkeypatch):
    server = hub()
    server.shutdown()
    server.server_close()
    out, run, _ = exported
    with pytest.raises(SweepError, match="cannot be reached") as caught:
        push(out, "owner/name", run)
    assert "\n" not in str(caught.value) and str(out) in str(caught.value)


def test_without_a_token_nothing_is_asked(hub, exported, monkeypatch):
    server = hub()
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(Path("not") / "there"))
    out, run, _ = exported
    with pytest.raises(SweepError, match="set HF_TOKEN"):
        push(out, "owner/name", run)
    assert not server.tokens


@pytest.mark.parametrize("name", ["name", "a/b/c", "owner/na me", "", "owner/-", "../x"])
def test_a_name_that_the_hub_does_not_take_is_refused_before_anything(name):
    with pytest.raises(UsageError, match="--push-to-hub"):
        check_name(name)


def test_a_name_of_the_hub_is_taken():
    assert check_name("owner/my-adapter.v1") == "owner/my-adapter.v1"


def test_files_that_are_not_the_export_s_are_never_uploaded(tmp_path):
    check_folder(tmp_path / "new")
    check_folder(tmp_path)
    (tmp_path / "secret.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="give --out a new folder"):
        check_folder(tmp_path)
