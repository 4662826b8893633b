"""Large files arrive as the Hub has them: their bytes come from storages that are not the Hub, and
the client looks at their length alone.

What the client has downloaded lies under a name of its own until it is compared, so that a command
that is killed before leaves nothing that a later one would take. The store that repositories of the
client's cache share is not used: it knows files by the hash of Xet alone, which nobody compares
with the bytes, whichever Hub they came from.

The library for Xet reads the answers of its storage without a bound. So only the public Hub's large
files go and come by Xet, those of others by plain HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.hub.origins import PUBLIC
from hubtools.patterns import regex

_SHA256 = regex(r"[0-9a-f]{64}")


@contextmanager
def intact() -> Iterator[None]:
    """Around downloads into the client's cache. It calls large files by the SHA-256 that the Hub
    gave (their ETag); bytes of another are not kept. Raises `HubtoolsError` for them."""
    from huggingface_hub import constants

    _compare()
    without_shared = constants.HF_HUB_DISABLE_SHARED_BLOBS
    constants.HF_HUB_DISABLE_SHARED_BLOBS = True
    try:
        with by_xet():
            yield
    finally:
        constants.HF_HUB_DISABLE_SHARED_BLOBS = without_shared


@contextmanager
def by_xet() -> Iterator[bool]:
    """Whether large files go by Xet; where they do not, it is off in here. It stays off where
    HF_HUB_DISABLE_XET says so."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = before or constants.ENDPOINT.rstrip("/") not in PUBLIC
    try:
        yield not constants.HF_HUB_DISABLE_XET
    finally:
        constants.HF_HUB_DISABLE_XET = before


def _compare() -> None:
    """Have the client compare what it has downloaded before it gives it its name. Raises
    `HubtoolsError` for a version of it that gives names in another place."""
    from huggingface_hub import __version__, file_download

    plain: Any = getattr(file_download, "_download_to_tmp_and_move", None)
    move: Any = getattr(file_download, "_chmod_and_move", None)
    if getattr(plain, "compares", False):
        return
    if plain is None or move is None:
        raise HubtoolsError(
            f"What huggingface_hub {__version__} downloads cannot be compared with its SHA-256.",
            hint='pip install "huggingface_hub==2.4.*"',
            code="hub-failed",
        )

    def moved(src: Path, dst: Path) -> None:
        in_cache = dst.parent.name == "blobs"  # where names are what the Hub says
        if in_cache and _SHA256.fullmatch(dst.name) and sha256_of(src) != dst.name:
            raise _OtherBytes
        move(src, dst)

    def downloaded(**said: Any) -> None:
        try:
            plain(**said)
        except _OtherBytes:
            folder = said["destination_path"].parent.parent.name  # models--owner--name
            repo = "/".join(folder.split("--")[1:])
            raise HubtoolsError(
                f"{str(said['filename'])[:200]} of {repo} did not arrive as the Hub has it: its"
                " SHA-256 is another. It was not kept.",
                hint="fetch it again; HF_HUB_DISABLE_XET=1 goes without the Xet storage",
                code="hub-failed",
            ) from None

    made: Any = downloaded
    made.compares = True
    file_download._chmod_and_move = moved
    file_download._download_to_tmp_and_move = made


class _OtherBytes(Exception):
    """What was downloaded has another SHA-256."""
