"""Secrets are found in everything that is sent, and nothing else is taken for one."""

from __future__ import annotations

import base64
import bz2
import csv
import gzip
import io
import json
import lzma
import random
import shlex
import tarfile
import textwrap
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from PIL import Image

from hubtools.errors import HubtoolsError, UsageError
from hubtools.findings import Finding, Report, Severity, shortened
from hubtools.layout import LORA_WEIGHTS
from hubtools.leaks import columns, hide, stream, views
from hubtools.leaks.ebcdic import is_ebcdic
from hubtools.project import load_project
from hubtools.publish.contents import Kind, Leak, member, scan, scan_file
from hubtools.publish.contents.leak import fingerprint
from hubtools.publish.options import PushOptions
from hubtools.publish.plan import plan_push
from hubtools.publish.release import RepoType, collect
from hubtools.publish.rules import PUBLISH_RULES
from hubtools.reporting.formats import as_text
from tests.security.secrets_apart import FILES, TEXTS, near_files
from tests.security.secrets_corpus import CARRIERS, SECRETS, near_misses, picture, planted
from tests.security.secrets_everyday import EVERYDAY
from tests.typed import typed

TOKEN = "h" + "f_" + "aB3" * 11 + "x"
REASON = "made up for the manual"


def read(data: bytes, name: str = "a.txt") -> list[Leak]:
    return list(scan(name, io.BytesIO(data), len(data)))


def kinds(data: bytes, name: str = "a.txt") -> set[Kind]:
    return {leak.kind for leak in read(data, name)}


# --- what is found, and what is not ---------------------------------------------------------------


def test_planted_secrets_are_found() -> None:
    cases = list(planted())
    missed = [name for name, _, data in cases if Kind.SECRET not in kinds(data, "file")]
    assert len(cases) >= 300
    assert len(missed) <= 0.02 * len(cases), missed
    assert not missed  # today


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_carrier_is_opened(carrier: str) -> None:
    data = CARRIERS[carrier](f"the token {TOKEN} is here", random.Random(3))
    found = read(data, "file")
    assert {leak.secret for leak in found if leak.kind is Kind.SECRET} == {TOKEN}
    assert TOKEN not in str(found)


def test_the_manual_has_the_figures_of_the_corpus() -> None:
    text = " ".join((Path(__file__).parents[2] / "docs/publishing.md").read_text().split())
    count = len(list(planted()))
    assert (
        f"{count} of {count} planted secrets, {len(SECRETS)} kinds in {len(CARRIERS)} carriers"
        in text
    )
    shapes = len(TEXTS) + len(FILES)
    assert f"{shapes} shapes in which a value stands apart from its name" in text
    assert f"and {len(EVERYDAY)} everyday ones" in text
    assert f"of {len(list(near_misses())):,} near misses" in text


@pytest.mark.parametrize("between", [", ", " ", "; ", "\n", ",\t", " + ", "\u00a0, "])
@pytest.mark.parametrize(
    "write", ["{0}", "0x{0:02x}", "chr({0})", "'{1}'", '"{1}"', "{1}", "{0:02x}"]
)
def test_a_quick_look_overlooks_no_letters_one_by_one(between: str, write: str) -> None:
    """What is asked before the patterns are tried lets through all that they find."""
    for count in (19, 20, 21, 60):
        for letters in ("aB3" * 20, "\"'," * 20, "z+,:" * 15):
            text = between.join(write.format(ord(c), c) for c in letters[:count])
            for whole in (text, f"so: {text} ende", f"\u00e9 {text}\n"):
                assert views._may_be_apart(whole) or not views._ONE_BY_ONE.search(whole), whole


def test_near_misses_are_left_alone() -> None:
    cases = list(near_misses())
    assert len(cases) >= 3000
    wrong: Counter[str] = Counter()
    for kind, text in cases:
        if Kind.SECRET in kinds(text.encode(), "file"):
            wrong[f"{kind}: {text[:90]}"] += 1
    assert not wrong


def test_near_misses_in_binary_files() -> None:
    for name, data in near_files():
        assert read(data, name) == [], name


def test_near_misses_together_are_left_alone() -> None:
    # in one file they stand beside one another
    data = "\n".join(text for _, text in near_misses(5)).encode()
    assert [leak for leak in read(data, "all.txt") if leak.kind is Kind.SECRET] == []


def test_places_are_told() -> None:
    assert [(leak.place, leak.line) for leak in read(f"a\nb {TOKEN}\n".encode())] == [("a.txt", 2)]
    assert [leak.line for leak in read(f"a\nb {TOKEN}\n".encode("utf-16"))] == [2]


@pytest.mark.parametrize("codec", ["cp037", "cp500", "cp273", "cp1140"])
def test_ebcdic(codec: str) -> None:
    told = f"TOKEN of the job\npassword: {VALUE}\n{TOKEN}\n"
    for text in (TOKEN, f"{TOKEN}\n", told, "A man, with a key. " * 300 + TOKEN):
        assert kinds(text.encode(codec), "notes.txt") == {Kind.SECRET}, text
    assert kinds("A photo of a man at the station, 35 mm.\n".encode(codec) * 9, "a.txt") == set()


@pytest.mark.parametrize(
    "codec", ["utf-8", "cp1251", "koi8-r", "gbk", "big5", "shift-jis", "euc-kr", "cp1253"]
)
def test_texts_of_the_world_are_no_ebcdic(codec: str) -> None:
    texts = (
        "Девушка у окна, Утро",
        "一位女士在窗边",
        "窓辺の女性、朝",
        "창가의 여인",
        "Γυναίκα στο παράθυρο",
    )
    for text in texts:
        assert not is_ebcdic(text.encode(codec, "ignore") * 20)
    member = read(CARRIERS["zip"](f"a\n{TOKEN}", random.Random(1)), "data.zip")
    assert [(leak.place, leak.line) for leak in member] == [("data.zip!/notes.txt", 2)]
    row = read(CARRIERS["parquet"](TOKEN, random.Random(1)), "d.parquet")
    assert [(leak.place, leak.line) for leak in row] == [("d.parquet!/text", 2)]


@pytest.mark.parametrize(
    "name",
    [".env", ".env.local", ".netrc", "id_rsa", "kaggle.json", ".git-credentials", "keys.p12"],
)
def test_files_for_secrets_are_found_by_name(name: str) -> None:
    assert kinds(b"A=b\n", name) == {Kind.SECRET}
    assert kinds(b"# nothing\n", ".env") == set()
    assert kinds(b"A=<value>\n", ".env.example") == set()


def test_a_token_in_a_name_is_found_and_not_shown() -> None:
    found = read(b"", f"notes_{TOKEN}.txt")
    assert [leak.kind for leak in found] == [Kind.SECRET]
    assert TOKEN not in str(found)
    assert hide(f"see {TOKEN}") == "see ***"


def test_what_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kinds(gzip.compress(bytes(9))[:-9]) == {Kind.UNREAD}
    assert kinds(b"7z\xbc\xaf\x27\x1c" + bytes(99)) == {Kind.UNREAD}
    monkeypatch.setattr(member, "_FREE", 1 << 23)
    bomb = gzip.compress(gzip.compress(bytes(1 << 25), 9), 9)
    assert kinds(bomb, "bomb.gz") == {Kind.UNREAD}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "error P117"),
        (["--ignore", "P117"], "P117 cannot be left out"),
        (["--ignore", "P1"], "one by one"),
        (["--keep", "*"], "error P117"),
    ],
)
def test_what_cannot_be_read_stops_a_push(
    dataset: Path, local_hub: object, more: list[str], said: str
) -> None:
    (dataset / "notes.txt.gz").write_bytes(gzip.compress(bytes(9))[:-9])
    words = ["push", str(dataset), "me/people", "--public"]
    done = typed(*words, "--ignore", "P116", *more)  # P116: its kind
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert "error P116" not in done.stderr
    assert not HfApi().repo_exists("me/people", repo_type="dataset")


def test_a_hole_of_a_sparse_file_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "big.dat"
    with path.open("wb") as file:
        file.seek(10**11)
        file.write(b"\n" + TOKEN.encode())
    if path.stat().st_blocks * 512 > 10**9:
        pytest.skip("no sparse files here")
    assert [leak.kind for leak in scan_file(path)] == [Kind.SECRET]


@pytest.mark.parametrize("before", [-50, -20, -1, 0])
def test_a_token_between_two_windows_is_found_once(
    before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = 4 * stream.OVERLAP
    monkeypatch.setattr(stream, "WINDOW", window)
    data = b"a word \n" * (window // 8) + b" " * 99
    place = window + before
    found = read(data[:place] + b" " + TOKEN.encode() + b" " + data[place + 39 :])
    assert [leak.secret for leak in found] == [TOKEN]


def test_a_name_with_a_token_is_not_shown_by_the_plan(local_hub: object, dataset: Path) -> None:
    (dataset / f"notes_{TOKEN}.txt").write_text("a")
    done = typed("push", dataset, "me/people", "--dry-run", cwd=dataset.parent)
    assert done.returncode == 3
    assert TOKEN not in done.stdout + done.stderr


def test_keys_in_a_card_stop_a_push(local_hub: object, dataset: Path) -> None:
    key = "7f3c9a1be4d20586cafe19b3d770" + "2e4455aa90c1e8f6b3d2917c40ab5e6d8f12"
    lines = f"HMAC_KEY={key}\nFERNET_KEY={base64.b64encode(bytes.fromhex(key)).decode()}\n"
    (dataset / "README.md").write_text(f"# A set\n\n```\n{lines}STRIPE_KEY={key[:40]}\n```\n")
    done = typed("push", dataset, "me/people", "--ignore", "P116", cwd=dataset.parent)
    told = done.stdout + done.stderr
    assert done.returncode == 3
    assert told.count("a key beside its name") >= 3
    assert key[:12] not in told
    assert not HfApi().repo_exists("me/people", repo_type="dataset")


def test_a_fingerprint_is_the_same_wherever_it_lies() -> None:
    marks = {
        leak.fingerprint
        for carry in CARRIERS.values()
        for leak in read(carry(f"x {TOKEN} y", random.Random(1)))
    }
    assert marks == {fingerprint(TOKEN)}
    assert len(fingerprint(TOKEN)) == 16


def test_made_up_secrets_have_names() -> None:
    assert len(SECRETS) >= 40
    assert len(CARRIERS) >= 40


VALUE = "q7Rt2ZpL9xWv4KbN8sDm"


@pytest.mark.parametrize(
    "table",
    [
        f"id;token\n1;{VALUE}",
        f"name      value\n========  =====\napi_key   {VALUE}",
        f"COPY t (id, password) FROM stdin;\n1\t{VALUE}\n\\.",
        f"<tr><th>token</th></tr>\n<tr><td>{VALUE}</td></tr>",
        f".. csv-table::\n   :header: id, token\n   :delim: ;\n\n   1; {VALUE}",
        f"   * - pas\u017fword\n   * - {VALUE}",
    ],
)
@pytest.mark.parametrize("block", [1, 40, 1 << 15])
def test_a_table_is_found_in_whatever_block_of_lines_it_lies(
    table: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "_BLOCK", block)
    plain = "a photo of a man\n\n" * 1_200
    text = f"{plain}{table}\n{plain}".encode()
    ((place, _),) = columns.in_columns(b"", io.BytesIO(table.encode()))
    found = [(line, secret.value) for line, secret in columns.in_columns(b"", io.BytesIO(text))]
    assert found == [(2_400 + place, VALUE)]


@pytest.mark.parametrize("mark", [",", "\t", ";", "|"])
@pytest.mark.parametrize("name", ["token", "API key", "password", "client_secret", "HF_TOKEN"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "utf-8-sig"])
def test_columns_with_telling_names(name: str, mark: str, codec: str) -> None:
    rows = [["id", name, "text"], *([str(n), "none", "a man"] for n in range(5))]
    text = "\n".join(mark.join(row) for row in [*rows, ["9", VALUE, "a, b"]])
    found = read(text.encode(codec), "people.csv")
    assert [(leak.line, leak.secret) for leak in found] == [(7, VALUE)]
    assert kinds(f'a,"{name}"\n"open, {VALUE}\n1,"{VALUE}"\n'.encode(codec)) == {Kind.SECRET}
    assert kinds(CARRIERS["zip"](text, random.Random(1))) == {Kind.SECRET}


def test_columns_of_other_names_and_words_are_left_alone() -> None:
    names = ["key", "hash", "token", "text", "next_token", "trigger_token", "class_token"]
    value = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    row = [value, value, "ohwx person", "a man", VALUE, VALUE, VALUE]
    assert kinds(f"{','.join(names)}\n{','.join(row)}\n".encode()) == set()


def test_tables_further_down() -> None:
    for text in (
        f"id,note\n1,a\n\nname,password\nme,{VALUE}\n",
        f"# x\n\n| user | API key |\n|---|---|\n| me | {VALUE} |\n",
    ):
        assert kinds(text.encode()) == {Kind.SECRET}
    assert kinds(f"a man, with a key\na man, {VALUE}\n".encode()) == set()


@pytest.mark.parametrize("form", ["hex", "base32"])
def test_digits_between_lines_of_words(form: str) -> None:
    data = f"the token {TOKEN}".encode()
    packed = data.hex().encode() if form == "hex" else base64.b32encode(data).rstrip(b"=")
    words = b"red hat\na man in a house\n" * 2000
    assert kinds(words + packed + b"\n" + words) == {Kind.SECRET}


def test_bytes_as_numbers_and_views_of_tables() -> None:
    import pyarrow as pa

    packed = gzip.compress(f"the token {TOKEN}".encode())
    for column in (
        pa.array([list(TOKEN.encode())], pa.list_(pa.uint8())),
        pa.array([packed]).cast(pa.binary_view()),
        pa.array([list(packed)], pa.list_(pa.uint8())),
    ):
        out = io.BytesIO()
        table = pa.table({"a": column})
        with pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
        assert Kind.SECRET in kinds(out.getvalue())


@pytest.mark.parametrize("held", [
    {"password": "Tr0ub4dor&3xyz!"},
    {"a": {"client" + "_secret": "bd8Zlq8khMjaddCnYysNa9ZwsQ4rTx1P", "x": 1}},
    "api" + '_key = "jTJWYyL4ZkQTrXM4MFwg7drHilZO9c2a"',
])  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_quote_in_a_cell_is_written_twice(held: object, delimiter: str) -> None:
    table = io.StringIO()
    cell = held if isinstance(held, str) else json.dumps(held)
    writer = csv.writer(table, delimiter=delimiter)
    writer.writerows([["file_name", "text"], ["a.png", 'a "big" dog'], ["b.png", cell]])
    assert Kind.SECRET in kinds(table.getvalue().encode(), "metadata.csv")
    assert not kinds(b'a,b\n"",""\n"say ""x"" to ""y"", z",2\n{"password": "", "b": ""}\n')


@pytest.mark.parametrize("form", [
    'password = """{}"""', "password = '''{}'''", "password: !!str {}", "password: !secret {}",
])  # fmt: skip
def test_quotes_and_kinds_of_values_in_settings(form: str) -> None:
    assert Kind.SECRET in kinds(form.format("abC7!x9Kq2#x").encode())


@pytest.mark.parametrize("codec", ["utf-16-be", "utf-16-le", "utf-32-be"])
def test_the_last_letter_of_a_wide_text_counts(codec: str) -> None:
    assert Kind.SECRET in kinds(("a hat, gh" + "p_" + "aB3x" * 9).encode(codec))


def test_what_is_filled_up_with_zeros_ends_before_them() -> None:
    word = b"WANDB" + b"_API_KEY=" + b"3f9a1c77be0245d8a6e1f0c3b79d5824ac60e71b"
    assert Kind.SECRET in kinds(b"\1\2\3\x90\xff" * 90 + word.ljust(200, b"\0"), "a.bin")


def test_a_short_key_that_is_packed_twice() -> None:
    key = ("AK" + "IA" + "Q2W7ERTZ5UIOP3AS").encode()
    for pack in (gzip.compress, zlib.compress):
        assert Kind.SECRET in kinds(b"note: " + base64.b64encode(pack(key)))


def test_a_column_of_a_shard_with_a_telling_name(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"api_key": ["none", VALUE]}), tmp_path / "a.parquet")
    assert [(leak.line, leak.secret) for leak in scan_file(tmp_path / "a.parquet")] == [(2, VALUE)]


# --- the gate -------------------------------------------------------------------------------------


def rules(root: Path, repo_type: RepoType, **options: object) -> list[tuple[str, str]]:
    release = collect(root, repo_type, **options)  # type: ignore[arg-type]
    return [(finding.rule, finding.place) for finding in PUBLISH_RULES.run(release)]


def in_toml() -> str:
    item = f'{{ fingerprint = "{fingerprint(TOKEN)}", reason = "{REASON}" }}'
    return f"[push]\nallowed_secrets = [{item}]\n"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A picture with its caption, and a card."""
    root = tmp_path / "people"
    root.mkdir()
    (root / "0.png").write_bytes(picture())
    (root / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "a man"}\n')
    (root / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# People\n")
    return root


@pytest.fixture
def run_dir(tmp_path: Path, make_lora_file: Callable[..., Path]) -> Path:
    """A LoRA and its card."""
    root = tmp_path / "run"
    make_lora_file(root / LORA_WEIGHTS)
    (root / "run.json").write_text("{}")
    (root / "README.md").write_text("---\nlicense: mit\n---\n# People\n")
    return root


@pytest.mark.parametrize(
    "name",
    ["a.ipynb", "a.ini", "a.svg", "a.html", "a.cfg", "env.txt", "netrc", "token", "id_rsa"],
)
def test_no_name_hides_a_token(dataset: Path, name: str) -> None:
    (dataset / name).write_text(f"x {TOKEN}\n")
    assert ("P101", f"{name}:1") in rules(dataset, "dataset")


def test_a_secret_beats_the_card_and_keep(run_dir: Path) -> None:
    for name in (".env", "settings.ini"):
        (run_dir / name).write_text(f"HF_TOKEN={TOKEN}\n")
    card = run_dir / "README.md"
    card.write_text(card.read_text() + "\n[settings](.env) [more](settings.ini)\n")
    for keep in ([], [".env", "settings.ini"], ["*"]):
        release = collect(run_dir, "model", keep=keep)
        assert ".env" not in {file.name for file in release.files}
        found = [(finding.rule, finding.place) for finding in PUBLISH_RULES.run(release)]
        assert ("P101", "settings.ini:1") in found


def test_unexpected_kinds_need_a_word(dataset: Path) -> None:
    (dataset / "notes.ini").write_text("a = 1\n")
    assert ("P116", "notes.ini") in rules(dataset, "dataset")
    assert rules(dataset, "dataset", allow=["*.ini"]) == []
    assert rules(dataset, "dataset", keep=["notes.ini"]) == []


def test_an_allowed_secret_is_told(dataset: Path, tmp_path: Path) -> None:
    (dataset / "notes.txt").write_text(TOKEN)
    (tmp_path / "hubtools.toml").write_text(in_toml())
    allowed = load_project(tmp_path).push.allowed_secrets
    assert rules(dataset, "dataset", allowed_secrets=allowed) == [("P118", "notes.txt:1")]
    findings = PUBLISH_RULES.run(collect(dataset, "dataset", allowed_secrets=allowed))
    assert REASON in findings[0].message
    (dataset / "notes.txt").unlink()
    assert rules(dataset, "dataset", allowed_secrets=allowed) == [("P119", "")]


def test_an_override_needs_a_reason(tmp_path: Path) -> None:
    for text in (
        '{ fingerprint = "0123456789abcdef" }',
        '"0123456789abcdef"',
        '"0123456789abcdef: x"',
    ):
        (tmp_path / "hubtools.toml").write_text(f"[push]\nallowed_secrets = [{text}]\n")
        with pytest.raises(UsageError, match="reason"):
            load_project(tmp_path)


@pytest.mark.parametrize("prefix", ["P101", "P113", "P1", "p"])
def test_the_search_for_secrets_cannot_be_left_out(dataset: Path, prefix: str) -> None:
    with pytest.raises(UsageError, match="one by one"):
        plan_push(dataset, "me/people", "dataset", PushOptions(ignore=(prefix,)))


def test_push_stops_and_says_what_to_type(local_hub: object, dataset: Path) -> None:
    exif = Image.Exif()
    exif[0x9C9C] = (TOKEN + "\0").encode("utf-16-le")
    (dataset / "0.jpg").write_bytes(picture("JPEG", exif=exif))
    (dataset / "a.jsonl").write_text(
        json.dumps({"text": "".join(f"\\u{ord(c):04x}" for c in TOKEN)})
    )
    done = typed("push", dataset, "me/people", "--public", cwd=dataset.parent)
    assert done.returncode == 3
    assert TOKEN not in done.stdout + done.stderr
    assert f'fingerprint = "{fingerprint(TOKEN)}"' in done.stderr
    assert "a.jsonl:1" in done.stderr
    (dataset.parent / "hubtools.toml").write_text(in_toml())
    # what is wrong with the records is not what this is about
    done = typed("push", dataset, "me/people", "--public", "--ignore", "D2", cwd=dataset.parent)
    assert done.returncode == 0, done.stderr
    assert REASON in done.stderr


# --- what an attack on this search found ----------------------------------------------------------

GITHUB = "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.mark.parametrize(
    "text",
    [
        f"see HfHub_Token_{TOKEN} there",
        f"https://x.org/MyToken1_{TOKEN}",
        f"[x](https://hub/Model7/{TOKEN})",
        f"logs/RunA1B2c3D4/{TOKEN}/x",
        f"https://hub/aB3/{GITHUB}",
        f"data: QmFzZTY0RGF0YUhlcmU{TOKEN}",
        f"QmFzZTY0RGF0YUhlcmU/{GITHUB}",
    ],
)
def test_names_and_paths_before_a_token_do_not_hide_it(text: str) -> None:
    assert Kind.SECRET in kinds(text.encode())
    assert TOKEN not in hide(text)
    assert GITHUB not in hide(text)
    assert Kind.SECRET in kinds(b"", f"HfHubToken1_{TOKEN}.txt")


def test_many_findings_do_not_end_the_search() -> None:
    paths = "".join(f"/home/jane{n}/pics/{n}.png\n" for n in range(150))
    assert [leak.kind for leak in read(paths.encode())] == [Kind.PATH]
    found = read(f"{paths}{'a b c' * 2000}\ntoken {TOKEN}\n".encode())
    assert [leak.secret for leak in found if leak.kind is Kind.SECRET] == [TOKEN]
    many = [TOKEN[:-3] + f"{n:03}" for n in range(150)]
    found = read("\n".join(many).encode())
    assert len(found) == 101
    assert {leak.kind for leak in found} == {Kind.SECRET}
    assert "50 more" in found[-1].what
    changed = read("\n".join([*many[:-1], TOKEN]).encode())
    assert changed[-1].fingerprint != found[-1].fingerprint


def test_rows_that_name_where_they_came_from_are_a_warning(dataset: Path) -> None:
    rows = [
        {"file_name": "0.png", "text": "a man", "original": f"/home/jane/x/{n}.png"}
        for n in range(150)
    ]
    (dataset / "notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert rules(dataset, "dataset") == [("P102", "notes.jsonl:1")]


def test_what_was_not_read_is_let_through_by_name_only(dataset: Path, tmp_path: Path) -> None:
    (dataset / "old.tar.gz").write_bytes(gzip.compress(bytes(9))[:-9])
    with pytest.raises(UsageError, match="P117"):
        plan_push(dataset, "me/people", "dataset", PushOptions(ignore=("P117",)))
    for options in ({}, {"keep": ["old.tar.gz"]}, {"allow": ["old.tar.gz"]}):
        findings = PUBLISH_RULES.run(collect(dataset, "dataset", **options))  # type: ignore[arg-type]
        told = {finding.rule: finding.severity.value for finding in findings}
        assert told["P117"] == ("info" if "allow" in options else "error")


def test_no_finding_and_no_error_prints_a_token(tmp_path: Path) -> None:
    name = f"pictures_{TOKEN}.png"
    finding = Finding("D1", Severity.ERROR, f"{name} {TOKEN}", f"drop {name}", name, picture=name)
    report = Report(name, (finding,), {"largest": name})
    for format in ("text", "json", "jsonl", "sarif", "github", "html"):
        assert TOKEN not in as_text(report, format)
        assert format not in ("json", "sarif") or json.loads(as_text(report, format))
    error = HubtoolsError(f"no {TOKEN}", hint=name)
    assert TOKEN not in f"{error} {error.hint}"
    assert TOKEN[:20] not in shortened(f"a value: {TOKEN}", 40)
    (tmp_path / "hubtools.toml").write_text(f'[push]\nprivate = "{TOKEN}"\n')
    for words in (("validate", "."), ("push", ".", "me/x"), ("doctor",), (f"{TOKEN}",)):
        said = typed(*words, cwd=tmp_path)
        assert TOKEN not in said.stdout + said.stderr, words


def test_the_advice_of_a_kind_can_be_typed(dataset: Path) -> None:
    name = "a[1] it's.svg"
    (dataset / name).write_text("<svg/>")
    findings = PUBLISH_RULES.run(collect(dataset, "dataset"))
    advice = next(finding.fix for finding in findings if finding.rule == "P116")
    words = shlex.split((advice or "").split("--keep ")[1].split(" (push")[0])
    assert rules(dataset, "dataset", keep=words) == []


def test_an_archive_behind_a_picture_that_cannot_be_opened_is_told() -> None:
    for format in ("PNG", "JPEG"):
        assert kinds(picture(format) + b"7z\xbc\xaf\x27\x1c" + bytes(99)) == {Kind.UNREAD}
        assert kinds(picture(format)) == set()
    assert kinds(b"password: $ecretPa55w0rd!9\n") == {Kind.SECRET}
    for said in ("password: $PASSWORD1", "password: ${PASS_1}", "password: $(cat pw1.txt)"):
        assert kinds(said.encode()) == set()


@pytest.mark.parametrize(
    "text",
    [
        TOKEN[:3] + "\u200b" + TOKEN[3:],
        "".join(chr(ord(c) + 0xFEE0) for c in TOKEN),
        str(list(TOKEN.encode())),
        str(list(TOKEN)),
        " ".join(TOKEN),
        TOKEN.encode().hex(" "),
        ", ".join(map(hex, TOKEN.encode())),
        " + ".join(f"chr({code})" for code in TOKEN.encode()),
        "".join(f"\\{code:06x}" for code in TOKEN.encode()),
        f"'{TOKEN[:9]}'.concat('{TOKEN[9:]}')",
        f"{TOKEN[:9]}%E2%80%8B{TOKEN[9:]}",
        "wandb login 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "\n".join(textwrap.wrap(base64.b64encode(f"token {TOKEN}".encode()).decode(), 32)),
    ],
)
def test_other_ways_to_write_it(text: str) -> None:
    assert Kind.SECRET in kinds(f"a {text} b\n".encode())


def test_a_token_that_is_none_is_a_sentence(local_hub: object, dataset: Path) -> None:
    said = typed("push", dataset, "me/people", cwd=dataset.parent, HF_TOKEN="hf_ä" + TOKEN)
    assert said.returncode == 1
    assert "HF_TOKEN holds a character that no token has" in said.stderr


# --- behind and between the parts of an archive ---------------------------------------------------


def zipped(comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "hi")
        archive.comment = comment
    return out.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def before_the_directory(packed: bytes) -> bytes:
    data = zipped()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    moved = (start + len(packed)).to_bytes(4, "little")
    return data[:start] + packed + data[start : end + 16] + moved + data[end + 20 :]


BETWEEN: dict[str, Callable[[bytes], bytes]] = {
    "behind a zip": lambda packed: zipped() + packed,
    "in the comment of a zip": zipped,
    "before the directory of a zip": before_the_directory,
    "behind a tar": lambda packed: tarred("a.txt", b"hi") + packed,
    "behind a tar, and more": lambda packed: tarred("a.txt", b"hi") + packed + bytes(600),
    "behind a bzip2 stream": lambda packed: bz2.compress(b"hi") + packed,
    "behind two of them": lambda packed: bz2.compress(b"hi") + bz2.compress(b"ho") + packed,
    "behind an xz stream": lambda packed: lzma.compress(b"hi") + bytes(4) + packed,
    "in a tar": lambda packed: tarred("a.bz2", bz2.compress(b"hi") + packed),
}


@pytest.mark.parametrize("place", BETWEEN)
def test_what_no_member_of_an_archive_covers_is_read(place: str) -> None:
    data = BETWEEN[place](gzip.compress(f"token {TOKEN}\n".encode()))
    assert TOKEN in {leak.secret for leak in read(data, "a.bin")}
    assert not {leak.secret for leak in read(BETWEEN[place](bytes(40)), "a.bin")} - {""}


def test_between_the_columns_of_a_parquet_file() -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    parquet.write_table(arrow.table({"text": ["a", "b"], "n": [[300, 2], [3]]}), out)
    data = out.getvalue()
    assert not read(data, "a.parquet")
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    packed = gzip.compress(f"token {TOKEN}\n".encode())
    found = read(data[:footer] + packed + data[footer:], "a.parquet")
    assert TOKEN in {leak.secret for leak in found}


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int32", "int64"])
def test_letters_as_numbers_in_a_column(kind: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    column = arrow.array([[ord(c) for c in TOKEN]], arrow.list_(getattr(arrow, kind)()))
    parquet.write_table(arrow.table({"t": column}), out)
    assert TOKEN in {leak.secret for leak in read(out.getvalue(), "a.parquet")}
