"""D222: links that lead out of the dataset's folder."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS, may_lie_outside
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity

_MOST = 20


@DATASET_RULES.rule("D222", "A link leads out of the folder", Severity.WARNING)
def led_out(view: Dataset) -> Iterator[Problem]:
    """Pictures, and archives of them, are read where a link leads to: a folder of links to a store
    of pictures can be checked and trained on. Texts are not. A record, a caption, a card or a file
    of settings that is a link to somewhere else on this machine may have come with a folder that
    somebody else made, and its words would become captions and be shown.

    Example: a.txt, a link to ~/.ssh/id_rsa; a.png, a link to ../store/a.png
    Fix: `hubtools fix --unsafe copy-links` puts copies in the place of linked pictures; put a text
    itself there.
    """
    outside = [entry for entry in view.listing.entries if entry.outside and not entry.junk]
    shown = PICTURE_ENDINGS | FOREIGN_ENDINGS
    pictures = [entry.name for entry in outside if entry.ending in shown]
    if pictures:
        one = len(pictures) == 1
        yield Problem(
            f"{plural(len(pictures), 'picture')} {'is a link' if one else 'are links'} that"
            f" lead{'s' if one else ''} out of the folder ({some(pictures)}), and"
            f" {'is' if one else 'are'} read there",
            "`hubtools fix --unsafe copy-links` puts copies in their place",
            sorted(pictures)[0],
        )
    others = [entry.name for entry in outside if entry.ending not in shown]
    for name in others[:_MOST]:
        read = "and is read there" if may_lie_outside(name) else "and is not read"
        yield Problem(
            f"it is a link that leads out of the folder, {read}",
            "put the file itself there, if it belongs to the dataset",
            name,
        )
    if len(others) > _MOST:
        yield Problem(f"and {len(others) - _MOST:,} more such links", "put the files there")
