"""A Hub whose answers name another server: neither the token nor a commit goes there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants, get_hf_file_metadata, lfs
from huggingface_hub.utils import _http

from hubtools.hub import origins
from hubtools.hub.origins import LedElsewhere
from hubtools.hub.patience import _patient

ELSEWHERE = "http://elsewhere.invalid"
TOKEN = "hf_local"
Answers = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[httpx2.Request]]:
    """What was sent; every list goes on elsewhere, every POST that changes something leads there,
    every file has a token for Xet that is asked for there."""
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        path = request.url.path
        further = {"link": f'<{ELSEWHERE}/2>; rel="next"'}
        if request.url.host == "elsewhere.invalid":
            return httpx2.Response(200, json=[], headers={"etag": '"1"'} | further)
        if "/o/led/" in path:
            return httpx2.Response(302, headers={"location": f"{ELSEWHERE}/1"})
        if path.endswith("/refs"):
            return httpx2.Response(200, json={"branches": [], "converts": [], "tags": []})
        if "/info/lfs/" in path:
            put, ask = {"href": f"{constants.ENDPOINT}/put"}, {"href": f"{ELSEWHERE}/v"}
            there = {"oid": "a" * 64, "size": 3, "actions": {"upload": put, "verify": ask}}
            return httpx2.Response(200, json={"objects": [there]})
        if "/resolve/" in path:
            route = f"{ELSEWHERE}/token"
            by = {"link": f'<{route}>; rel="xet-auth"'} if "link" in path else {}
            heads = {"etag": '"1"', "content-length": "3", "x-xet-hash": "a" * 64}
            return httpx2.Response(200, headers=heads | (by or {"x-xet-refresh-route": route}))
        if request.method == "POST" and path.startswith("/api/"):
            return httpx2.Response(307, headers={"location": f"{ELSEWHERE}/again"})
        return httpx2.Response(200, json=[], headers=further)

    client = httpx2.Client(
        transport=_patient(httpx2.MockTransport(answer)), follow_redirects=True, timeout=None
    )
    monkeypatch.setattr(_http, "_GLOBAL_CLIENT", client)
    monkeypatch.setattr(origins, "_asked", set())
    monkeypatch.setattr(origins, "_named", set())
    yield sent
    client.close()
    assert not [one for one in sent if one.url.host == "elsewhere.invalid" and _tells(one)]


def _tells(request: httpx2.Request) -> bool:
    return TOKEN in str(request.headers) or bool(request.content)


def verified() -> None:
    add = CommitOperationAdd("a.bin", b"abc")
    said, _, _ = lfs.post_lfs_batch_info([add.upload_info], TOKEN, "model", "o/n")
    lfs.lfs_upload(add, said[0], token=TOKEN)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: HfApi().list_repo_commits("o/n"),
        lambda: HfApi().list_repo_commits("o/led"),
        lambda: list(HfApi().list_lfs_files("o/n")),
        lambda: HfApi().create_repo("o/n"),
        verified,
    ],
    ids=["commits", "led before", "large files", "a commit that is repeated", "has it arrived"],
)
def test_what_is_for_the_hub_alone(asked: list[httpx2.Request], ask: Callable[[], Any]) -> None:
    with pytest.raises(LedElsewhere, match=r"http://elsewhere\.invalid:80, and .* was not"):
        ask()


@pytest.mark.parametrize("form", ["link", "route"])
def test_the_library_for_xet(asked: list[httpx2.Request], form: str) -> None:
    """It asks by itself, with the token, where it is told to."""
    found = get_hf_file_metadata(f"{constants.ENDPOINT}/o/n/resolve/main/{form}.bin")
    assert found.xet_file_data is None
    assert found.size == 3


def test_who_may_have_it(asked: list[httpx2.Request]) -> None:
    """The Hub that is set, the public one, and one that a program asks by itself."""
    heads = {"authorization": f"Bearer {TOKEN}"}
    for place in ("https://huggingface.co", constants.ENDPOINT, "http://mine.invalid:81"):
        assert _http.get_session().get(f"{place}/led/there", headers=heads).status_code == 200
    assert HfApi(endpoint="http://mine.invalid:81").list_repo_refs("o/refs").tags == []
