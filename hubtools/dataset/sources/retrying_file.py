"""Files and errors of file systems that raise what they like, as others expect them."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from hubtools.addresses import bare, without_password
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.errors import HubtoolsError
from hubtools.hub.errors import STUMBLES, as_sentence

TRIES = 3
PAUSE = 0.2  # seconds after the first that failed


@contextmanager
def readable_errors(address: str) -> Iterator[None]:
    """Turn what clients raise when something is not there into one sentence."""
    try:
        yield
    except (HubtoolsError, Unreadable):
        raise
    except Exception as error:
        if address.startswith("hf://"):
            raise (as_sentence(error) or _senseless(address, error)) from None
        cause = error.__cause__  # what fsspec calls a missing file, whatever it was
        if isinstance(cause, Exception) and getattr(cause, "status", None) != 404:
            raise _unreadable(address, cause) from None
        if isinstance(error, FileNotFoundError):
            raise HubtoolsError(
                f"There is nothing at {bare(address)}.",
                hint="check the address",
                code="file-not-found",
            ) from None
        raise _unreadable(address, error) from None


def _senseless(address: str, error: Exception) -> HubtoolsError:
    """What the client of the Hub stumbles over in an answer."""
    if not isinstance(error, STUMBLES):
        return _unreadable(address, error)
    return HubtoolsError(
        f"{bare(address)} cannot be read: the answer makes no sense"
        f" ({type(error).__name__}: {one_line(error)[:200]}).",
        hint="check HF_ENDPOINT; try again later",
        code="hub-failed",
    )


def _unreadable(address: str, error: Exception) -> HubtoolsError:
    return HubtoolsError(
        f"{bare(address)} cannot be read: {one_line(error)}.",
        hint="check the address, the network and your access",
        code="hub-unreachable" if _no_answer(error) else "file-damaged",
    )


def _no_answer(error: Exception) -> bool:
    """True if nobody was reached; aiohttp's error for that is an `OSError` of its own."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, (ConnectionError, TimeoutError)) or "ClientConnectorError" in names


class _Steady(io.RawIOBase):
    """A file of a file system that raises what it likes; each read is tried three times."""

    def __init__(self, file: Any, name: str) -> None:
        self._file, self._name = file, name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = 0) -> int:
        with as_os_error(self._name):
            return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        place = self._file.tell()
        for attempt in range(1, TRIES + 1):
            try:
                data = self._file.read(len(buffer))
                break
            except Exception as error:
                if attempt == TRIES:
                    raise OSError(5, one_line(error), self._name) from None
                pause(attempt)
                self._file.seek(place)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        with suppress(Exception):
            self._file.close()
        super().close()


def pause(attempt: int) -> None:
    """Wait after a read that failed, longer after each."""
    time.sleep(PAUSE * attempt)


def retrying_file(file: Any, name: str) -> BinaryIO:
    """`file` with all of that handled."""
    return cast(BinaryIO, io.BufferedReader(_Steady(file, name), 1 << 16))


@contextmanager
def as_os_error(name: str) -> Iterator[None]:
    """For callers that know files only."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(5, one_line(error), name) from None


def one_line(error: BaseException) -> str:
    """An error's text on one line, without its full stop."""
    # before it is cut, or half an address would not be known for one
    text = without_password(" ".join(str(error).split()).rstrip("."))
    return text[:200] or type(error).__name__
