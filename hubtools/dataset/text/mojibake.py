"""Text that was UTF-8 and was read as Windows-1252: found, and read again."""

from __future__ import annotations

from hubtools.patterns import regex

# Traces that are sure even where the text is cut: Latin capitals that UTF-8 of Latin letters begins
# with, quotes and dashes, a byte order mark.
_SURE = regex("[ÃÂ][\u0080-\u00bf]|â€[\u0080-\u00bf™œ\u009d“”]|ï»¿")
# Characters that Windows-1252 has and ASCII has not; ones that it leaves open are read as Latin-1.
_RUN = regex("[\u0080-\u00ff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]{2,}")


def find_mojibake(text: str) -> str | None:
    """The first piece of `text` that was read in the wrong encoding."""
    if text.isascii():
        return None
    if match := _SURE.search(text):
        return match[0]
    for match in _RUN.finditer(text):
        if _again(match[0]) is not None:
            return match[0]
    return None


def repair_mojibake(text: str) -> str:
    """`text` as it was meant, as far as it can be read again."""
    for _ in range(3):  # some texts were read wrongly more than once
        if find_mojibake(text) is None:
            break
        # where one piece is surely wrong, others that are less sure are wrong too
        read = _again if _SURE.search(text) is None else _read
        text = _RUN.sub(lambda run, read=read: read(run[0]) or run[0], text)  # type: ignore[misc]
    return text


def _again(run: str) -> str | None:
    """The run read as UTF-8; None if it is none, or may well be what was meant: two characters
    that happen to be UTF-8 together are found in good text (a capital before a quote), three that
    are all of it are not."""
    return None if len(run) < 3 and run[0] not in "ÃÂ" else _read(run)


def _read(run: str) -> str | None:
    try:
        return b"".join(_byte(mark) for mark in run).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _byte(mark: str) -> bytes:
    try:
        return mark.encode("cp1252")
    except UnicodeEncodeError:
        return mark.encode("latin-1")
