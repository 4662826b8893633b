"""C3: rules of the licence."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.cardlinks import is_local
from hubtools.cards.escape import is_web_address
from hubtools.cards.view import CARD_RULES, CardView, at, bytes_of
from hubtools.findings import Problem, Severity, shortened
from hubtools.layout import CARD, PROJECT_FILE
from hubtools.licensing.advice import derived_license, missing_license
from hubtools.licensing.ids import license_of_pictures as license_of_run
from hubtools.licensing.ids import problems_of_pictures, suggest
from hubtools.rooted import LeadsOut

_SETTINGS = 1_000_000  # bytes of hubtools.toml


@CARD_RULES.rule("C301", "There is no licence", Severity.WARNING)
def license_missing(view: CardView) -> Iterator[Problem]:
    """Without a licence nobody may use it. Of a model that is an error.

    Fix: `hubtools card FOLDER --license ID`, of a dataset `--dataset-license ID`; or set
    model.license or dataset.license in hubtools.toml.
    """
    if view.data:
        yield from missing_license(view.root, view.kind, view.data)


@CARD_RULES.rule("C302", "The licence id is unknown to the Hub", Severity.ERROR)
def license_unknown(view: CardView) -> Iterator[Problem]:
    """The Hub refuses the card.

    Fix: use an id of the Hub's list.
    """
    for violation, line in view.violations:
        if violation.rule == "C302":
            near = suggest(str(violation.value))
            fix = f"write {near}" if near else "use an id of its list, or other"
            yield Problem(f"the Hub knows no licence {violation.value!r}", fix, CARD, line)


@CARD_RULES.rule("C303", "The licence `other` has no name or link", Severity.ERROR)
def license_other(view: CardView) -> Iterator[Problem]:
    """`other` says nothing by itself; the Hub wants license_name and license_link.

    Fix: set model.license_name and model.license_link.
    """
    if view.data.get("license") == "other":
        for key in ("license_name", "license_link"):
            if not view.data.get(key):
                yield at(view, "license", f"{key} is missing", f"add {key}")


@CARD_RULES.rule("C304", "The licence promises more than the base model's", Severity.ERROR)
def license_derived(view: CardView) -> Iterator[Problem]:
    """A LoRA is a derivative of its base: OpenRAIL use restrictions must travel, non-commercial and
    community licences must be passed on by name. Who was given the right to another one says how in
    license_details (the setting model.license_reason); then this is told and stops nothing. That is
    a note.

    Fix: `hubtools card FOLDER --license ID` with the base's licence.
    """
    if view.kind == "model":
        yield from derived_license(view.root, view.data, view.line_of("license"))


@CARD_RULES.rule("C310", "The licence promises more than the pictures'", Severity.WARNING)
def license_of_pictures(view: CardView) -> Iterator[Problem]:
    """Pictures under a non-commercial licence make a LoRA that not everybody may use as they like,
    and -nd licences allow nothing to be made of them. What the run's hubtools.toml says of the
    dataset is compared with the card. (Policy, not legal advice.)

    Fix: take a licence that is as strict as the pictures', or ask those who made them.
    """
    if view.kind != "model":
        return
    with view.folder() as root:
        try:
            data = root.read(PROJECT_FILE, _SETTINGS) if root.is_file(PROJECT_FILE) else b""
        except LeadsOut:
            return
    for problem, fix in problems_of_pictures(license_of_run(data), view.data):
        yield at(view, "license", problem, fix)


@CARD_RULES.rule("C305", "The licence's file does not exist", Severity.ERROR)
def license_link(view: CardView) -> Iterator[Problem]:
    """license_link is an address or a file of the repository.

    Fix: add the file, or give the address.
    """
    link = view.data.get("license_link")
    if isinstance(link, str) and is_local(link) and bytes_of(view, link) is None:
        yield at(view, "license_link", f"there is no {link}", "add it, or give an address")


@CARD_RULES.rule("C306", "The licence's link is not a web address", Severity.ERROR)
def license_scheme(view: CardView) -> Iterator[Problem]:
    """The Hub's page shows license_link as a link: a `javascript:` or `data:` address runs code,
    a `file:` address leads to the reader's machine.

    Fix: write an https address, or the name of a file of the repository.
    """
    link = view.data.get("license_link")
    if link is None:
        return
    if not isinstance(link, str) or not (is_local(link) or is_web_address(link)):
        yield at(
            view, "license_link", f"{shortened(str(link), 80)!r} is no address of the web",
            "write an https address, or the name of a file",
        )  # fmt: skip
