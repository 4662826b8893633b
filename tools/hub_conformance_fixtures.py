"""Fixtures for the tests of the Hub's client, whose own do not come with its source distribution:
copied beside them as `conftest.py` by tools/hub_conformance.py."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from huggingface_hub import HfApi, RepoUrl, constants

from .testing_constants import (  # type: ignore[import-not-found]
    ENDPOINT_PRODUCTION,
    ENDPOINT_STAGING,
    TOKEN,
    USER,
)
from .testing_utils import repo_name  # type: ignore[import-not-found]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what reads sample cards: they do not come with the source distribution."""
    if (Path(__file__).parent / "fixtures/cards").is_dir():
        return
    skipped = pytest.mark.skip(reason="its sample cards are not in the source distribution")
    for item in items:
        function = getattr(item, "function", None)
        if function is not None and "SAMPLE_CARDS_DIR" in inspect.getsource(function):
            item.add_marker(skipped)


class RepoFactory:
    """Makes repositories of a fresh name; they are deleted when the test is over."""

    def __init__(self) -> None:
        self.made: list[tuple[RepoUrl, str]] = []

    def __call__(
        self,
        repo_type: str = "model",
        *,
        repo_id: str | None = None,
        token: str = TOKEN,
        **options: Any,
    ) -> RepoUrl:
        name = repo_id or repo_name(prefix=repo_type)
        if repo_type == "space":
            options.setdefault("space_sdk", "static")
        url = HfApi(endpoint=ENDPOINT_STAGING, token=token).create_repo(
            name, repo_type=repo_type, **options
        )
        self.made.append((url, token))
        return url

    def clear(self) -> None:
        for url, token in self.made:
            api = HfApi(endpoint=ENDPOINT_STAGING, token=token)
            with contextlib.suppress(Exception):
                api.delete_repo(url.repo_id, repo_type=url.repo_type, missing_ok=True)


@pytest.fixture
def repo_factory() -> Iterator[RepoFactory]:
    factory = RepoFactory()
    yield factory
    factory.clear()


@pytest.fixture
def new_repo_id() -> Iterator[str]:
    """The name of a repository that the test makes."""
    repo_id = f"{USER}/{repo_name()}"
    yield repo_id
    HfApi(endpoint=ENDPOINT_STAGING, token=TOKEN).delete_repo(repo_id, missing_ok=True)


@pytest.fixture(scope="session")
def api() -> HfApi:
    return HfApi(endpoint=ENDPOINT_STAGING, token=TOKEN)


@pytest.fixture(scope="session")
def api_prod() -> HfApi:
    return HfApi(endpoint=ENDPOINT_PRODUCTION, token=False)


@pytest.fixture(autouse=True)
def _xet(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests of Xet have it on, those of plain Git LFS have it off, others as the run says."""
    off = constants.HF_HUB_DISABLE_XET
    if request.node.get_closest_marker("xet"):
        off = False
    if request.node.get_closest_marker("no_xet"):
        off = True
    with patch.object(constants, "HF_HUB_DISABLE_XET", off):
        yield


@pytest.fixture(autouse=True)
def _announced(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests marked `deprecated` call what is."""
    with warnings.catch_warnings():
        if request.node.get_closest_marker("deprecated"):
            warnings.simplefilter("ignore", FutureWarning)
        yield


@pytest.fixture(autouse=True)
def _own_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A test that logs in leaves no token behind."""
    home = Path(tmp_path_factory.mktemp("tokens"))
    with (
        patch.object(constants, "HF_TOKEN_PATH", str(home / "token")),
        patch.object(constants, "HF_STORED_TOKENS_PATH", str(home / "stored_tokens")),
    ):
        yield
