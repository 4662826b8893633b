"""Fixes of picture files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import xxhash

from hubtools.dataset.copies.compare import Grade
from hubtools.dataset.edits.pixels import Refused, edited
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, may_lie_outside
from hubtools.dataset.folder.names import fold, named_as, portable
from hubtools.dataset.pictures.embedded.trailers import without_trailer
from hubtools.dataset.pictures.formats import ENDINGS, proper_ending
from hubtools.dataset.pictures.private.boxes import is_boxed
from hubtools.dataset.pictures.private.kinds import Damaged, Kind
from hubtools.dataset.pictures.private.reading import private_of
from hubtools.dataset.pictures.private.scrub import scrub
from hubtools.dataset.pictures.reading import UNREAD
from hubtools.dataset.rules.layout import name_troubles
from hubtools.dataset.workers.guarded import scan_one
from hubtools.files import human_bytes
from hubtools.limits import PICTURE


@fixes("D301", "D302", each=True, unsafe="remove-damaged")
@fixes("D304", each=True, unsafe="remove-small")
@fixes("D202", each=True, unsafe="remove-unlisted")
@fixes("D401", "D402", each=True, unsafe="delete-duplicates")
@fixes("D403", each=True, unsafe="delete-near-duplicates")
def removals(draft: Draft) -> None:
    """D301, D302, D304, D202, D401 to D403, by name: pictures that must go."""
    if draft.may("remove-damaged"):
        for rule in ("D301", "D302"):
            damaged = [
                str(finding.path)
                for finding in draft.findings(rule)
                if "LFS" not in (draft.facts[str(finding.path)].kind or "")
                # a disk that fails says nothing about the picture
                and not (draft.facts[str(finding.path)].problem or "").startswith(UNREAD)
            ]
            draft.remove_pictures(dict.fromkeys(damaged, (rule, "it cannot be decoded")))
    if draft.may("remove-small"):
        small = [str(finding.path) for finding in draft.findings("D304")]
        size = draft.looked.resolution
        why = "D304", f"it is smaller than {size} pixels"
        draft.remove_pictures(dict.fromkeys(small, why))
    if draft.may("remove-unlisted") and draft.finds("D202"):
        listed = draft.references()
        pictures = (entry.name for entry in draft.view.listing.pictures)
        unlisted = [n for n in pictures if n not in listed and draft.acts_on("D202", n)]
        draft.remove_pictures(dict.fromkeys(unlisted, ("D202", "no record names it")))
    if draft.may("delete-duplicates"):
        _duplicates(draft, {Grade.BYTES: "D401", Grade.PIXELS: "D402"}, "the same as")
    if draft.may("delete-near-duplicates"):
        _duplicates(draft, {Grade.COPY: "D403"}, "nearly the same as")


def _duplicates(draft: Draft, rules: Mapping[Grade, str], same: str) -> None:
    if draft.scope.whole and not draft.finds(*rules.values()):
        return
    why = {}
    for group in draft.view.groups:
        for copy in group.copies:
            rule = rules.get(copy.grade)
            if rule is None or copy.turn != 1 or not draft.acts_on(rule, group.best, copy.name):
                continue
            captioned = draft.view.captioned
            if copy.name in captioned and group.best not in captioned:
                draft.left[copy.name] = f"it has a caption, and {group.best} has none"
                continue
            why[copy.name] = rule, f"{same} {group.best}"
    draft.remove_pictures(why)


@fixes("D208", each=True, safe="gives a picture without a picture's ending the right one")
@fixes("D209", each=True, unsafe="unhide")
@fixes("D211", each=True, safe="writes the ending in lower case")
@fixes("D221", each=True, safe="gives it a name that every system can have")
@fixes("D303", each=True, safe="renames the picture after its content")
def names(draft: Draft) -> None:
    """D208, D209, D211, D221, D303: files have names that loaders find and every system can have,
    and endings that fit."""
    if draft.may("unhide"):
        hidden = [str(f.path) for f in draft.findings("D209") if "hides" in f.message]
        for name in hidden:
            new = "/".join(part.lstrip("._") or part for part in name.split("/"))
            draft.rename({name: new}, "D209", "make it visible to loaders")
    lower: dict[str, str] = {}
    for finding in draft.findings("D211"):
        name = str(finding.path)
        ending = "." + name.rpartition(".")[2]
        lower[name] = name.removesuffix(ending) + ending.lower()
    draft.rename(lower, "D211", "write the ending in lower case")
    _after_content(draft)
    if draft.finds("D221"):
        odd = [
            name
            for name, _ in name_troubles(draft.view)
            if name in draft.files and draft.acts_on("D221", name)
        ]
        better = _free_names(draft, {name: portable(name) for name in odd})
        draft.rename(better, "D221", "give it a name that every system can have")


def _after_content(draft: Draft) -> None:
    """D208, D303: endings say what the content is."""
    formats = {}
    if draft.finds("D208"):
        disguised = draft.view.disguised.items()
        formats = {name: format for name, format in disguised if draft.acts_on("D208", name)}
    wrong = [str(finding.path) for finding in draft.findings("D303")]
    formats |= {name: draft.facts[name].format or "PNG" for name in wrong}
    for format in sorted(set(formats.values())):
        ending = proper_ending(format)
        names = [name for name, found in formats.items() if found == format]
        if ending in FOREIGN_ENDINGS:
            draft.left |= dict.fromkeys(names, f"as {ending}, loaders would pass it by")
            continue
        new = _free_names(draft, {name: named_as(name, ending) for name in names})
        for rule, some in (("D303", set(wrong)), ("D208", set(formats) - set(wrong))):
            chosen = {name: new[name] for name in names if name in some}
            draft.rename(chosen, rule, f"name it after its content, {format}")


def _free_names(draft: Draft, wanted: Mapping[str, str]) -> dict[str, str]:
    """New names by old ones: those `wanted`, with a number where another file has one (in any
    case or composition of letters)."""
    taken = {fold(name) for name in (*draft.files, *draft.tables) if name not in wanted}
    found: dict[str, str] = {}
    for old, name in wanted.items():
        folder, slash, base = name.rpartition("/")
        stem, dot, ending = base.rpartition(".") if "." in base[1:] else (base, "", "")
        number, new = 1, name
        while fold(new) in taken:
            number += 1
            new = f"{folder}{slash}{stem}-{number}{dot}{ending}"
        taken.add(fold(new))
        found[old] = new
    return found


@fixes("D209", "D222", each=True, unsafe="copy-links")
def links(draft: Draft) -> None:
    """D209, D222, by name: links to pictures are replaced by the pictures."""
    if not draft.may("copy-links"):
        return
    wanted = dict.fromkeys((str(found.path) for found in draft.findings("D209")), "D209")
    if draft.finds("D222"):
        outside = [name for name, file in draft.files.items() if file.entry.outside]
        outside = [name for name in outside if draft.acts_on("D222", name)]
        wanted |= dict.fromkeys(filter(may_lie_outside, outside), "D222")
    for name, rule in wanted.items():
        file = draft.files.get(name)
        if file is None or not file.entry.link or draft.is_left(name) or not draft.read(name):
            continue
        file.entry = replace(file.entry, link=False, outside=False)
        facts = draft.facts.get(name) or scan_one(draft.read(name), name)
        draft.edit(name, "copy", facts, rule, "put a copy in place of the link")


@fixes("D208", "D303", each=True, unsafe="convert")
@fixes("D305", each=True, unsafe="flatten-alpha")
@fixes("D307", "D316", each=True, unsafe="to-rgb")
@fixes("D308", each=True, unsafe="scale-16-bit")
@fixes("D310", each=True, unsafe="first-frame")
def encodings(draft: Draft) -> None:
    """D208, D305, D307, D308, D310, D316, by name: pictures are encoded anew."""
    if draft.may("convert"):
        kind = draft.unsafe.format
        for name in sorted(draft.files):
            ending = draft.files[name].entry.ending
            foreign = ending in FOREIGN_ENDINGS and draft.wants("D208")
            format = draft.facts[name].format if name in draft.facts else None
            disguised = format == "AVIF" and not foreign and draft.wants("D303")
            kept = draft.files[name].entry.junk
            if name in draft.view.disguised or (foreign and format not in (None, "AVIF")):
                continue  # its name is put right, and nothing encoded anew
            if (foreign or disguised or ending == ".webp") and not kept:
                rule = "D208" if foreign else "D303" if disguised else ""
                if not draft.acts_on(rule, name):
                    continue
                transparent = name in draft.facts and draft.facts[name].transparent
                chosen = "png" if transparent else kind
                encode_anew(draft, name, chosen, rule, f"convert it to {chosen.upper()}")
    for unsafe, rule, edit, what in (
        ("first-frame", "D310", "first-frame", "keep its first frame, as PNG"),
        ("flatten-alpha", "D305", "flatten=#{:02x}{:02x}{:02x}".format(*draft.unsafe.colour),
         "lay it over a colour"),
        ("scale-16-bit", "D308", "scale", "scale it to 8 bits"),
        ("to-rgb", "D307", "rgb", "convert it to RGB"),
        ("to-rgb", "D316", "rgb", "convert it to sRGB"),
    ):  # fmt: skip
        if draft.may(unsafe):
            for finding in draft.findings(rule):
                encode_anew(draft, str(finding.path), edit, rule, what)


@fixes("D309", each=True, safe="turns the pixels of a PNG, bit for bit", unsafe="rotate")
def turning(draft: Draft) -> None:
    """D309: pixels lie as they are shown; without loss in a PNG, by name in others."""
    for finding in draft.findings("D309"):
        name = str(finding.path)
        if draft.facts[name].format == "PNG":
            encode_anew(draft, name, "upright", "D309", "turn its pixels, bit for bit")
        elif draft.may("rotate"):
            encode_anew(draft, name, "rotate", "D309", "turn its pixels, encoding them anew")


def encode_anew(draft: Draft, name: str, edit: str, rule: str, what: str) -> None:
    """Plan an edit that writes the picture anew, with the ending that its format then asks for.
    It is done here already, for what comes of it and whether it can be done at all."""
    if not draft.may_edit(name):
        return
    file = draft.files[name]
    try:
        data, _ = edited(draft.read(name), (*file.edits, edit))
    except Refused as error:
        draft.left[name] = str(error)
        draft.partly.add(name)
        return
    facts = scan_one(data, name)
    if file.entry.ending not in ENDINGS[facts.format or "PNG"]:
        new = name[: -len(file.entry.ending)] + proper_ending(facts.format or "PNG")
        if not draft.rename({name: new}, rule, ""):
            return
        name = new
    draft.edit(name, edit, replace(facts, name=name), rule, what, data)


_SCRUBBED = frozenset({"JPEG", "MPO", "PNG", "WEBP", "TIFF"})
_PLAIN = _SCRUBBED - {"MPO"}
_PRIVATE = {
    Kind.POSITION: "D701",
    Kind.OWNER: "D706",
    Kind.PEOPLE: "D712",
    Kind.PLACE: "D712",
}


@fixes("D711", each=True, safe="cuts it off, and touches no pixel")
def trailers(draft: Draft) -> None:
    """D711: files end where their pictures do."""
    if not draft.wants("D711"):
        return
    for name, facts in list(draft.facts.items()):
        may = draft.may_edit(name) and draft.acts_on("D711", name)
        if not facts.trailer or facts.problem or not may:
            continue
        try:
            # tried now, so that the plan does not promise what may be refused later
            cut, _ = edited(draft.content(name), ("cut",))
        except Refused as error:
            draft.left[name] = str(error)
            continue
        what = f"cut off {facts.trailer} of {human_bytes(facts.trailer_bytes)}"
        digest = xxhash.xxh3_128_hexdigest(cut)
        after = replace(facts, trailer="", trailer_bytes=0, digest=digest, bytes=len(cut))
        draft.edit(name, "cut", after, "D711", what)


@fixes(
    "D701", each=True, safe="blanks position, serial numbers and maker notes, and touches no pixel"
)
@fixes(
    "D706", each=True, safe="blanks them, with serial numbers and maker notes, and touches no pixel"
)
@fixes(
    "D712", each=True, safe="blanks the names, with all that D701 speaks of, and touches no pixel"
)
def privacy(draft: Draft) -> None:
    """D701, D706, D712: no picture tells where, of whom, by whom or with which device it was
    taken."""
    if not draft.wants(*_PRIVATE.values()):
        return
    for name in list(draft.view.apart):
        _blank_apart(draft, name)
    for name, facts in list(draft.facts.items()):
        if (
            name in draft.scrubbed
            or not draft.may_edit(name)
            or not (wanted := _private(draft, name))
        ):
            continue
        draft.scrubbed.add(name)
        private = facts.gps or facts.owner or facts.people
        if facts.format not in _SCRUBBED and not private:
            continue
        data = draft.content(name)
        if "cut" in draft.files[name].edits:
            data = without_trailer(data)
        try:
            cleaned, removed = scrub(data)
        except Damaged as error:
            if private:
                draft.left[name] = str(error)
            continue
        if not removed or cleaned == data:
            if private:
                draft.left[name] = "its private metadata cannot be taken out"
            continue
        if facts.problem or facts.frames > 1 or facts.format not in _PLAIN:
            # what may be refused later is tried now, so that the plan does not promise it
            try:
                edited(data, ("scrub",))
            except Refused as error:
                draft.left[name] = str(error)
                continue
        after = replace(
            facts,
            digest=xxhash.xxh3_128_hexdigest(cleaned),
            bytes=len(cleaned),
            **private_of(cleaned)._asdict(),
        )
        rules = [_PRIVATE[one.kind] for one in removed if one.kind in _PRIVATE] or ["D701"]
        # to take out one is to take out all
        rules = sorted({rule for rule in rules if rule in wanted}) or wanted[:1]
        what = f"blank {', '.join(dict.fromkeys(one.what for one in removed))}"
        draft.edit(name, "scrub", after, rules[0], what)
        for rule in rules[1:]:
            draft.files[name].notes.add(rule, what)


def _private(draft: Draft, name: str) -> list[str]:
    """The rules that a file is to be without private metadata for."""
    rules = dict.fromkeys(_PRIVATE.values())
    return [rule for rule in rules if draft.acts_on(rule, name)]


def _blank_apart(draft: Draft, name: str) -> None:
    """The same of a picture or film that no loader takes. In a file of boxes metadata lies apart
    from what is coded; raw files of cameras would lose what they are developed with."""
    if name in draft.scrubbed or not draft.may_edit(name) or not (wanted := _private(draft, name)):
        return
    draft.scrubbed.add(name)
    why = "it tells about people, and cannot be edited: leave it out, or convert"
    if (size := draft.files[name].entry.size) > PICTURE:
        draft.left[name] = f"it tells about people, and has {human_bytes(size)}: leave it out"
        return
    data = draft.content(name)
    if is_boxed(data) or name in draft.view.disguised:
        try:
            cleaned, _ = edited(data, ("scrub",))
        except Refused as error:
            why = f"it tells about people, and cannot be edited ({error}): leave it out, or convert"
        else:
            if cleaned != data and not private_of(cleaned).there:
                facts = scan_one(cleaned, name)
                what = "blank what it tells about people"
                draft.edit(name, "scrub", facts, wanted[0], what, cleaned)
                return
    draft.left[name] = why
