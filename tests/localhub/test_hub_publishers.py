"""Trusted publishers: a workflow's identity is exchanged for a token of one repository."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hubtools.errors import UsageError
from hubtools.localhub.publishers import Publisher, signed
from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT

KEY = "a key of the test"
WORKFLOW = "me/pictures/.github/workflows/hubtools.yml@refs/heads/main"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    publisher = "datasets/me/people:repository=me/pictures,branch=main,workflow=hubtools.yml"
    with Hub(tmp_path / "hub", publishers=[publisher], oidc_key=KEY) as hub:
        for name, private in (("people", True), ("other", False)):
            body = {"name": name, "type": "dataset", "private": private}
            made = CLIENT.post(f"{hub.url}/api/repos/create", json=body, headers=bearer(hub.token))
            assert made.status_code == 200
        yield hub


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def identity(hub: Hub, key: str = KEY, **claims: Any) -> str:
    usual = {
        "aud": hub.url,
        "exp": time.time() + 60,
        "repository": "me/pictures",
        "ref": "refs/heads/main",
        "workflow_ref": WORKFLOW,
    }
    return signed(usual | claims, key)


def asked(
    hub: Hub, token: str, resource: str = "datasets/me/people", **more: Any
) -> httpx2.Response:
    body = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": token,
        "resource": resource,
    }
    return CLIENT.post(f"{hub.url}/oauth/token", json=body | more)


def test_a_workflow_writes_to_its_repository_and_to_no_other(hub: Hub) -> None:
    answer = asked(hub, identity(hub))
    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 3600
    token = bearer(answer.json()["access_token"])
    write = f"{hub.url}/api/datasets/me/people/auth-check/write"
    assert CLIENT.get(write, headers=token).status_code == 200
    assert CLIENT.get(write.replace("people", "other"), headers=token).status_code == 403
    new = CLIENT.post(
        f"{hub.url}/api/repos/create", json={"name": "new", "organization": "me"}, headers=token
    )
    assert new.status_code == 403
    assert CLIENT.get(write).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"repository": "somebody/pictures"},
        {"ref": "refs/heads/work"},
        {"ref": "refs/tags/main"},
        {"workflow_ref": WORKFLOW.replace("hubtools.yml", "evil.yml")},
    ],
)
def test_another_workflow_is_refused_with_what_it_is(hub: Hub, claims: dict[str, str]) -> None:
    answer = asked(hub, identity(hub, **claims))
    assert answer.status_code == 403
    assert next(iter(claims.values())) in answer.json()["error"]


def test_what_is_no_identity_is_refused(hub: Hub) -> None:
    good = identity(hub)
    for bad in (
        identity(hub, key="another key"),
        identity(hub, exp=time.time() - 1),
        identity(hub, aud="https://huggingface.co"),
        good[:-2],
        "a.b.c",
        "",
        "x" * 30_000,
        "eyJhbGciOiJub25lIn0." + good.split(".")[1] + ".",
    ):
        assert asked(hub, bad).status_code == 401, bad
    assert asked(hub, good, resource="datasets/me/other").status_code == 403
    assert asked(hub, good, resource="me/people").status_code == 403
    assert asked(hub, good, resource="people").status_code == 400
    assert asked(hub, good, grant_type="password").status_code == 400


def test_a_publisher_that_is_none_is_told() -> None:
    for text in ("datasets/me/people", "me/people:repository=a/b", "datasets/me/p:branch=main"):
        with pytest.raises(UsageError, match="names no workflow"):
            Publisher.parse(text)
