"""D6xx: licence and rights. D7xx: what should not leave the house."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hubtools.causes import DENIED
from hubtools.dataset.loaders import Mode
from hubtools.dataset.metadata import FILE_NAME, Row
from hubtools.dataset.pictures.embedded.trailers import GRAVE
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.view import Dataset
from hubtools.files import human_bytes
from hubtools.findings import Problem, Severity
from hubtools.layout import CARD
from hubtools.leaks import contacts, may_hold_contacts, tokens
from hubtools.licensing.ids import is_license, suggest

_AT_ONCE = 500  # rows


@DATASET_RULES.rule("D601", "The pictures have no licence", Severity.WARNING)
def no_license(view: Dataset) -> Iterator[Problem]:
    """Without a licence nobody may use the dataset, and the Hub's page shows none. Pushing does
    not stop for it; people will ask.

    Fix: below [dataset] in hubtools.toml, for your own pictures: license = "cc-by-4.0"; or in the
    front matter of the card: license: cc-by-4.0
    """
    if not view.license[0]:
        yield Problem(
            "no licence is stated: nobody may use the pictures",
            'below [dataset] in hubtools.toml, for example: license = "cc-by-4.0"',
        )


@DATASET_RULES.rule("D602", "The licence id is unknown to the Hub", Severity.ERROR)
def unknown_license(view: Dataset) -> Iterator[Problem]:
    """The Hub accepts only the ids of its list and refuses the card otherwise, after everything
    has been uploaded.

    Example: "Apache 2.0" instead of apache-2.0
    Fix: use the id; `other` with license_name and license_link for anything else.
    """
    value, where = view.license
    values = view.card.data.get("license")
    for item in values if isinstance(values, list) and len(values) > 1 else [value]:
        if item and not (isinstance(item, str) and is_license(item)):
            near = suggest(str(item))
            yield Problem(
                f"the Hub knows no licence {item!r} and will refuse the card",
                f"write {near}" if near else "use an id of the Hub's list, or other",
                CARD if where == CARD else None,
            )


@DATASET_RULES.rule(
    "D603", "The dataset does not say why you may use the pictures", Severity.WARNING
)
def no_rights(view: Dataset) -> Iterator[Problem]:
    """A LoRA of a person or a style needs their permission: a living artist's style, a commercial
    character or somebody's likeness are not yours to take. The statement goes on the card.

    Fix: below [dataset] in hubtools.toml, if they are yours: rights = "own"; else permission,
    synthetic, public-domain or licensed.
    """
    if not view.settings.rights:
        yield Problem(
            "no statement of rights: are the pictures yours to train on and to publish?",
            'below [dataset] in hubtools.toml, if they are yours: rights = "own" (else permission,'
            " synthetic, public-domain or licensed)",
        )


@DATASET_RULES.rule("D604", "The statement of rights needs a note", Severity.WARNING)
def rights_note(view: Dataset) -> Iterator[Problem]:
    """`permission` and `licensed` mean something only with who gave it and where it is written.

    Fix: set dataset.rights_note, e.g. "Model release signed 2026-03-02, on file".
    """
    if view.settings.rights in ("permission", "licensed") and not view.settings.rights_note:
        yield Problem(
            f"rights are {view.settings.rights!r}, but whose, and where is it written?",
            'below [dataset] in hubtools.toml, for example: rights_note = "Model release signed'
            ' 2026-03-02, on file"',
        )


@DATASET_RULES.rule("D605", "The card's front matter cannot be read", Severity.ERROR)
def card_yaml(view: Dataset) -> Iterator[Problem]:
    """README.md begins with YAML between two lines of ---. If it is broken, `load_dataset` fails
    before it looks at a single picture.

    Fix: correct the YAML; texts with a colon need quotes.
    """
    if view.card.error:
        yield Problem(
            f"{view.card.error}; the Hub refuses the card and the dataset does not load",
            "correct the YAML between the --- lines",
            CARD,
            view.card.line,
        )


@DATASET_RULES.rule("D606", "The card declares sizes that the loader will check", Severity.WARNING)
def dataset_info(view: Dataset) -> Iterator[Problem]:
    """A `dataset_info` with numbers of examples must match to the row: otherwise loading fails with
    NonMatchingSplitsSizesError. hubtools writes the columns there, and no numbers. Numbers that do
    not match are an error.

    Fix: remove dataset_info from the card.
    """
    loaded = view.loaders[Mode.AUTO]
    if loaded.rule == "D606":
        yield Problem(
            f"{loaded.reason}: loading fails",
            "remove dataset_info from README.md",
            CARD,
            severity=Severity.ERROR,
        )


@DATASET_RULES.rule("D607", "A picture's metadata reserves rights against training", Severity.ERROR)
def reserved(view: Dataset) -> Iterator[Problem]:
    """Its metadata says that it is not for training models: `plus:DataMining` of IPTC and PLUS, the
    reservation of TDMRep, an assertion on training in its content credentials (C2PA), or plain
    words in its copyright notice. A reservation is honoured whoever made it; that of content
    credentials is not verified. In the European Union such a reservation is binding (Directive
    2019/790, article 4). Where dataset.rights says why you may use the pictures all the same, it is
    a note; public-domain does not go with it, and leaves a warning.

    Example: plus:DataMining = DMI-PROHIBITED-AIMLTRAINING
    Fix: leave the picture out, or ask whoever made it, and set dataset.rights = "permission".
    """
    rights = view.settings.rights
    severity = None
    if rights:
        severity = Severity.WARNING if rights == "public-domain" else Severity.INFO
    for facts in view.table.select(~view.table.has("reserved", "")):
        by = facts.creator or facts.notice
        yield Problem(
            f"the picture{f' of {by}' if by else ''} is not to be trained on"
            f" ({facts.reserved})" + (f"; you state the rights {rights!r}" if rights else ""),
            "make sure that your rights cover it"
            if rights
            else "leave it out, or set dataset.rights if you may use it all the same",
            facts.name,
            severity=severity,
        )


@DATASET_RULES.rule("D608", "Pictures name a copyright owner", Severity.WARNING)
def copyrighted(view: Dataset) -> Iterator[Problem]:
    """EXIF, IPTC or XMP name a copyright, and nothing says that you may use the pictures. A name
    without a notice of copyright (the camera's owner, often) is a note. Where dataset.rights is
    set, the question is answered, and nothing is said.

    Example: Copyright = "(c) 2025 Jane Doe"
    Fix: set dataset.rights: `own` if it is you, else `licensed` or `permission`, with a note.
    """
    if view.settings.rights:
        return
    found: dict[tuple[str, str], list[str]] = {}
    for facts in view.table.select(~view.table.has("creator", "") | ~view.table.has("notice", "")):
        found.setdefault((facts.creator, facts.notice), []).append(facts.name)
    for (creator, notice), names in found.items():
        said = notice or f"made by {creator}"
        if creator and notice and creator not in notice:
            said += f" (made by {creator})"
        yield Problem(
            f"{plural(len(names), 'picture')} {'says' if len(names) == 1 else 'say'}"
            f" {said!r}: {some(names)}",
            "set dataset.rights in hubtools.toml if you may use them",
            names[0],
            severity=None if notice else Severity.INFO,
        )


@DATASET_RULES.rule("D609", "Pictures carry content credentials", Severity.INFO)
def credentials(view: Dataset) -> Iterator[Problem]:
    """A C2PA manifest says how a picture came to be: by which camera or program, edited how, drawn
    by a model or not. It is published along, and is void once the file is changed (`hubtools fix`
    and others that rewrite it). What it says on training is D607's. It is read and not verified:
    whether its signature is good, whose it is, and whether the picture is still the one that was
    signed, hubtools does not know; anybody can write one.

    Fix: none is needed; verify it (`c2patool FILE`) if you do not know where the picture is from.
    """
    names = [facts.name for facts in view.table.select(view.table.column("credentials"))]
    if names:
        yield Problem(
            f"{plural(len(names), 'picture')} {'has' if len(names) == 1 else 'have'} a C2PA"
            f" manifest (read, not verified): {some(names)}",
            "verify it (c2patool) if you do not know where the pictures are from",
            names[0],
        )


def _suspects(view: Dataset, suspect: Callable[[str], bool]) -> Iterator[tuple[Row, ...]]:
    """Rows, many at once, whose texts together are suspect: there is hardly ever one."""
    for start in range(0, len(view.rows), _AT_ONCE):
        rows = view.rows[start : start + _AT_ONCE]
        texts = (value for row in rows for value in row.values.values() if isinstance(value, str))
        if suspect("\n".join(texts)):
            yield rows


@DATASET_RULES.rule("D711", "There is data after a picture's end", Severity.WARNING)
def trailers(view: Dataset) -> Iterator[Problem]:
    """Viewers and loaders stop at a picture's end, but the whole file is published. Phones put the
    film of a motion photo there, a few seconds of picture and sound; somebody may have hidden an
    archive there; and some programs left the rest of the picture that they wrote over, so that what
    was cropped away can be read. Anything else there (further pictures, a camera's notes) is a
    note. Further pictures that the file's own index names, such as gain maps and previews, belong
    to it. Looked at are PNG, and JPEG that does not end in an end mark.

    Example: PXL_20260504.MP.jpg, 4 MB, of which 2.5 MB are an MP4
    Fix: cut it off; a phone that shares the still picture only does the same.
    """
    noted: dict[str, list[str]] = {}
    for facts in view.table.select(view.table.column("trailer_bytes") > 0):
        if facts.trailer not in GRAVE:
            noted.setdefault(facts.trailer, []).append(facts.name)
            continue
        yield Problem(
            f"{facts.trailer} of {human_bytes(facts.trailer_bytes)} lies behind the picture's end,"
            " and would be published with it",
            "cut it off",
            facts.name,
        )
    for kind, names in noted.items():
        yield Problem(
            f"{kind} behind the end of {plural(len(names), 'picture')}: {some(names)}",
            "cut it off, if it is not meant to be published",
            names[0],
            severity=Severity.INFO,
        )


@DATASET_RULES.rule("D703", "A record holds an access token", Severity.ERROR)
def secrets(view: Dataset) -> Iterator[Problem]:
    """A token in the metadata is published with it, and found by others within minutes.

    Fix: remove it, and revoke the token.
    """
    for rows in _suspects(view, lambda text: any(tokens(text))):
        for row in rows:
            for key, value in row.values.items():
                if isinstance(value, str) and any(tokens(value)):
                    yield Problem(
                        f"{key} holds what looks like an access token",
                        "remove it, and revoke the token",
                        *view.where(row),
                    )


@DATASET_RULES.rule("D704", "Junk lies among the pictures", Severity.INFO)
def junk(view: Dataset) -> Iterator[Problem]:
    """Files that operating systems and tools leave behind (.DS_Store, Thumbs.db, __MACOSX,
    .ipynb_checkpoints). `hubtools push` leaves them out; `hf upload` does not.

    Fix: remove them.
    """
    found = [entry.name for entry in view.listing.entries if entry.junk]
    if found:
        yield Problem(f"left behind by other programs: {some(found)}", "remove them", found[0])


@DATASET_RULES.rule("D705", "A folder cannot be read", Severity.ERROR)
def unreadable(view: Dataset) -> Iterator[Problem]:
    """What cannot be listed cannot be checked, and would be missing from the upload.

    Fix: give yourself permission to read it.
    """
    for folder in view.listing.unreadable:
        yield Problem("the folder cannot be read", DENIED, folder)


@DATASET_RULES.rule("D707", "A record holds an e-mail address or a phone number", Severity.WARNING)
def personal(view: Dataset) -> Iterator[Problem]:
    """Published, it is collected within days, and it is somebody's. In a caption it is learnt as
    well. Addresses at example.com and the like are nobody's.

    Fix: remove it, unless whoever it reaches wants it there.
    """
    for rows in _suspects(view, may_hold_contacts):
        for row in rows:
            for key, value in row.values.items():
                if isinstance(value, str) and key != FILE_NAME:
                    for what, shown in contacts(value):
                        yield Problem(
                            f"{key} holds {what} ({shown})",
                            "remove it, unless it is meant to be found",
                            *view.where(row),
                        )
