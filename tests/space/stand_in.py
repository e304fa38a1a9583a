"""A small Hub on loopback: it holds repositories, and refuses requests that the Hub's own API would not take."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_a_token_for_the_stand_in"
COMMIT = "c" * 40
REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"
KIND = r"/api/(?P<kind>model|space)s/"


@dataclass
class Repository:
    files: dict[str, bytes] = field(default_factory=dict)
    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str = ""
    private: bool = False
    commits: list[str] = field(default_factory=list)


@dataclass
class Hub:
    """What is kept, what was asked, and what to refuse next."""

    address: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)  # a part of a request's line, and the status it gets

    def of(self, kind: str, repo: str) -> Repository:
        return self.repositories[kind, repo]


class Refused(Exception):
    def __init__(self, status: int, code: str = "", **body: Any) -> None:
        self.status, self.code, self.body = status, code, body or {"error": code or "refused"}


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Every answer's shape is the one that huggingface_hub 2.4 reads."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""

    def answer(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        try:
            for part, status in self.hub.refusals.items():
                if part in f"{self.command} {path}":
                    raise Refused(status)
            for verb, pattern, method in ROUTES:
                if verb == self.command and (match := re.fullmatch(pattern, path)):
                    content, headers = method(self, **match.groupdict())
                    break
            else:
                raise Refused(404)
            self.send(200, content, headers)
        except Refused as refused:
            headers = {"X-Error-Code": refused.code} if refused.code else {}
            self.send(refused.status, json.dumps(refused.body).encode(), headers)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def authorized(self) -> None:
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refused(401)

    def sent(self, *keys: str) -> dict[str, Any]:
        """The JSON sent, which has no other keys than these."""
        self.authorized()
        assert self.headers["content-type"] == "application/json"
        content: dict[str, Any] = json.loads(self.body)
        if extra := content.keys() - set(keys):
            raise Refused(400, error=f"unknown: {extra}")
        return content

    def repository(self, kind: str, repo: str) -> Repository:
        if (kind, repo) not in self.hub.repositories:
            raise Refused(404, "RepoNotFound")
        return self.hub.of(kind, repo)

    def create(self) -> tuple[bytes, dict[str, str]]:
        asked = self.sent("name", "organization", "type", "visibility", "sdk", "hardware", "variables")
        kind, name = asked.get("type", "model"), f"{asked['organization']}/{asked['name']}"
        url = f"{self.hub.address}/{'spaces/' if kind == 'space' else ''}{name}"
        if (kind, name) in self.hub.repositories:
            raise Refused(409, url=url)
        if kind == "space" and asked["sdk"] != "gradio":
            raise Refused(400)
        variables = {variable["key"]: variable["value"] for variable in asked.get("variables", [])}
        private = asked.get("visibility") == "private"
        made = Repository(variables=variables, hardware=asked.get("hardware", ""), private=private)
        made.files[".gitattributes"] = b"*.safetensors filter=lfs\n"
        self.hub.repositories[kind, name] = made
        return json.dumps({"url": url}).encode(), {}

    def validate(self) -> tuple[bytes, dict[str, str]]:
        """The Hub's check of a card: its front matter is YAML, and a Space's names its SDK."""
        asked = self.sent("content", "repoType")
        front = re.match(r"\A---\n(.*?)\n---\n", asked["content"], re.DOTALL)
        fields = yaml.safe_load(front[1]) if front else {}
        needs = {"title", "sdk", "sdk_version", "app_file"} if asked["repoType"] == "space" else {"license"}
        if missing := needs - fields.keys():
            raise Refused(400, errors=[{"message": f"missing {missing}"}], warnings=[])
        return b'{"errors": [], "warnings": []}', {}

    def preupload(self, kind: str, repo: str) -> tuple[bytes, dict[str, str]]:
        held, asked = self.repository(kind, repo), self.sent("files")
        modes = []
        for file in asked["files"]:
            assert len(base64.b64decode(file["sample"])) <= min(512, file["size"])
            lfs, before = file["path"].endswith(".safetensors"), held.files.get(file["path"])
            oid = None if before is None else hashlib.sha256(before).hexdigest() if lfs else git_oid(before)
            mode = {"path": file["path"], "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, "oid": oid}
            modes.append(mode)
        return json.dumps({"files": modes}).encode(), {}

    def batch(self, repo: str) -> tuple[bytes, dict[str, str]]:
        self.authorized()
        assert self.headers["accept"] == self.headers["content-type"] == "application/vnd.git-lfs+json"
        asked = json.loads(self.body)
        assert (asked["operation"], asked["hash_algo"]) == ("upload", "sha256")
        objects = []
        for wanted in asked["objects"]:
            oid = wanted["oid"]
            href = {"upload": {"href": f"{self.hub.address}/lfs/{oid}"}}
            verify = {"verify": {"href": f"{self.hub.address}/lfs-verify"}}
            objects.append(wanted | ({} if oid in self.hub.objects else {"actions": href | verify}))
        return json.dumps({"transfer": "basic", "objects": objects}).encode(), {}

    def store(self, oid: str) -> tuple[bytes, dict[str, str]]:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.objects[oid] = self.body
        return b"", {}

    def verify(self) -> tuple[bytes, dict[str, str]]:
        asked = self.sent("oid", "size")
        assert len(self.hub.objects[asked["oid"]]) == asked["size"]
        return b"{}", {}

    def commit(self, kind: str, repo: str) -> tuple[bytes, dict[str, str]]:
        self.authorized()
        held = self.repository(kind, repo)
        assert self.headers["content-type"] == "application/x-ndjson"
        header, *changes = map(json.loads, self.body.splitlines())
        assert header["key"] == "header"
        for change in changes:
            value = change["value"]
            if change["key"] == "file":
                held.files[value["path"]] = base64.b64decode(value["content"])
            elif change["key"] == "lfsFile":
                held.files[value["path"]] = self.hub.objects[value["oid"]]
            elif change["key"] == "deletedFile":
                del held.files[value["path"]]
            else:
                raise Refused(400)
        held.commits.append(header["value"]["summary"])
        url = f"{self.hub.address}/{repo}/commit/{COMMIT}"
        return json.dumps({"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""}).encode(), {}

    def tree(self, kind: str, repo: str) -> tuple[bytes, dict[str, str]]:
        files = self.repository(kind, repo).files
        entries = [
            {"type": "file", "oid": git_oid(content), "size": len(content), "path": path}
            for path, content in files.items()
        ]
        return json.dumps(entries).encode(), {}

    def info(self, kind: str, repo: str) -> tuple[bytes, dict[str, str]]:
        self.authorized()
        held = self.repository(kind, repo)
        return json.dumps(
            {"id": repo, "sha": COMMIT, "siblings": [{"rfilename": path} for path in held.files]}
        ).encode(), {}

    def variables(self, repo: str) -> tuple[bytes, dict[str, str]]:
        held = self.repository("space", repo)
        if self.command == "POST":
            asked = self.sent("key", "value")
            held.variables[asked["key"]] = asked["value"]
        self.authorized()
        return json.dumps({key: {"key": key, "value": value} for key, value in held.variables.items()}).encode(), {}

    def hardware(self, repo: str) -> tuple[bytes, dict[str, str]]:
        self.repository("space", repo).hardware = self.sent("flavor")["flavor"]
        return self.runtime(repo)

    def runtime(self, repo: str) -> tuple[bytes, dict[str, str]]:
        self.authorized()
        hardware = {"current": None, "requested": self.repository("space", repo).hardware}
        return json.dumps({"stage": "BUILDING", "hardware": hardware}).encode(), {}

    def resolve(self, repo: str, revision: str, file: str) -> tuple[bytes, dict[str, str]]:
        held = self.repository("model", repo)
        if held.private:
            self.authorized()
        if revision != "main" and revision not in held.revisions:
            raise Refused(404, "RevisionNotFound")
        files = held.files if revision == "main" else held.revisions[revision]
        if file not in files:
            raise Refused(404, "EntryNotFound")
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        return files[file], {"ETag": f'"{git_oid(files[file])}"', "X-Repo-Commit": commit}


ROUTES = [
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/validate-yaml", Handler.validate),
    ("POST", f"{KIND}{REPO}/preupload/main", Handler.preupload),
    ("POST", f"/(?:spaces/)?{REPO}.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", Handler.store),
    ("POST", "/lfs-verify", Handler.verify),
    ("POST", f"{KIND}{REPO}/commit/main", Handler.commit),
    ("GET", f"{KIND}{REPO}/tree/main", Handler.tree),
    ("GET", f"{KIND}{REPO}", Handler.info),
    ("GET", f"{KIND}{REPO}/revision/main", Handler.info),
    ("GET", f"/api/spaces/{REPO}/variables", Handler.variables),
    ("POST", f"/api/spaces/{REPO}/variables", Handler.variables),
    ("POST", f"/api/spaces/{REPO}/hardware", Handler.hardware),
    ("GET", f"/api/spaces/{REPO}/runtime", Handler.runtime),
    ("GET", f"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", Handler.resolve),
    ("HEAD", f"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", Handler.resolve),
]


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """A Hub with nothing in it, for as long as the context lasts."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
