"""Connections that never finish the head of a request are let go, slow bodies are not; a request
that does not come to its end is left."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.findings import Finding
from hubtools.localhub import server
from hubtools.localhub.outlook import Reading
from hubtools.localhub.server import Hub

HEAD = b"GET /api/agent-harnesses HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub", head_seconds=0.05) as running:
        yield running


def answer(line: socket.socket) -> bytes:
    """One answer with its body, an empty one if the Hub has closed."""
    data = b""
    while b"\r\n\r\n" not in data or not data.endswith(b"}"):
        more = line.recv(4096)
        if not more:
            break
        data += more
    return data


@pytest.mark.parametrize("said", [b"", b"G", HEAD, HEAD + b"X-More: 1\r\n"])
def test_a_head_that_is_never_finished(hub: Hub, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as line:
        line.sendall(said)
        assert answer(line) == b""  # without a limit this would wait for the test's own


def test_one_after_a_request_that_was_answered(hub: Hub) -> None:
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as line:
        line.sendall(HEAD + b"\r\n")
        assert answer(line).startswith(b"HTTP/1.1 200")
        line.sendall(HEAD)
        assert answer(line) == b""


def test_a_body_may_take_longer_than_a_head(hub: Hub) -> None:
    body = b'{"name": "one"}'
    head = (
        "POST /api/repos/create HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer hf_local\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as line:
        line.sendall(head + body[:3])
        with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as silent:
            assert silent.recv(1) == b""  # the time that a head has is over
        line.sendall(body[3:])
        assert answer(line).startswith(b"HTTP/1.1 200")


class Endless:
    """Checks that do not come to an end until they are let."""

    def __init__(self) -> None:
        self.asked, self.free = threading.Event(), threading.Event()

    def card(self, folder: Path, kind: str) -> Sequence[Finding]:
        self.asked.set()
        self.free.wait(120)
        return ()

    def files(self, folder: Path, kind: str) -> Sequence[Finding]:
        return ()

    def dataset(self, folder: Path) -> Reading:
        raise NotImplementedError


def test_a_request_without_an_end_keeps_no_hub_from_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_LEAVING", 0.05)
    endless = Endless()
    hub = Hub(tmp_path / "hub", outlook=endless).start()
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as line:
        body = b'{"name": "one"}'
        headers = f"Authorization: Bearer hf_local\r\nContent-Length: {len(body)}\r\n\r\n"
        create = HEAD.replace(b"GET /api/agent-harnesses", b"POST /api/repos/create")
        line.sendall(create + headers.encode() + body)
        assert answer(line).startswith(b"HTTP/1.1 200")
        line.sendall(HEAD.replace(b"/api/agent-harnesses", b"/me/one") + b"\r\n")
        assert endless.asked.wait(120)
        hub.stop()
        assert "does not end" in caplog.text
        # nobody else gets its folder while something may still write there
        with pytest.raises(HubtoolsError, match="is using"):
            Hub(tmp_path / "hub")
        endless.free.set()
    monkeypatch.undo()
    hub.stop()
    with Hub(tmp_path / "hub"):
        pass


def test_a_body_that_comes_drop_by_drop(tmp_path: Path) -> None:
    head = b"POST /api/validate-yaml HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999\r\n\r\n{"
    with (
        Hub(tmp_path / "hub", body_seconds=0.05) as hub,
        socket.create_connection(("127.0.0.1", hub.port), timeout=60) as line,
    ):
        line.sendall(head)
        assert answer(line) == b""
