"""The page of `watch` answers its owner alone, and a stranger's run folder leads nowhere."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hubtools.layout import METRICS, RUN_LOCK
from hubtools.loopback import CSP
from hubtools.watching.serving import Watching, watching
from tests.watched import write_run, write_sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_run(tmp_path / "lora", 5)
    write_sample(made, 0, 0, "<img src=x onerror=alert(1)>")
    return made


@pytest.fixture
def page(folder: Path) -> Iterator[Watching]:
    with watching(folder) as found:
        yield found


def ask(
    page: Watching, path: str, *, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Answer to `path` behind the token."""
    url = urlsplit(page.url)
    assert url.port is not None
    connection = http.client.HTTPConnection("127.0.0.1", url.port)
    try:
        connection.request(method, url.path + path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def state(page: Watching) -> Any:
    status, _, body = ask(page, "state/none/none")
    assert status == 200
    return json.loads(body)


def test_only_who_has_the_address_is_answered(page: Watching) -> None:
    status, headers, body = ask(page, "")
    assert status == 200
    assert headers["Content-Security-Policy"] == CSP
    assert b"http" not in body.replace(b"http-equiv", b"")  # nothing comes from elsewhere
    assert ask(page, "", Host="evil.example")[0] == 421
    assert ask(page, "../x/state/none/none")[0] == 404
    url = urlsplit(page.url)
    wrong = page.url.replace(url.path, "/" + "a" * 32 + "/")
    assert ask(Watching(wrong, page.folder, "", page.api), "")[0] == 404
    assert b"hubtools watch" in ask(Watching(wrong, page.folder, "", page.api), "")[2]


def test_nothing_can_be_changed(page: Watching, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    headers = {"Content-Type": "application/json", "Content-Length": "2"}
    url = urlsplit(page.url)
    assert url.port is not None
    connection = http.client.HTTPConnection("127.0.0.1", url.port)
    connection.request("POST", url.path + "state/none/none", body="{}", headers=headers)
    assert connection.getresponse().status == 404
    connection.close()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_samples_come_as_pictures_that_were_decoded_here(page: Watching) -> None:
    (sample,) = state(page)["drawn"]["samples"]
    status, headers, body = ask(page, f"small/{sample['at']}")
    assert (status, headers["Content-Type"], body[:2]) == (200, "image/jpeg", b"\xff\xd8")
    for path in ("small/x/y", "small/..%2f..%2frun.json/0", f"small/{sample['at']}x", "small/"):
        assert ask(page, path)[0] == 404


@pytest.mark.parametrize("name", [METRICS, "samples", "run.json", RUN_LOCK])
def test_no_link_is_followed(folder: Path, tmp_path: Path, name: str) -> None:
    place, secret = folder / name, tmp_path / "secret"
    if place.is_dir() or place.exists():
        place.rename(secret)
    else:
        secret.write_bytes(b"")
    place.symlink_to(secret)
    for path in (METRICS, "run.json", "samples"):  # so long ago that the lock is looked at
        os.utime(folder / path, (0, 0), follow_symlinks=False)
    with watching(folder) as page:
        found = state(page)
    if name == RUN_LOCK:  # else somebody's lock, which is free, would say that nobody trains
        assert found["run"]["status"] == "running"
    if name == METRICS:
        assert found["curve"]["step"] == []
    if name == "samples":
        assert found["drawn"]["samples"] == []
    if name == "run.json":
        assert found["run"]["status"] == "unreadable"


def test_a_record_that_speaks_of_another_file_shows_nothing(folder: Path, tmp_path: Path) -> None:
    record = folder / "samples" / "step000000_p00_s0.json"
    (tmp_path / "secret.png").write_bytes((folder / "samples/step000000_p00_s0.png").read_bytes())
    for name in ("../../secret.png", str(tmp_path / "secret.png")):
        value = json.loads(record.read_text()) | {"file": name}
        record.write_text(json.dumps(value))
        with watching(folder) as page:
            assert state(page)["drawn"]["samples"] == []


def test_a_picture_that_is_none_is_not_shown(folder: Path) -> None:
    (folder / "samples" / "step000000_p00_s0.png").write_bytes(b"<svg onload=alert(1)>")
    with watching(folder) as page:
        (sample,) = state(page)["drawn"]["samples"]
        assert ask(page, f"large/{sample['at']}")[0] == 404
