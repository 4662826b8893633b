"""Hostile and clumsy requests: nothing leaves the root, nothing hangs, all get a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hubtools.localhub.names import RESERVED, check_repo_name, is_name, path_fault
from hubtools.localhub.problems import Problem
from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT

WORDS = (
    "api models datasets spaces me one none resolve main tree preupload commit revision"
    " refs%2Fpr%2F1 discussions 1 branch tag commits lfs-files batch settings info lfs"
    " objects one.git _lfs blob discussions merge x%00y %ff .. %2e%2e 99999999999999999999"
    " auth-check paths-info refs super-squash repos create move validate-yaml"
)
ME = {"Authorization": "Bearer hf_local"}
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

hostile_parts = st.sampled_from(
    [
        "..",
        ".",
        "",
        "~",
        "etc",
        "passwd",
        ".git",
        "a",
        "C:",
        "\\",
        "..\\..",
        "%2e%2e",
        "%2f",
        "\0",
        "é",
    ]
)

hostile_paths = st.lists(hostile_parts, min_size=1, max_size=6).map("/".join) | st.text(max_size=40)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    around = tmp_path_factory.mktemp("around")
    (around / "secret.txt").write_text("SECRET")
    served = around / "mounted"
    served.mkdir()
    (served / "open.txt").write_text("open")
    with Hub(around / "hub") as hub:
        post(hub, "api/repos/create", {"name": "one"})
        hub.store.mount("model", "me/mounted", served)
        yield hub


def post(hub: Hub, path: str, body: object) -> httpx2.Response:
    return CLIENT.post(f"{hub.url}/{path}", json=body, headers=ME)


def commit(hub: Hub, path: str) -> httpx2.Response:
    lines = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "file", "value": {"path": path, "content": "eA==", "encoding": "base64"}},
    ]
    return CLIENT.post(
        f"{hub.url}/api/models/me/one/commit/main",
        content="\n".join(json.dumps(line) for line in lines),
        headers=ME,
    )


def outside(hub: Hub) -> dict[str, int]:
    """Everything around the root, which nobody may change."""
    around = hub.root.parent
    return {
        str(path): path.stat().st_size
        for path in around.rglob("*")
        if not path.is_relative_to(hub.root) and path.is_file()
    }


@RELAXED
@given(hostile_paths)
@example("../secret.txt")
@example("..%2f..%2fsecret.txt")
@example("/etc/passwd")
@example("a\n/b")
@example("a/../../secret.txt")
@example("\ud800")
def test_nothing_is_written_or_read_outside(hub: Hub, path: str) -> None:
    before = outside(hub)
    answer = commit(hub, path)
    half = any("\ud800" <= letter <= "\udfff" for letter in path)  # no JSON that anybody reads
    assert answer.status_code in ((400,) if half else (200, 422))
    # Only well-formed paths are taken (or clash with one that was taken before).
    if answer.status_code == 200:
        assert path_fault(path) is None
    assert outside(hub) == before
    safe = quote(path.encode("utf-8", "replace"), safe="")
    for repo in ("me/one", "me/mounted"):
        for raw in (safe, path.encode("ascii", "ignore").decode()):
            got = _raw_get(hub, f"/{repo}/resolve/main/{raw}")
            assert b"SECRET" not in got
            assert b"root:" not in got


def _raw_get(hub: Hub, target: str) -> bytes:
    """GET without a client that would tidy the address up."""
    import socket

    visible = "".join(c for c in target if 32 < ord(c) < 127)
    with socket.create_connection(("127.0.0.1", hub.port), timeout=120) as connection:
        request = f"GET {visible} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        received = b""
        while block := connection.recv(65536):
            received += block
    return received


@RELAXED
@given(st.text(max_size=20), st.text(max_size=20))
@example("..", "..")
@example("me", "..")
@example("a" * 97, "b")
def test_names_that_are_taken_are_plain(namespace: str, name: str) -> None:
    plain = is_name(namespace) and is_name(name)
    if not plain or namespace.lower() in RESERVED:
        with pytest.raises(Problem, match="Invalid repo name"):
            check_repo_name(namespace, name)
    else:
        check_repo_name(namespace, name)
        for part in (namespace, name):
            assert Path(part).name == part
            assert part not in (".", "..")
            assert len(part) <= 96


@RELAXED
@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
    st.lists(
        st.sampled_from(WORDS.split()),
        max_size=8,
    ),
    st.sampled_from(
        [
            *(b"", b"{}", b"[]", b"null", b"1", b'"x"', b"{", b"\xff\xfe", b"[" * 5000),
            *(b'{"files":[1]}', b'{"files":[{"path":1}]}', b'{"deletions":3}', b'{"title":"abc"}'),
            b'{"name":1}',
            b'{"fromRepo":"a/b","toRepo":"c/d"}',
            b'{"objects":[{}],"operation":"upload"}',
        ]
    ),
    st.sampled_from(["", "?limit=x", "?expand=1", "?cursor=-1", "?recursive=1&p=9", "?key=é"]),
)
def test_any_request_is_answered_by_a_sentence(
    hub: Hub, method: str, segments: list[str], body: bytes, query: str
) -> None:
    url = f"{hub.url}/{'/'.join(segments)}{query}"
    answer = CLIENT.request(method, url, content=body, headers=ME, timeout=None)
    unknown = "does not know" in answer.headers.get("x-error-message", "")
    assert answer.status_code < 500 or unknown, (method, url, body, answer.text)
    assert answer.headers["x-request-id"]
    if answer.status_code >= 400 and method != "HEAD":
        assert answer.json()["error"]
    # The repository the other examples need must not have been moved or deleted.
    post(hub, "api/repos/create", {"name": "one"})


@pytest.mark.parametrize(
    "host, status",
    [
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("10.0.0.1", 421),
        ("", 421),
        ("datasets-server.localhost:5577", 404),
    ],
)
def test_other_hosts_are_refused(hub: Hub, host: str, status: int) -> None:
    answer = CLIENT.get(f"{hub.url}/api/models", headers={"Host": host})
    assert answer.status_code == status
    assert "127.0.0.1" in answer.json()["error"]


def test_unknown_addresses(hub: Hub) -> None:
    for path in ("api/unknown", "api", "api/models/a/b/c/d/e", "docs", "settings/tokens"):
        answer = CLIENT.get(f"{hub.url}/{path}")
        assert answer.status_code == (501 if path.startswith("api") else 404)
        assert answer.json()["error"]
    answer = CLIENT.put(f"{hub.url}/api/whoami-v2")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert CLIENT.get(f"{hub.url}/api/agent-harnesses").json() == {
        "standardEnvVars": [],
        "harnesses": {},
    }


def test_an_upload_needs_a_signed_address(hub: Hub) -> None:
    sha256 = "a" * 64
    for path in (f"_lfs/1/{sha256}/5/{sha256}", "_lfs/1/../5/x", "_lfs", f"_lfs/1/{sha256}/5/"):
        answer = CLIENT.put(f"{hub.url}/{path}", content=b"12345", headers=ME)
        assert answer.status_code == 403
        assert "not an upload address" in answer.json()["error"]


@pytest.mark.parametrize("sent", [b"too short", b"x" * 5000, b"wrong but long"])
def test_what_does_not_match_its_hash_is_refused(hub: Hub, sent: bytes) -> None:
    import hashlib

    right = b"right and long"
    oid = hashlib.sha256(right).hexdigest()
    batch = {"operation": "upload", "objects": [{"oid": oid, "size": len(right)}]}
    (item,) = post(hub, "me/one.git/info/lfs/objects/batch", batch).json()["objects"]
    answer = CLIENT.put(item["actions"]["upload"]["href"], content=sent)
    assert answer.status_code == 400
    verify = post(hub, "me/one.git/info/lfs/objects/verify", {"oid": oid, "size": len(right)})
    assert verify.status_code == 404
    assert not hub.store.blobs.has(oid, len(right))
    assert list(hub.store.blobs.incoming.iterdir()) == []


def test_failures_on_demand(hub: Hub) -> None:
    fault = hub.fail_next("GET", "whoami", 429, times=2, headers={"Retry-After": "1"})
    url = f"{hub.url}/api/whoami-v2"
    codes = [CLIENT.get(url, headers=ME).status_code for _ in range(3)]
    assert codes == [429, 429, 200]
    assert fault.hits == 2
    hub.fail_next("*", "whoami", "drop")
    with pytest.raises(httpx2.HTTPError):
        CLIENT.get(url, headers=ME)
    hub.fail_next("POST", "repos/create", "drop-after")
    with pytest.raises(httpx2.HTTPError):
        post(hub, "api/repos/create", {"name": "lost"})
    assert CLIENT.get(f"{hub.url}/api/models/me/lost").status_code == 200


def test_a_bug_is_no_reason_to_hang(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen failure is answered with a status the client does not retry."""
    with hub.store.database.writing() as connection:
        connection.execute("ALTER TABLE refs RENAME TO gone")
    try:
        answer = CLIENT.get(f"{hub.url}/api/models/me/one")
        assert answer.status_code == 501
        assert "failed" in answer.json()["error"]
        assert "no such table" in caplog.text
    finally:
        with hub.store.database.writing() as connection:
            connection.execute("ALTER TABLE gone RENAME TO refs")


def test_the_secret_key_is_not_served(hub: Hub) -> None:
    assert (hub.root / "hub.sqlite3").exists()
    for path in ("hub.sqlite3", "..%2fhub.sqlite3", "blobs", "-/../hub.sqlite3"):
        assert b"SQLite" not in _raw_get(hub, f"/{path}")


HALVES = {
    "api/repos/create": '{"name": "\\ud800", "type": "dataset", "organization": "me"}',
    "api/repos/move": '{"fromRepo": "me/one", "toRepo": "me/\\ud800", "type": "model"}',
    "api/models/me/one/preupload/main": '{"files": [{"path": "\\ud800", "size": 1}]}',
    "api/models/me/one/tag/main": '{"tag": "\\ud800"}',
    "api/models/me/one/super-squash/main": '{"message": "\\ud800"}',
    "api/models/me/one/commit/main": '{"key": "header", "value": {"summary": "\\ud800"}}',
    "me/one.git/info/lfs/objects/batch": '{"operation": "upload", "objects": [], "transfers": 7}',
}


@pytest.mark.parametrize("path", HALVES)
def test_values_that_no_text_holds_are_refused(hub: Hub, path: str) -> None:
    answer = CLIENT.post(f"{hub.url}/{path}", content=HALVES[path], headers=ME)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]


def test_a_batch_of_very_many(hub: Hub) -> None:
    """Each costs a signature and an answer of 400 bytes, also who shows no token."""
    batch = {"operation": "download", "objects": [{"oid": "a" * 64, "size": 1}] * 1001}
    answer = CLIENT.post(f"{hub.url}/me/one.git/info/lfs/objects/batch", json=batch, headers=ME)
    assert answer.status_code == 413
