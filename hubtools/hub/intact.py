"""Large files arrive as the Hub has them: their bytes come from storages that are not the Hub, and
the client looks at their length alone.

The library for Xet reads the answers of its storage without a bound, and by the hash of Xet, which
nobody compares with the bytes, the client shares a file between all repositories of its cache,
whichever Hub it came from. So only the public Hub's large files come by Xet, others by plain HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.hub.origins import PUBLIC
from hubtools.patterns import regex

_CLOCK = 2.0  # seconds that a file system's clock may be behind
_SHA256 = regex(r"[0-9a-f]{64}")


@contextmanager
def intact(repo: str, repo_type: str) -> Iterator[None]:
    """Around downloads of a repository into the client's cache. What is new in there by the end is
    read once: the cache calls large files by the SHA-256 that the Hub gave (its ETag), and other
    bytes are taken away. Raises `HubtoolsError` for them."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    without_xet = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = without_xet or constants.ENDPOINT not in PUBLIC
    place = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type=repo_type)
    before, began = _large(place), time.time()
    wrong: list[str] = []
    try:
        yield
    finally:  # of several, some have arrived whatever became of the others
        constants.HF_HUB_DISABLE_XET = without_xet
        wrong += [_dropped(place, name, began) for name in sorted(_large(place) - before)]
    names = list(filter(None, wrong))
    if names:
        raise HubtoolsError(
            f"{names[0][:200]} of {repo} did not arrive as the Hub has it: its SHA-256 is another."
            " It was not kept.",
            hint="fetch it again; HF_HUB_DISABLE_XET=1 goes without the Xet storage",
            code="hub-failed",
        )


def _large(place: Path) -> set[str]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return {path.name for path in (place / "blobs").iterdir() if _SHA256.fullmatch(path.name)}
    return set()


def _dropped(place: Path, sha256: str, began: float) -> str:
    """What a file is called whose bytes have another SHA-256, and which was taken away with the
    links to it, and from what is shared if it came since `began`; '' for one that is well."""
    blob = place / "blobs" / sha256
    try:
        if sha256_of(blob) == sha256:
            return ""
    except FileNotFoundError:
        return ""  # another process has emptied the cache
    links = [path for path in place.glob("snapshots/*/**/*") if path.is_symlink()]
    links = [path for path in links if path.readlink().name == sha256]
    shared = blob.resolve()
    is_new = shared.parent.parent == place.resolve().parent / "blobs" and (
        shared.stat().st_mtime >= began - _CLOCK
    )
    for path in (blob, *links, *([shared] if is_new else ())):
        path.unlink(missing_ok=True)
    return "/".join(links[0].relative_to(place).parts[2:]) if links else f"{sha256[:12]}..."
