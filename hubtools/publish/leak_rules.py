"""P rules on what is in the files: secrets, paths of this machine, kinds that nobody expects."""

from __future__ import annotations

from collections.abc import Iterator
from glob import escape
from shlex import quote

from hubtools.findings import Problem, Severity
from hubtools.leaks import hide
from hubtools.publish.book import PUBLISH_RULES
from hubtools.publish.contents import Kind, Leak
from hubtools.publish.release import Release


def _secrets(release: Release, *, inside: bool) -> Iterator[Problem]:
    allowed = {item.fingerprint for item in release.allowed_secrets}
    told: set[tuple[str, str]] = set()
    for leak in release.leaks:
        if leak.kind is not Kind.SECRET or leak.inside is not inside:
            continue
        if leak.fingerprint in allowed or (leak.place, leak.fingerprint) in told:
            continue
        told.add((leak.place, leak.fingerprint))
        where = "this looks like" if not inside else "within it is what looks like"
        yield Problem(
            f"{where} {leak.what}; everybody could use it (fingerprint {leak.fingerprint})",
            "remove it, and revoke it where it was issued; if it is none, say so in hubtools.toml:"
            f' [push] allowed_secrets = [{{ fingerprint = "{leak.fingerprint}", reason = "..." }}]',
            leak.place,
            leak.line,
        )


@PUBLISH_RULES.rule("P101", "A file holds a secret", Severity.ERROR)
def secret_in_file(release: Release) -> Iterator[Problem]:
    """Logs and settings of training scripts hold the Hub token more often than one thinks. Once
    published it is found within minutes, and the history keeps it. Every file is read, whatever its
    name and encoding: tokens of known services, private keys, passwords in addresses, random values
    beside words such as `api_key`, also escaped as in JSON or packed in base64; and files that are
    made for secrets, such as `.env` and `id_rsa`. Neither --keep nor --ignore lets one through.

    Example: train.log:12: this looks like a Hugging Face token (fingerprint f34107965d941ed4)
    Fix: remove it, and revoke the token. If it is none, name its fingerprint and a reason:
    push.allowed_secrets.
    """
    return _secrets(release, inside=False)


def _paths(release: Release, *, inside: bool) -> Iterator[Leak]:
    told: set[str] = set()
    for leak in release.leaks:
        if leak.kind is Kind.PATH and leak.inside is inside and leak.place not in told:
            told.add(leak.place)
            yield leak


@PUBLISH_RULES.rule("P102", "A text file names a path of this machine", Severity.WARNING)
def path_in_text(release: Release) -> Iterator[Problem]:
    """A path into a home folder tells the account's name and means nothing to anybody else.

    Fix: remove it, or write a path relative to the repository.
    """
    for leak in _paths(release, inside=False):
        yield Problem(
            f"{hide(leak.what)!r} is a path of this machine",
            "remove it, or write it relative to the repository",
            leak.place,
            leak.line,
        )


@PUBLISH_RULES.rule("P113", "A file carries a secret inside", Severity.ERROR)
def embedded_secret(release: Release) -> Iterator[Problem]:
    """Trainers write their settings into safetensors headers, picture programs their workflows into
    PNG files; tokens have been found in both, and in captions inside of shards. Archives, shards
    and notebooks are opened, pictures' metadata is read in every form, bytes behind a picture's end
    too.

    Example: data.zip!/notes.txt:2: within it is what looks like a GitHub token
    Fix: write the file again without it, and revoke the token. If it is none: push.allowed_secrets.
    """
    return _secrets(release, inside=True)


@PUBLISH_RULES.rule("P114", "A file carries a path of this machine inside", Severity.WARNING)
def embedded_path(release: Release) -> Iterator[Problem]:
    """Headers of weight files and texts in pictures often name the folders they were made in, and
    with them the account.

    Fix: write the file again without it.
    """
    for leak in _paths(release, inside=True):
        yield Problem(
            f"within it stands the path {hide(leak.what)!r}",
            "write the file without it",
            leak.place,
            leak.line,
        )


@PUBLISH_RULES.rule("P116", "A file is of a kind that releases do not hold", Severity.ERROR)
def unexpected_kind(release: Release) -> Iterator[Problem]:
    """A dataset is made of pictures, captions, tables and archives of these; a model of weights,
    its card, licence, settings and pictures. Notebooks, scripts, settings of programs, drawings in
    SVG, logs, databases came along by mistake as a rule, and with them what nobody meant to show.
    Also a file whose content is not what its ending says.

    Fix: leave it out (--drop PATTERN), or say that it belongs there: --keep PATTERN, or push.allow
    in hubtools.toml.
    """
    for file, told in release.readings:
        for name, why in told.odd:
            if release.is_allowed(name):
                continue
            led = "" if name == file.name else f"it is a link to {hide(name)!r}, and "
            yield Problem(
                led + why,
                "leave it out with --drop, or say that it belongs there with --keep"
                f" {quote(escape(hide(name)))} (push.allow in hubtools.toml)",
                hide(file.name),
            )
            break


@PUBLISH_RULES.rule("P117", "A file could not be checked completely", Severity.ERROR)
def unread(release: Release) -> Iterator[Problem]:
    """What is encrypted, damaged, in a form that cannot be opened here, or unpacks to far more than
    the file, has not been searched for secrets to its end. Of a file that push.allow names it is a
    note.

    Fix: publish it unpacked, or in another form. A file that push.allow in hubtools.toml names is
    sent as it is, and that is told; --ignore and --keep do not let it through.
    """
    for leak in release.leaks:
        if leak.kind is not Kind.UNREAD:
            continue
        vouched = release.is_vouched_for(leak.place.partition("!/")[0])
        yield Problem(
            f"not searched for secrets to its end: {leak.what}",
            "publish it in a form that can be read; if you know what is in it, name the file in"
            " hubtools.toml: [push] allow",
            leak.place,
            severity=Severity.INFO if vouched else None,
        )


@PUBLISH_RULES.rule("P118", "A secret is published as allowed", Severity.INFO)
def allowed(release: Release) -> Iterator[Problem]:
    """The settings name this finding's fingerprint, and why it is none. It is told at every push,
    so that nobody forgets.

    Fix: take it out of push.allowed_secrets when the reason is gone.
    """
    reasons = {item.fingerprint: item.reason for item in release.allowed_secrets}
    for leak in release.leaks:
        if leak.kind is Kind.SECRET and leak.fingerprint in reasons:
            yield Problem(
                f"{leak.what} (fingerprint {leak.fingerprint}) is published as allowed:"
                f" {reasons[leak.fingerprint]}",
                None,
                leak.place,
                leak.line,
            )


@PUBLISH_RULES.rule("P119", "An allowed secret is not there", Severity.WARNING)
def stale(release: Release) -> Iterator[Problem]:
    """A fingerprint in push.allowed_secrets is that of nothing in this release. What is not needed
    may one day let something through.

    Fix: take it out of hubtools.toml.
    """
    found = {leak.fingerprint for leak in release.leaks if leak.kind is Kind.SECRET}
    for item in release.allowed_secrets:
        if item.fingerprint not in found:
            yield Problem(
                f"no finding has the fingerprint {item.fingerprint} ({item.reason})",
                "take it out of push.allowed_secrets",
            )
