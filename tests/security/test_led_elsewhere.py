"""A Hub whose answers name another server: neither the token nor a commit goes there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants, get_hf_file_metadata, lfs
from huggingface_hub.utils import _http
from huggingface_hub.utils._http import fix_hf_endpoint_in_url

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
        if path == "/put":
            return httpx2.Response(200)
        if request.url.host == "elsewhere.invalid":
            return httpx2.Response(200, json=[], headers={"etag": '"1"'} | further)
        if "/o/led/" in path:
            return httpx2.Response(302, headers={"location": f"{ELSEWHERE}/1"})
        if path.endswith("/refs"):
            return httpx2.Response(200, json={"branches": [], "converts": [], "tags": []})
        if "/o/moved.git/info/" in path:
            return httpx2.Response(307, headers={"location": "/batch"})
        if "/info/lfs/" in path or path == "/batch":
            put, ask = {"href": f"{constants.ENDPOINT}/put"}, {"href": f"{ELSEWHERE}/v"}
            deep: list[Any] = []
            for _ in range(400):
                deep = [deep]
            there = {
                "x": deep,
                "oid": "a" * 64,
                "size": 3,
                "actions": {"upload": put, "verify": ask},
            }
            return httpx2.Response(200, json={"objects": [there]})
        if "/resolve/" in path:
            route = request.url.params.get("route", f"{ELSEWHERE}/token")
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


def verified(repo: str = "o/n") -> None:
    add = CommitOperationAdd("a.bin", b"abc")
    said, _, _ = lfs.post_lfs_batch_info([add.upload_info], TOKEN, "model", repo)
    lfs.lfs_upload(add, said[0], token=TOKEN)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: HfApi().list_repo_commits("o/n"),
        lambda: HfApi().list_repo_commits("o/led"),
        lambda: list(HfApi().list_lfs_files("o/n")),
        lambda: HfApi().create_repo("o/n"),
        verified,
        lambda: verified("o/moved"),
    ],
    ids=[
        "commits",
        "led before",
        "large files",
        "a commit that is repeated",
        "has it arrived",
        "has it arrived, moved",
    ],
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


@pytest.mark.parametrize(
    "route",
    [
        "http://elsewhere.invalid\\@{host}/token",  # a library of Rust and one of Python differ
        "http:///elsewhere.invalid/token",
        "http:/\\elsewhere.invalid/token",
        "http:elsewhere.invalid/token",
        "http://elsewhere.invalid:99999/token",
        "https://huggingface.co%2eelsewhere.invalid/token",
        "http://else\twhere.invalid/token",
        "/token",
    ],
)
@pytest.mark.parametrize("form", ["link", "route"])
def test_addresses_that_are_read_in_two_ways(
    asked: list[httpx2.Request], form: str, route: str
) -> None:
    where = quote(route.format(host=constants.ENDPOINT.partition("//")[2]))
    url = f"{constants.ENDPOINT}/o/n/resolve/main/{form}.bin?route={where}"
    assert get_hf_file_metadata(url).xet_file_data is None


def test_xet_of_the_hub(asked: list[httpx2.Request]) -> None:
    route = f"{constants.ENDPOINT}/api/models/o/n/xet-read-token/main"
    url = f"{constants.ENDPOINT}/o/n/resolve/main/link.bin?route={route}"
    found = get_hf_file_metadata(url).xet_file_data
    assert found is not None
    assert found.refresh_route == route


def test_an_address_that_the_client_rewrites(
    asked: list[httpx2.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It puts the Hub that is set in the place of the public one's name, wherever that stands."""
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    heads = {"authorization": f"Bearer {TOKEN}"}
    named = "https://huggingface.co.elsewhere.invalid/v"
    batch = httpx2.Request("POST", "https://hub.invalid/o/n.git/info/lfs/objects/batch")
    origins.note(batch, named)
    with pytest.raises(LedElsewhere):
        _http.get_session().get(fix_hf_endpoint_in_url(named, None), headers=heads)


def test_the_password_of_the_hubs_address(
    asked: list[httpx2.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client writes it into what it takes for the public Hub's name."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://me:pass%20word@hub.invalid")
    put = fix_hf_endpoint_in_url("https://huggingface.co.elsewhere.invalid/put", None)
    before = len(asked)
    with pytest.raises(LedElsewhere, match="your password"):
        _http.get_session().put(put, content=b"abc")
    assert len(asked) == before
    for place in (constants.ENDPOINT, "http://other:word@there.invalid"):
        assert _http.get_session().get(f"{place}/led/there").status_code == 200


def test_who_may_have_it(asked: list[httpx2.Request]) -> None:
    """The Hub that is set, the public one, and one that a program asks by itself."""
    heads = {"authorization": f"Bearer {TOKEN}"}
    for place in ("https://huggingface.co", constants.ENDPOINT, "http://mine.invalid:81"):
        assert _http.get_session().get(f"{place}/led/there", headers=heads).status_code == 200
    assert HfApi(endpoint="http://mine.invalid:81").list_repo_refs("o/refs").tags == []
