"""The page of `hubtools review`: for whom it answers, and what it never does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from tests.drawing import write_pictures
from tests.reviewed import Page, bytes_of, captions_of, served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("review") / "set", 2)


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Page]:
    with served(folder) as page:
        yield page


_JSON = {"Content_Type": "application/json"}
_CHANGE = json.dumps(
    {"changes": [[["caption", "picture0.png", "text"], {"after": "by a stranger"}]], "what": "x"}
).encode()


def test_only_the_page_itself_is_answered(page: Page) -> None:
    """Not without the token, not under another name of this machine, not from another origin."""
    own = {"Origin": f"http://127.0.0.1:{page.port}", **_JSON}
    for path in ("/", "/set", f"/{'a' * 32}/set", page.path[:-2] + "/set", page.path[:-1]):
        assert page.ask("GET", path)[0] == 404, path
        assert page.ask("POST", path, _CHANGE, **own)[0] in (403, 404), path
    for host in ("attacker.example", f"attacker.example:{page.port}", "127.0.0.1", ""):
        assert page.ask("GET", "set", Host=host)[0] == 421, host
        assert page.ask("POST", "change", _CHANGE, Host=host, **_JSON)[0] == 421, host
    for headers in (
        {"Origin": "http://attacker.example", **_JSON},
        {"Origin": "null", **_JSON},
        {"Origin": f"http://127.0.0.1:{page.port + 1}", **_JSON},
        {"Sec_Fetch_Site": "cross-site", **_JSON},
        {"Sec_Fetch_Site": "same-site", **_JSON},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {},
    ):
        assert page.ask("POST", "change", _CHANGE, **headers)[0] == 403, headers
    assert page.get("set")["pending"] == []
    assert page.ask("PUT", "change", _CHANGE, **_JSON)[0] == 501
    assert page.ask("GET", "apply")[0] == 404  # nothing is done by an address alone


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    status, body, headers = page.ask("GET", "")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"  # the token stays here
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert b"//" not in body
    for file in resources.files("hubtools.reviewing").joinpath("page").iterdir():
        text = re.sub(r"(?m)(^|\s)//.*$", "", file.read_text(encoding="utf-8"))
        text = text.replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text, file.name
        assert "innerHTML" not in text, file.name
        assert "eval(" not in text, file.name


@pytest.mark.parametrize(
    "key",
    [
        ["caption", "../outside.png", "text"], ["caption", "/etc/passwd", "text"],
        ["caption", ".hubtools/fixes/x.png", "text"], ["caption", "nobody.png", "text"],
        ["caption", "picture0.png", "file_name"], ["fate", "metadata.jsonl"], ["fate", ".."],
        ["turn", "a\0b"], ["fix", "D999"], ["else", "picture0.png"], ["caption"], [], "caption",
    ],
)  # fmt: skip
def test_keys_that_cannot_be(page: Page, folder: Path, key: object) -> None:
    before = bytes_of(folder)
    value = {"after": "x", "what": "delete", "digest": "", "by": 90, "unsafe": []}
    answer = page.post("change", status=400, changes=[[key, value]], what="x")
    assert "error" in answer
    assert page.get("set")["pending"] == []
    assert bytes_of(folder) == before


def test_odd_requests_get_an_answer(page: Page) -> None:
    for body in (b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"changes": 3}', b'"\xff"'):
        assert page.ask("POST", "change", body, **_JSON)[0] == 400, body[:20]
    assert page.ask("POST", "change", b"x", Content_Length="999999999999", **_JSON)[0] == 413
    for path in ("small", "small/x/y", "small/99/a", "small/0/..%2f..", "beside/0/a/9", "..%2fx",
                 "%2e%2e/session.py", "../server.py", "about/0/zz"):  # fmt: skip
        assert page.ask("GET", path)[0] == 404, path


def test_links_that_lead_out_are_not_written_through(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", 2)
    outside = tmp_path / "outside.jsonl"
    (folder / "metadata.jsonl").rename(outside)
    (folder / "metadata.jsonl").symlink_to(outside)
    before = outside.read_bytes()
    with served(folder) as page:
        page.write("picture0.png", "tok, through a link")
        made = page.post("plan")
        if not made["conflicts"]:
            page.post("apply", digest=made["digest"])
    assert outside.read_bytes() == before
    assert (folder / "metadata.jsonl").is_symlink()


def test_state_through_a_link_is_refused(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", 2)
    (tmp_path / "elsewhere").mkdir()
    (folder / ".hubtools").mkdir()
    (folder / ".hubtools" / "review").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="link"), served(folder):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_foreign_or_forged_state_proposes_nothing_unasked(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", 2)
    place = folder / ".hubtools" / "review"
    place.mkdir(parents=True)
    entry = [["caption", "picture0.png", "text"], {"before": None, "after": "tok, forged"}]
    for content in ({"schema": 1, "entries": [entry]},
                    {"schema": 1, "entries": [entry], "seal": {"mac": "0" * 64}},
                    {"schema": 1, "entries": [[["fate", "../x"], {"what": "delete"}]]},
                    {"schema": 1, "entries": 3}, []):  # fmt: skip
        (place / "pending.json").write_text(json.dumps(content))
        with pytest.raises(Exception, match=r"copied or moved here|damaged"), served(folder):
            pass
    assert captions_of(folder)["picture0.png"] == "photo of a tok, number 0"


@pytest.mark.skipif(os.name == "nt", reason="no modes there")
def test_what_is_pending_is_kept_from_git(folder: Path, page: Page) -> None:
    page.write("picture1.png", "tok, kept")
    ignored = folder / ".hubtools" / "review" / ".gitignore"
    assert ignored.read_text() == "*\n"
    page.change([["caption", "picture1.png", "text"], None])


def test_requests_that_make_no_sense(page: Page, capfd: pytest.CaptureFixture[str]) -> None:
    """They are answered or closed, and no traceback is printed."""
    host = f"Host: 127.0.0.1:{page.port}\r\n".encode()
    post = b"POST " + page.path.encode() + b"change HTTP/1.1\r\n" + host
    post += b"Content-Type: application/json\r\nContent-Length: "
    for sent, told in (
        (b"GET http://[ HTTP/1.1\r\n" + host + b"\r\n", b" 404 "),
        (post + b"9" * 5000 + b"\r\n\r\n", b" 403 "),
        (post + b"\xb2\r\n\r\n", b" 403 "),
    ):
        with socket.create_connection(("127.0.0.1", page.port), timeout=30) as connection:
            connection.sendall(sent)
            assert told in connection.recv(1000)
    assert "Traceback" not in capfd.readouterr().err


def test_who_says_nothing_keeps_nobody_out(page: Page) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection(("127.0.0.1", page.port), timeout=30))
        assert page.get("set")["pending"] == []
