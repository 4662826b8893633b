"""Captions in an old encoding are decoded by evidence, or somebody is asked; never guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.text.codepages import believe, believe_each, odd_texts, utf16_of
from hubtools.dataset.validate import validate
from hubtools.settings import DatasetSettings
from tests.typed import typed

CHINESE = ("zwx 红色雨伞", "zwx 蓝色的门", "zwx 绿色桌子")
TEXTS = {
    "gbk": CHINESE,
    "big5": ("紅色的雨傘", "一個女人站在街上", "穿著白色裙子的女孩"),
    "cp932": ("窓辺に座る黒猫", "草原を走る犬", "古い家の前の自転車"),
    "euc_jp": ("窓辺に座っている黒猫", "アニメ風の少女のイラスト", "木の机の上のコーヒー"),
    "cp949": ("거리에 서 있는 여자", "안경을 쓴 남자가 웃고 있다", "눈 덮인 산과 호수"),
    "cp1251": ("женщина стоит на улице", "девушка в белом платье", "синяя дверь"),
    "cp866": ("женщина стоит на улице", "девушка в белом платье", "синяя дверь"),
    "cp1253": ("γυναίκα στέκεται στον δρόμο", "μαύρη γάτα στο παράθυρο", "μπλε πόρτα"),
    "cp1252": ("ein Mädchen am Fenster", "grüne Tür", "eine Frau in der Küche"),
    "utf-16-le": CHINESE,
    "utf-16-be": CHINESE,
}


def made(root: Path, texts: tuple[str, ...], codec: str) -> Path:
    root.mkdir()
    for number, text in enumerate(texts):
        Image.new("RGB", (64, 64), (60 * number, 9, 99)).save(root / f"{number}.png")
        (root / f"{number}.txt").write_bytes(text.encode(codec))
    return root


def captions(root: Path) -> list[str]:
    lines = (root / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return [row["text"] for row in sorted(map(json.loads, lines), key=lambda r: r["file_name"])]


@pytest.mark.parametrize("codec", TEXTS)
def test_decoded_by_evidence(tmp_path: Path, codec: str) -> None:
    root = made(tmp_path / "set", TEXTS[codec], codec)
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    assert fix(root, DatasetSettings(), resolution=64)
    assert captions(root) == list(TEXTS[codec])
    undo_fix(root)
    assert {path.name: path.read_bytes() for path in root.glob("*.*") if path.is_file()} == before


def test_sidecars_that_stay_are_written_in_utf8(tmp_path: Path) -> None:
    root = made(tmp_path / "set", CHINESE, "gbk")
    rows = [{"file_name": f"{n}.png", "text": f"other {n}"} for n in range(3)]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [f for f in validate(root, DatasetSettings()).findings if f.rule == "D517"]
    assert len(found) == 1
    assert "GBK: read so, 12 of 12 characters" in found[0].message
    fix(root, DatasetSettings(), select=["D517"])
    assert (root / "0.txt").read_text(encoding="utf-8") == CHINESE[0]
    undo_fix(root)
    assert (root / "0.txt").read_bytes() == CHINESE[0].encode("gbk")


def test_weak_evidence_is_asked_for(tmp_path: Path) -> None:
    root = made(tmp_path / "set", ("zwx 紅",), "big5")
    data = (root / "0.txt").read_bytes()
    plan = plan_fix(root, DatasetSettings(), resolution=64)
    assert "caption_encoding" in plan.left["0.txt"]
    assert not plan.operations
    assert (root / "0.txt").read_bytes() == data
    fix(root, DatasetSettings(caption_encoding="big5"), resolution=64)
    assert captions(root) == ["zwx 紅"]


def test_the_option_is_typed(tmp_path: Path) -> None:
    root = made(tmp_path / "set", ("zwx 紅",), "big5")
    done = typed("fix", str(root), "--yes", "--caption-encoding", "big5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert captions(root) == ["zwx 紅"]
    done = typed("fix", str(root), "--yes", "--caption-encoding", "klingon", cwd=tmp_path)
    assert done.returncode == 2
    assert "is no encoding" in done.stderr


@pytest.mark.parametrize(
    ("text", "codec"), [("zwx 紅", "big5"), ("zielone drzewo z żabą", "cp1250"), ("a 人", "gbk")]
)
@pytest.mark.parametrize("way", ["option", "setting", "environment"])
def test_what_the_finding_advises_works_when_typed(
    tmp_path: Path, text: str, codec: str, way: str
) -> None:
    """Where an encoding is not certain the file stays as it is until somebody says which it is."""
    root = made(tmp_path / "set", (text,), codec)
    rows = json.dumps({"file_name": "0.png", "text": "other"})
    (root / "metadata.jsonl").write_text(rows + "\n")
    (found,) = validate(root, DatasetSettings(), select=["D517"]).findings
    words = ["fix", str(root), "--select", "D517", "--yes"]
    left = typed(*words, cwd=tmp_path)
    assert (root / "0.txt").read_bytes() == text.encode(codec)
    assert "--caption-encoding" in left.stdout + left.stderr
    command = str(found.fix).split("`")[1].split()
    assert command[:3] == ["hubtools", "fix", "--caption-encoding"]
    if way == "option":
        typed(*words, *command[2:3], codec, cwd=tmp_path)
    elif way == "setting":
        (tmp_path / "hubtools.toml").write_text(f'[dataset]\ncaption_encoding = "{codec}"\n')
        typed(*words, cwd=tmp_path)
    else:
        typed(*words, cwd=tmp_path, HUBTOOLS_DATASET_CAPTION_ENCODING=codec)
    assert (root / "0.txt").read_text(encoding="utf-8") == text
    assert not validate(root, DatasetSettings(), select=["D517"]).findings


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("a 熊 in snow", "gbk"),
        ("a 人", "gbk"),
        ("kırmızı şemsiye", "cp1254"),
        ("červený deštník", "cp1250"),
        ("zielone drzewo z żabą", "cp1250"),
        ("café", "mac-roman"),
        ("jardín", "mac-roman"),
        ("mañana en la montaña", "cp850"),
        ("schöne Bäume", "mac-roman"),
        ("Novak Doković", "cp1250"),
    ],
)
def test_what_may_be_something_else_is_not_sure(text: str, codec: str) -> None:
    belief = believe([text.encode(codec)])
    assert belief is None or not belief.sure or text.encode(codec).decode(belief.codec) == text


def test_one_that_does_not_fit_is_weighed_alone() -> None:
    texts = {str(n): text.encode("gbk") for n, text in enumerate(CHINESE * 20)}
    texts["odd"] = TEXTS["big5"][0].encode("big5")
    found = believe_each(texts)
    assert found["0"] is not None
    assert found["0"].sure
    assert found["0"].codec == "gb18030"
    assert found["odd"] is None or found["odd"].codec == "cp950"


def test_what_is_utf8_by_chance_is_doubted() -> None:
    texts = {str(n): text.encode("gbk") for n, text in enumerate(CHINESE)}
    texts["cat"] = "zwx 猫".encode("gbk")  # the bytes of an è in UTF-8
    belief = odd_texts(texts)["cat"]
    assert belief is not None
    assert not belief.sure


def test_utf16_without_a_mark() -> None:
    assert utf16_of("a cat".encode("utf-16-le")) == "utf-16-le"
    assert utf16_of("a cat".encode("utf-16-be")) == "utf-16-be"
    assert utf16_of(b"a\0c\0\0t") is None
    assert utf16_of("猫".encode("gbk")) is None
