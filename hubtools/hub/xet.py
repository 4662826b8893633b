"""How large files are sent: by Xet where the Hub has it, else by plain LFS.

The client sends by Xet whenever `hf_xet` is installed, asks nobody first, and fails where a Hub has
none (huggingface_hub issue 4507). So a Hub other than huggingface.co is asked once.

When it sends, the library for Xet asks the Hub for the storage's address by itself, and would take
a folder of this machine for one. So it is told an address that was checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hubtools.hub import patience
from hubtools.hub.client import endpoint, without_bars
from hubtools.hub.marks import check_storage

REAL_HUB = "https://huggingface.co"
# Of those that have none, and of those that know no such address.
_NONE = frozenset({400, 404, 405, 410, 501})
_known: dict[str, bool] = {}  # by address of the Hub


@contextmanager
def storage_of(repo: str, repo_type: str) -> Iterator[None]:
    """Around uploads to a repository that is there: Xet is off in it if the Hub has none, which is
    told once. It stays off where HF_HUB_DISABLE_XET says so. The client's own progress bars, three
    for each hundred files, are not shown."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_XET
    if not before and not (_checked() and offers_xet(repo, repo_type)):
        constants.HF_HUB_DISABLE_XET = True
    try:
        with without_bars():
            yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def offers_xet(repo: str, repo_type: str) -> bool:
    """Whether uploads to this repository may go by Xet. A refusal for another reason is left to
    the upload, which says it better."""
    from huggingface_hub.utils._runtime import is_package_available

    hub = endpoint().rstrip("/")
    if hub == REAL_HUB or not is_package_available("hf_xet"):
        return True  # without the package the client sends by LFS itself
    if hub not in _known:
        status = _asked(f"{hub}/api/{repo_type}s/{repo}/xet-write-token/main")
        _known[hub] = status not in _NONE
        if not _known[hub]:
            patience.tell(f"{hub} has no Xet storage: large files are sent by plain LFS")
    return _known[hub]


def _asked(url: str) -> int:
    import huggingface_hub

    patience.be_patient()
    client: Any = huggingface_hub.utils
    answer = client.get_session().get(url, headers=client.build_hf_headers())
    return int(answer.status_code)


class _Session:
    """A session of the library, whose storages are checked."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def new_upload_commit(self, **options: Any) -> Any:
        """What is to be sent, to the storage that the Hub tells."""
        if options.get("endpoint") is None:
            options |= _storage(options["token_refresh_url"], options["token_refresh_headers"])
        return self._library.new_upload_commit(**options)


def _storage(url: str, headers: dict[str, str]) -> dict[str, Any]:
    import huggingface_hub

    client: Any = huggingface_hub.utils
    answer = client.http_backoff("GET", url, headers=headers)
    client.hf_raise_for_status(answer)
    said = answer.json()
    address, ends = said["casUrl"], said["exp"]
    check_storage(address, ends, answer.request)
    return {
        "endpoint": address,
        "token": str(said["accessToken"]),
        "token_expiry_unix_secs": int(ends),
    }


def _checked() -> bool:
    """Have the client send by such sessions. False if it has no place where it takes them from."""
    try:
        from huggingface_hub.utils import _xet
    except ImportError:
        return False
    plain: Any = getattr(_xet, "get_xet_session", None)
    if plain is None:
        return False
    if not getattr(plain, "checked", False):
        made: Any = lambda: _Session(plain())  # noqa: E731
        made.checked = True
        _xet.get_xet_session = made
    return True
