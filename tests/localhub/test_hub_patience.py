"""Connections that never finish the head of a request are let go; slow bodies are not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

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
