"""`preview`: the pages of a folder before anything is published, for its owner alone."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

import hubtools
from hubtools.errors import HubtoolsError
from tests.drawing import write_pictures

TOKEN = "hf_" + "aBcDeFgHiJ" * 3 + "kLmN"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A dataset with a card, a link that leads nowhere, a secret and a file that stays here."""
    folder = write_pictures(tmp_path / "people", 2, (16, 16))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# People\n\n[x](gone.md)\n")
    (folder / "notes.txt").write_text(f"token = {TOKEN}\n")
    (folder / ".env").write_text("A=1\n")
    return folder


def listed(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(p), p.stat().st_mtime_ns) for p in folder.rglob("*"))


def test_the_pages_of_a_folder(pictures: Path) -> None:
    before = listed(pictures)
    with (
        hubtools.preview(pictures) as served,
        httpx2.Client(follow_redirects=True, headers={"accept": "text/html"}) as browser,
    ):
        assert [(one.repo, one.card) for one in served.shown] == [("me/people", True)]
        origin = re.match(r"http://127\.0\.0\.1:\d+", served.url)
        assert origin is not None
        page = f"{origin[0]}/datasets/me/people"
        # who has not the key sees nothing, by no way
        for path in ("", "/tree/main/", "/resolve/main/notes.txt", "/viewer"):
            answer = browser.get(page + path)
            assert answer.status_code == 403
            assert "people" not in answer.text.replace("/datasets/me/people", "")
        assert browser.get(f"{origin[0]}/api/datasets/me/people").status_code == 403
        assert browser.get(f"{origin[0]}/-/in/{'x' * 32}/").status_code == 403
        card = browser.get(served.url)
        assert card.status_code == 200
        page = str(card.url)
        assert page == served.url
        assert "C205" in card.text
        assert "photo of a tok, number 1" in card.text
        files = browser.get(f"{page}/tree/main/").text
        assert ".env" not in files
        assert re.search(r'notes\.txt</a><span class="badge error"[^>]*>P101', files)
        assert TOKEN not in files
        assert "Viewer" in files
        assert browser.get(f"{page}/viewer").text.count('class="zoom"') == 2
        # nothing can be written
        for where in (origin[0], page.removesuffix("/datasets/me/people")):
            made = browser.post(f"{where}/api/repos/create", json={"name": "x"})
            assert made.status_code in (401, 403)
        # the key stays in the addresses: a cookie would go to other ports, too
        assert not browser.cookies
    assert listed(pictures) == before


def test_a_card_that_is_not_there_yet_is_shown_as_it_would_be_written(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubtools.journey.preview._FRESH", 0.0)
    (pictures / "README.md").unlink()
    before = listed(pictures)
    with hubtools.preview(pictures) as served, httpx2.Client(follow_redirects=True) as browser:
        (shown,) = served.shown
        assert (shown.card, shown.draft) == (False, ())
        page = browser.get(served.url).text
        assert "load_dataset" in page
        assert listed(pictures) == before
        (pictures / "README.md").write_text("---\nlicense: mit\n---\n# Written since\n")
        assert "Written since" in browser.get(served.url).text


def test_every_link_has_the_key(pictures: Path) -> None:
    """From page to page; each of this server is there, and none of elsewhere has it."""
    card = "---\nlicense: mit\n---\n# People\n\n![a](picture0.png) [b](picture1.png) [c](https://x.invalid/)\n"
    (pictures / "README.md").write_text(card)
    with hubtools.preview(pictures) as served, httpx2.Client() as browser:
        origin, way, key = re.match(r"(http://[^/]+)(/-/in/([^/]+))", served.url).groups()  # type: ignore[union-attr]
        left, seen = [served.url.removeprefix(origin)], set[str]()
        while left:
            if (address := left.pop()) in seen:
                continue
            seen.add(address)
            answer = browser.get(origin + address, headers={"accept": "text/html"})
            assert answer.status_code == 200, address
            assert answer.headers["referrer-policy"] == "no-referrer"
            if not answer.headers["content-type"].startswith("text/html"):
                continue
            for found in re.findall(r' (?:href|src|action)="([^"]*)"', answer.text):
                if found.startswith("http"):
                    assert key not in found
                elif not found.startswith("#"):
                    assert found.startswith(f"{way}/"), found
                    left.append(html.unescape(found).partition("#")[0])
        assert len(seen) > 12


def test_the_pages_follow_the_folder(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubtools.journey.preview._FRESH", 0.0)
    with (
        hubtools.preview(pictures, "me/other") as served,
        httpx2.Client(follow_redirects=True, headers={"accept": "text/html"}) as browser,
    ):
        assert "<h1>People</h1>" in browser.get(served.url).text
        (pictures / "README.md").write_text("---\nlicense: mit\n---\n# Friends\n")
        shown = browser.get(served.url).text
        assert "<h1>Friends</h1>" in shown
        assert "C205" not in shown


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HubtoolsError, match="no folder"), hubtools.preview(tmp_path / "nix"):
        pass
    with pytest.raises(HubtoolsError, match="neither"), hubtools.preview(tmp_path):
        pass


def test_the_command(pictures: Path) -> None:
    """The address is printed whole, which no secret would be; Ctrl-C ends it."""
    command = [sys.executable, "-m", "hubtools", "preview", str(pictures), "--format", "json"]
    environment = {**os.environ, "BROWSER": "false"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        assert answer["repos"] == ["me/people"]
        assert httpx2.get(answer["url"]).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
