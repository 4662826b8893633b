"""Paths that tell who somebody is are found, and a password in an address is never shown."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import constants
from PIL import Image
from typed import typed

from hubtools.addresses import unproxied
from hubtools.errors import HubtoolsError, UsageError
from hubtools.findings import Finding, Report, Severity
from hubtools.hub import patience
from hubtools.hub.names import repository_named
from hubtools.leaks import local_paths, without_password
from hubtools.reporting.formats import as_text

ME = "jane"


@pytest.mark.parametrize(
    "path",
    [
        f"/home/{ME}/pictures/a.png",
        f"/home/{ME}",
        f"/home/{ME}/",
        f"/Users/{ME}/set",
        f"/Users/{ME}",
        "/root/work/a.txt",
        f"/var/home/{ME}/a",
        f"/media/{ME}/DISK/a.png",
        f"/run/media/{ME}/DISK/a.png",
        f"/mnt/c/Users/{ME}/a.png",
        "/mnt/d/training/set",
        f"/c/Users/{ME}/a",
        f"/cygdrive/c/Users/{ME}/a",
        f"C:\\Users\\{ME}\\a.png",
        f"C:\\Users\\{ME}",
        f"c:\\users\\{ME}\\a.png",
        f"C:/Users/{ME}/a.png",
        f"C:\\\\Users\\\\{ME}\\\\a.png",
        "C:\\Users\\Jane Doe\\Pictures\\a.png",
        "C:\\Users\\Jörg Müller\\a.png",
        f"C:\\Documents and Settings\\{ME}\\a",
        "D:\\ai\\training\\set",
        "D:/ai/training/set",
        f"\\\\server\\share\\{ME}",
        f"\\\\\\\\server\\\\share\\\\{ME}",
        f"\\\\wsl$\\Ubuntu\\home\\{ME}\\a",
        f"\\\\wsl.localhost\\Ubuntu\\home\\{ME}",
        f"file:///home/{ME}/a.png",
        f"file:///C:/Users/{ME}/a.png",
        "file:///C:/Users/Jane%20Doe/a.png",
        f"file://server/share/{ME}/a.png",
    ],
)
@pytest.mark.parametrize("around", ["{}", '"{}"', "see {} there", "({})", "path={}", "a: {},"])
def test_paths_of_this_machine_are_found(path: str, around: str) -> None:
    text = around.format(path)
    found = list(local_paths(text))
    assert len(found) == 1, found
    assert found[0][1] == text.index(path)
    if around != "see {} there" or " " not in path:
        assert found[0][0].rstrip("/\\") == path.rstrip("/\\")


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/home/products/x",
        "https://huggingface.co/Users/x",
        "images/home/a.png",
        "train/Users/a.png",
        "a photo of a woman at home/office, 3/4 view",
        "/usr/bin/env python",
        "ratio 16:9/4:3, a:b/c, 12:30/13:30",
        "and/home/office",
        "\\alpha\\beta \\\\ \\frac{a}{b}",
        "C: a letter, D: another",
        "s3://bucket/home/a/b",
        "Windows 95 desktop, C:\\>",
        "smile :/ and :\\",
    ],
)
def test_other_texts_are_no_paths(text: str) -> None:
    assert list(local_paths(text)) == []


@pytest.mark.parametrize(
    "part", ["/home/", "C:\\", "\\\\", "a/", "/home/a", "C:\\a b", "//", "//a:", "?key"]
)
def test_looking_for_paths_takes_linear_time(part: str) -> None:
    text = part * 100_000
    list(local_paths(text))
    without_password(text)


PASSWORD = "s3cr3tpw"
ADDRESSES = [
    f"https://jane:{PASSWORD}@example.com/set",
    f"https://{PASSWORD}@example.com/set",
    f"https://jane:a/{PASSWORD}@example.com/set",
    f"https://jane:{PASSWORD}?x@example.com/set",
    f"https://jane:a@{PASSWORD}@example.com/set",
    f"https://jane:{PASSWORD}#1@example.com:8080/set",
    f"https://:{PASSWORD}@example.com/set",
    f"postgresql+psycopg2://jane:{PASSWORD}@host:5432/db",
    f"//jane:{PASSWORD}@example.com/set",
    f"https://example.com/a.png?X-Amz-Signature={PASSWORD}&x=1",
    f"https://example.com/a.png?x=1&access_token={PASSWORD}",
    f"https://example.com/a.png?sv=1&sig={PASSWORD}",
    f"https://example.com/a.png?api_key={PASSWORD}",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_password_is_shown(address: str) -> None:
    for text in (address, f"cannot open {address}: no.", json.dumps({"a": [address, "x@y.org"]})):
        shown = without_password(text)
        assert PASSWORD not in shown
        assert "example.com" in shown or "host:5432" in shown
        assert without_password(shown) == shown
    error = HubtoolsError(f"no {address}", hint=f"try {address}")
    assert PASSWORD not in f"{error} {error.message} {error.hint} {error.args}"
    finding = Finding("D101", Severity.ERROR, f"no {address}", fix=address)
    report = Report(address, (finding,), {"source": address})
    for format in ("text", "json", "jsonl", "sarif", "github", "html"):
        assert PASSWORD not in as_text(report, format)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/@jane/a?x=1#a@b",
        "hf://datasets/jane/cats@main/train",
        "https://example.com:8080/a@b",
        "http://127.0.0.1:7860/x?y=a@b.org",
        "mail jane@example.com // or call",
        "https://example.com/?monkey=1&page=2",
    ],
)
def test_addresses_without_one_stay(text: str) -> None:
    assert without_password(text) == text.replace("monkey=1", "monkey=***")


@pytest.mark.parametrize("address", ADDRESSES[:5])
def test_commands_do_not_echo_it(address: str, tmp_path: Path) -> None:
    address = address.replace("example.com", "127.0.0.1:9")
    for words in (
        ("validate", address),
        ("validate", address, "--format", "json"),
        ("push", tmp_path, address),
        ("card", address),
        ("fix", address),
        ("doctor",),
    ):
        said = typed(*words, cwd=tmp_path, HF_ENDPOINT=address, HUBTOOLS_DEBUG="1")
        assert PASSWORD not in said.stdout + said.stderr, words


def test_doctor_shows_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    for address in (f"http://jane:{PASSWORD}@127.0.0.1:9", f"jane:{PASSWORD}@127.0.0.1:9"):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        said = typed("doctor", cwd=tmp_path)
        assert PASSWORD not in said.stdout + said.stderr
        assert "127.0.0.1:9" in said.stdout


def test_logs_hold_no_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    typed("doctor", "--help", cwd=tmp_path)
    with caplog.at_level(logging.WARNING):
        logging.getLogger("some.library").warning("retrying %s", ADDRESSES[0])
    assert PASSWORD not in caplog.records[0].getMessage()


def test_a_plan_is_replayed_with_every_byte(tmp_path: Path) -> None:
    """What is shown is not what is written: a caption keeps its address."""
    root = tmp_path / "set"
    root.mkdir()
    Image.new("RGB", (64, 64)).save(root / "a.png")
    line = json.dumps({"file_name": "a.png", "text": f"see {ADDRESSES[0]}"})
    (root / "metadata.jsonl").write_bytes(b"\xef\xbb\xbf" + line.encode() + b",\n")
    shown = typed("fix", root, "--dry-run", cwd=tmp_path)
    assert PASSWORD not in shown.stdout + shown.stderr
    plan = typed("fix", root, "--dry-run", "--format", "json", cwd=tmp_path)
    (tmp_path / "plan.json").write_text(plan.stdout)
    done = typed("fix", root, "--from-plan", tmp_path / "plan.json", "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert PASSWORD in (root / "metadata.jsonl").read_text()


@pytest.mark.parametrize("scheme", ["", "https://", "ftp://"])
def test_a_repository_given_with_a_password(scheme: str) -> None:
    with pytest.raises(UsageError) as caught:
        repository_named(f"{scheme}jane:open-8-sesame@huggingface.co/me/x", "model")
    assert "sesame" not in str(caught.value)
    assert "huggingface.co/me/x" in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, None),
        ({"NO_PROXY": "a.invalid"}, None),
        ({"HTTP_PROXY": ""}, None),
        ({"http_proxy": "http://p.invalid"}, "127.0.0.1,localhost,::1"),
        ({"ALL_PROXY": "x", "no_proxy": "a.invalid, ::1"}, "a.invalid,::1,127.0.0.1,localhost"),
        ({"HTTPS_PROXY": "x", "NO_PROXY": "*"}, None),
    ],
)
def test_servers_of_this_machine_are_asked_without_a_proxy(
    environ: dict[str, str], said: str | None
) -> None:
    assert unproxied(environ) == ({} if said is None else {"NO_PROXY": said, "no_proxy": said})


@pytest.mark.parametrize("hub", ["http://127.0.0.1:81", "http://[::1]:81", "http://localhost:81"])
def test_a_hub_of_this_machine_is_no_proxys(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be told the token, and be sent the pictures of a rehearsal."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setattr(constants, "ENDPOINT", hub)
    with patience._patient_client() as client:
        assert client._transport_for_url(httpx2.URL(hub)) is client._transport
        elsewhere = httpx2.URL("http://hub.invalid")
        assert client._transport_for_url(elsewhere) is not client._transport
