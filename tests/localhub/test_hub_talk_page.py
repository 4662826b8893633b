"""The pages of discussions and changes, and lists that go on over several pages."""

from __future__ import annotations

import io
import re

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from PIL import Image

from hubtools.localhub.pages import files, home, talk
from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT

REPO = "me/one"


@pytest.fixture
def api(local_hub: Hub) -> HfApi:
    api = HfApi(endpoint=local_hub.url, token=local_hub.token)
    api.create_repo(REPO)
    return api


def commit(api: HfApi, title: str, pull: bool = False, **contents: bytes) -> None:
    operations = [CommitOperationAdd(name, data) for name, data in contents.items()]
    api.create_commit(REPO, operations, commit_message=title, create_pr=pull)


def ask(api: HfApi, place: str) -> str:
    answer = CLIENT.get(f"{api.endpoint}/{place}", headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


def picture(shade: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), shade).save(file, "PNG")
    return file.getvalue()


def test_lists_go_on_over_several_pages(api: HfApi, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((files, "_COMMITS"), (files, "_ROWS"), (talk, "_PAGE"), (home, "_SHOWN")):
        monkeypatch.setattr(module, name, 2)
    for number in range(4):
        commit(api, f"Number {number}", **{f"{number}.txt": b"x"})
        api.create_discussion(REPO, title=f"Topic {number}", description="x")
        api.create_repo(f"me/more-{number}")
    for place, pattern, pages in (
        (f"{REPO}/commits/main", "Number [0-9]|initial commit", [2, 2, 1]),
        (f"{REPO}/discussions", "Topic [0-9]", [2, 2]),
        (f"{REPO}/tree/main", r">[0-9]\.txt<|>\.gitattributes<", [2, 2, 1]),
        ("models", ">me/(?:one|more-[0-9])<", [2, 2, 1]),
    ):
        seen: list[str] = []
        for page, count in enumerate(pages):
            shown = ask(api, f"{place}?p={page}")
            found = re.findall(pattern, shown)
            assert len(found) == count, (place, page)
            assert ('rel="next"' in shown) == (page + 1 < len(pages))
            assert ('rel="prev"' in shown) == (page > 0)
            seen += found
        assert len(set(seen)) == len(seen) == sum(pages)
        assert re.findall(pattern, ask(api, f"{place}?p=99")) == seen[-pages[-1] :]


def test_a_pull_request_shows_pictures_and_what_keeps_it_from_being_merged(api: HfApi) -> None:
    commit(api, "first", **{"a.txt": b"1", "a.png": picture("red"), "b.png": picture("red")})
    changed = {"a.txt": b"2", "a.png": picture("blue"), "new.png": picture("red")}
    commit(api, "theirs", pull=True, **changed)
    shown = ask(api, f"{REPO}/discussions/1")
    assert "Conflicts with main" not in shown
    merging = "hf discussions merge me/one 1 --type model</pre>"
    assert f"HF_ENDPOINT={api.endpoint}\nexport HF_TOKEN=...\n{merging}" in shown
    assert "a.png: replaced" in shown
    assert "new.png: added" in shown
    assert "b.png" not in shown
    assert len(re.findall(r"<img [^>]*/resolve/", shown)) == 3
    # a picture stands there as such, not with the lines of its pointer as well
    assert re.findall(r"diff --git a/(\S+)", shown) == ["a.txt"]
    commit(api, "ours", **{"a.txt": b"3"})
    shown = ask(api, f"{REPO}/discussions/1")
    assert "a.txt" in shown.partition("Conflicts with main")[2][:200]
    assert merging not in shown
    api.change_discussion_status(REPO, 1, "closed")
    assert "Conflicts with main" not in ask(api, f"{REPO}/discussions/1")


def test_what_turns_the_direction_of_writing_turns_nothing_else(api: HfApi) -> None:
    commit(api, "שלום", **{"\u202egnp.exe": b"x"})
    shown = ask(api, f"{REPO}/tree/main")
    assert "\u202e" not in shown
    assert r"\u202egnp.exe" in shown
    assert "<bdi>שלום</bdi> · 2" in ask(api, "models")
    blob = ask(api, f"{REPO}/blob/main/%E2%80%AEgnp.exe")
    assert r"\u202egnp.exe" in blob
