"""Requests that the Hub turns away for now are made again."""

from __future__ import annotations

import email.utils
import socket
import time
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hubtools.hub import patience
from hubtools.hub.client import head_and_privacy, remote_head
from hubtools.hub.commit import Repository
from hubtools.hub.errors import as_sentence, is_unreachable
from hubtools.hub.patience import WAITS
from hubtools.localhub.server import Hub
from hubtools.publish.push import plan_push, push
from tests.security.secrets_corpus import picture


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "people"
    root.mkdir()
    (root / "0.png").write_bytes(picture())
    (root / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "a view"}\n')
    (root / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# People\n\nOne picture.\n")
    return root


def test_too_many_requests_are_waited_for_and_told(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    told: list[str] = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    monkeypatch.setattr(patience, "tell", told.append)
    plan = plan_push(dataset, "me/people", "dataset")
    turned_away = local_hub.fail_next(
        "POST", "/commit/", 429, times=2, headers={"Retry-After": "40"}
    )
    assert push(plan).verified == 3
    assert turned_away.hits == 2
    assert slept == [40.0, 40.0]
    assert len(told) == 2
    assert "going on at" in told[0]


def test_an_answer_that_never_comes_is_an_error(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    plan = plan_push(dataset, "me/people", "dataset")
    local_hub.fail_next("POST", "/commit/", 429, times=99, headers={"Retry-After": "400"})
    with pytest.raises(Exception, match="429"):
        push(plan)
    assert sum(slept) <= patience.LONGEST


def test_a_hub_that_always_says_at_once_is_not_asked_without_end(
    local_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)
    busy = local_hub.fail_next("GET", "/api/models/me/one", 429, 999, headers={"Retry-After": "0"})
    with pytest.raises(Exception, match="429"):
        remote_head("me/one", "model")
    assert patience.TIMES < busy.hits < 999


def test_a_hub_that_says_nothing_any_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SILENCE", patience.SILENCE | {"read": 0.1})
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        patience.be_patient()
        with pytest.raises(Exception, match="timed out") as caught:
            HfApi(endpoint=address, token="hf_local").create_repo("me/one")
    said = as_sentence(caught.value)
    assert said is not None
    assert said.code == "hub-unreachable"


@pytest.mark.parametrize("outcome", ["drop-after", 504])
def test_a_commit_whose_answer_is_lost(local_hub: Hub, dataset: Path, outcome: object) -> None:
    plan = plan_push(dataset, "me/people", "dataset")
    lost = local_hub.fail_next("POST", "/commit/", outcome)  # type: ignore[arg-type]
    done = push(plan)
    assert lost.hits == 1
    assert done.verified == 3
    assert done.commit == remote_head("me/people", "dataset")
    again = plan_push(dataset, "me/people", "dataset")
    assert not again.changes


@pytest.mark.parametrize("outcome", ["drop", "drop-after", 504])
@pytest.mark.parametrize("repo_type", ["dataset", "space"])
def test_making_a_repository_whose_answer_is_lost(
    local_hub: Hub, monkeypatch: pytest.MonkeyPatch, outcome: object, repo_type: str
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    lost = local_hub.fail_next("POST", "/repos/create", outcome, 2)  # type: ignore[arg-type]
    Repository("me/people", repo_type).create(private=True)
    assert (lost.hits, slept) == (2, list(WAITS))
    assert head_and_privacy("me/people", repo_type)[1] is True


def test_making_a_repository_that_never_comes(
    local_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    lost = local_hub.fail_next("POST", "/repos/create", "drop", 99)
    with pytest.raises(Exception, match=r"disconnected|reset by peer") as caught:
        Repository("me/people", "dataset").create(private=True)
    assert is_unreachable(caught.value)
    assert lost.hits == len(WAITS) + 1


@pytest.mark.parametrize("other", ["a file", "public", "before"])
def test_a_repository_of_somebody_else(
    local_hub: Hub, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """It is there when the request is made again, and is not what was to be made."""
    hub = HfApi()
    made = lambda seconds=0.0: (  # noqa: E731
        hub.create_repo("me/people", repo_type="dataset", private=other != "public", exist_ok=True),
        other == "a file" and hub.upload_file(
            path_or_fileobj=b"x", path_in_repo="a", repo_id="me/people", repo_type="dataset"
        ),
    )  # fmt: skip
    if other == "before":
        made()
    else:
        monkeypatch.setattr(time, "sleep", made)
        local_hub.fail_next("POST", "/repos/create", "drop", 1)
    with pytest.raises(Exception, match="409"):
        Repository("me/people", "dataset").create(private=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"ratelimit": '"api";r=0;t=55'}, 55.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_what_a_header_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert patience.seconds_to_wait(headers) == seconds


def test_a_date_is_understood() -> None:
    then = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 20 < (patience.seconds_to_wait({"retry-after": then}) or 0) <= 30
