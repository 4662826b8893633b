"""A small runner of composite actions: the steps of `action.yml`, in order, with bash, as GitHub's
runner starts them. What it cannot run (actions of others) it lists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from hubtools.localhub.publishers import signed

ROOT = Path(__file__).parent.parent
_ASKED = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass
class Ran:
    """What the action did: the exit code of the step that failed or 0, all it printed, its outputs,
    the summary of the job, and the foreign actions it would have called with what."""

    code: int = 0
    said: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    called: list[dict[str, Any]] = field(default_factory=list)


def run_action(
    workspace: Path, temp: Path, environ: Mapping[str, str], inputs: Mapping[str, str]
) -> Ran:
    """Run the action in `workspace`; hubtools is what is installed here, its own step to install
    it is left out."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    given = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
    assert set(inputs) <= set(given), "no such input"
    given |= inputs
    (temp / "hubtools").mkdir(parents=True, exist_ok=True)
    binaries = temp / "hubtools/bin"
    if not binaries.exists():
        binaries.symlink_to(ROOT / ".venv/bin")
    ran = Ran()
    steps: dict[str, dict[str, str]] = {}
    for number, step in enumerate(action["runs"]["steps"]):
        scope = {"inputs": given, "steps": steps, "failed": ran.code != 0}
        if not _wanted(step.get("if"), scope):
            continue
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}", step["uses"]), "not pinned"
            ran.called.append({"uses": step["uses"]} | {
                name: _filled(str(value), scope) for name, value in step["with"].items()
            })  # fmt: skip
            continue
        assert "${{" not in step["run"], "what comes from outside goes through env"
        if step["name"].startswith("Install"):
            continue
        output, summary = temp / f"output-{number}", temp / "summary"
        output.touch()
        env = {
            **{
                name: value
                for name, value in os.environ.items()
                if name in ("PATH", "HOME", "LANG")
            },
            **{name: _filled(str(value), scope) for name, value in step.get("env", {}).items()},
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION": f"step{number}",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(temp),
            **environ,
        }
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            words, cwd=workspace, env=env, capture_output=True, text=True, check=False, timeout=300
        )
        ran.said += done.stdout + done.stderr
        ran.code = ran.code or done.returncode
        pairs = (line.partition("=") for line in output.read_text().splitlines())
        steps[step.get("id", "")] = {name: value for name, _, value in pairs}
        ran.summary = summary.read_text() if summary.exists() else ""
    scope = {"inputs": given, "steps": steps, "failed": False}
    ran.outputs = {n: _filled(one["value"], scope) for n, one in action["outputs"].items()}
    return ran


def _filled(text: str, scope: Mapping[str, Any]) -> str:
    return _ASKED.sub(lambda match: _value(match[1], scope), text)


def _value(name: str, scope: Mapping[str, Any]) -> str:
    if name.startswith("inputs."):
        return str(scope["inputs"][name.removeprefix("inputs.")])
    if match := re.fullmatch(r"steps\.(\w+)\.outputs\.(\w+)", name):
        return str(scope["steps"].get(match[1], {}).get(match[2], ""))
    if name == "github.action_path":
        return str(ROOT)
    raise AssertionError(f"the runner does not know {name}")


def _wanted(condition: str | None, scope: Mapping[str, Any]) -> bool:
    if condition is None:
        return not scope["failed"]
    parts = [part.strip() for part in condition.split("&&")]
    assert "always()" in parts
    for part in parts:
        if match := re.fullmatch(r"inputs\.(\w+) != ''", part):
            if not scope["inputs"][match[1]]:
                return False
        else:
            assert part in ("always()", "!github.event.pull_request.head.repo.fork"), part
    return True


@contextmanager
def identities(key: str, claims: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """GitHub's service of identity tokens: the variables that lead a job to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            import time

            asked = parse_qs(urlsplit(self.path).query)
            if self.headers.get("Authorization") != "Bearer request-token":
                self.send_error(401)
                return
            identity = {"aud": asked["audience"][0], "exp": time.time() + 300, **claims}
            body = json.dumps({"value": signed(identity, key)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/token?a=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join(120)
