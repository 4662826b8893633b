"""How large files are sent: by Xet to the public Hub, by plain LFS to others.

The library for Xet reads the answers of a storage without a bound and waits for minutes, and where
a Hub has no Xet the client fails instead of sending by LFS (huggingface_hub issue 4507).

When it sends, the library asks the Hub for the storage's address by itself, and would take a folder
of this machine for one. So it is told an address that was checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hubtools.hub.client import without_bars
from hubtools.hub.intact import by_xet
from hubtools.hub.marks import check_storage


@contextmanager
def sending() -> Iterator[None]:
    """Around uploads: by Xet only where `by_xet` says so. The client's own progress bars, three for
    each hundred files, are not shown."""
    from huggingface_hub import constants

    with by_xet() as is_on, without_bars():
        if is_on and not _checked():
            constants.HF_HUB_DISABLE_XET = True
        yield


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
