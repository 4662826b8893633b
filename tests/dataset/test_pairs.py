"""Rows of more than one picture: one judgement of what each column is for, everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from photos import photo, put_photo
from PIL import Image, ImageChops
from simple import picture

from hubtools.cards.render import write_dataset_card
from hubtools.dataset.caption.planner import plan_captions
from hubtools.dataset.examples import examples_of, read_examples
from hubtools.dataset.fix.run import fix
from hubtools.dataset.inspect.draw import write_sheet
from hubtools.dataset.loaders import Mode
from hubtools.dataset.metadata.roles import RoleColumns, Roles, roles_of
from hubtools.dataset.packing.unpack import unshard
from hubtools.dataset.packing.write import shard
from hubtools.dataset.pictures.rgb import open_image
from hubtools.dataset.rows import role_columns
from hubtools.dataset.validate import validate
from hubtools.dataset.view import view
from hubtools.errors import HubtoolsError
from hubtools.findings import Severity
from hubtools.project import Project
from hubtools.reporting.page import to_html
from hubtools.settings import DatasetSettings
from hubtools.training.preview import inspect

OWN = DatasetSettings(license="cc0-1.0", rights="own", trigger="tok")


def pairs(
    root: Path, keys: tuple[str, ...] = ("conditioning_image_file_name",), main: str = "file_name"
) -> Path:
    """Three rows, a further picture for each of `keys`."""
    records = []
    for number in range(3):
        put_photo(root, f"{number}.png", number, (64, 48))
        record = {main: f"{number}.png", "text": f"a tok chair {number}"}
        for place, key in enumerate(keys, 1):
            name = f"{key}/{number}.png"
            put_photo(root, name, 10 * place + number, (64, 48))
            if "mask" in key:
                two_tones(root / name)
            record[key] = [name] if key.endswith("s") else name
        records.append(record)
    write(root, records)
    return root


def two_tones(path: Path) -> None:
    with Image.open(path) as opened:
        opened.convert("L").point(lambda level: 255 * (level > 127)).save(path)


def write(root: Path, records: list[dict[str, object]]) -> None:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (root / "metadata.jsonl").write_text(lines)


def rules(root: Path, settings: DatasetSettings = OWN) -> set[str]:
    return {finding.rule for finding in validate(root, settings, resolution=32).findings}


@pytest.mark.parametrize(
    ("columns", "roles"),
    [
        (["file_name", "text"], Roles("file_name")),
        (["file_name", "control_file_name"], Roles("file_name", ("control_file_name",))),
        (["source_file_name", "target_file_name"],
         Roles("target_file_name", ("source_file_name",))),
        (["input_image_file_name", "edited_image_file_name"],
         Roles("edited_image_file_name", ("input_image_file_name",))),
        (["file_name", "edited_file_name"], Roles("edited_file_name", ("file_name",))),
        (["file_name", "mask_file_name", "ref_file_names"],
         Roles("file_name", ("ref_file_names",), "mask_file_name")),
        (["conditioning_image_file_name", "image_file_name"],
         Roles("image_file_name", ("conditioning_image_file_name",))),
        (["before_file_name", "after_file_name"], Roles("after_file_name", ("before_file_name",))),
    ],
)  # fmt: skip
def test_roles_are_guessed_from_names(columns: list[str], roles: Roles) -> None:
    assert roles_of(columns) == roles


def test_roles_are_what_the_settings_say() -> None:
    columns = ["file_name", "depth_file_name", "edited_file_name", "mask_file_name"]
    told = RoleColumns("image", ("depth",), "edited_file_name")
    assert roles_of(columns, told) == Roles("file_name", ("depth_file_name",), "edited_file_name")
    assert roles_of(columns, RoleColumns(controls=())).controls == ()
    assert roles_of(columns, RoleColumns(mask="pose")).absent == ("pose",)


@pytest.mark.parametrize(
    "keys",
    [
        ("conditioning_image_file_name",),
        ("source_file_name", "mask_file_name"),
        ("reference_file_names",),
        ("control_file_name", "pose_file_name"),
    ],
)
def test_a_second_picture_is_in_order(tmp_path: Path, keys: tuple[str, ...]) -> None:
    pairs(tmp_path, keys)
    report = validate(tmp_path, OWN, resolution=32)
    assert {finding.rule for finding in report.findings} <= {"D218"}
    assert report.facts["pictures"] == 3
    found = report.facts["roles"]
    assert [key for role in found.values() for key in role["columns"]] == ["file_name", *keys]
    assert all(role["pictures"] % 3 == 0 and role["guessed"] for role in found.values())
    assert not view(tmp_path, OWN).loaders[Mode.AUTO].lost
    for example in read_examples(tmp_path, "text"):
        paths = [*example.controls, *([example.mask] if example.mask else [])]
        expected = [tmp_path / key / example.file_name for key in keys]
        assert sorted(paths) == sorted(expected)


def test_no_key_need_be_called_file_name(tmp_path: Path) -> None:
    pairs(tmp_path, ("source_file_name",), "target_file_name")
    assert rules(tmp_path) <= {"D218"}
    (first, *_) = examples_of(view(tmp_path, OWN))
    assert first.file_name == "0.png"
    assert first.controls == (tmp_path / "source_file_name/0.png",)
    other = OWN.model_copy(update={"image_column": "source", "control_columns": ["target"]})
    (first, *_) = read_examples(tmp_path, "text", roles=role_columns(other))
    assert (first.file_name, first.controls) == ("source_file_name/0.png", (tmp_path / "0.png",))


def test_partners_that_are_missing_are_told_with_their_line(tmp_path: Path) -> None:
    pairs(tmp_path)
    (tmp_path / "conditioning_image_file_name/1.png").unlink()
    (gone,) = (f for f in validate(tmp_path, OWN, resolution=32).findings if f.rule == "D201")
    assert (gone.line, "conditioning_image_file_name/1.png" in gone.message) == (2, True)
    with pytest.raises(HubtoolsError, match=r"metadata.jsonl:2: there is no picture cond"):
        read_examples(tmp_path, "text")
    write(tmp_path, [{"file_name": "0.png", "text": "a tok", "c_file_name": "../x.png"}])
    assert "D204" in rules(tmp_path)


def test_copies_are_looked_for_within_a_role(tmp_path: Path) -> None:
    pairs(tmp_path)
    # the input of one row is the result of another, and one input serves twice
    shutil.copy(tmp_path / "0.png", tmp_path / "conditioning_image_file_name/1.png")
    shutil.copy(tmp_path / "0.png", tmp_path / "conditioning_image_file_name/2.png")
    assert rules(tmp_path) == set()
    shutil.copy(tmp_path / "0.png", tmp_path / "1.png")
    assert "D401" in rules(tmp_path)


def test_one_picture_from_several_is_several_rows(tmp_path: Path) -> None:
    pairs(tmp_path)
    write(tmp_path, [
        {"file_name": "0.png", "text": f"a tok {n}", "c_file_name": f"{key}/{n}.png"}
        for key in ("conditioning_image_file_name",) for n in range(3)
    ])  # fmt: skip
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").unlink()
    assert rules(tmp_path) == set()


@pytest.mark.parametrize("key", ["control_file_name", "mask_file_name"])
def test_a_picture_without_a_mask_is_learnt_whole_one_without_its_control_stops(
    tmp_path: Path, key: str
) -> None:
    pairs(tmp_path, (key,))
    file = tmp_path / "metadata.jsonl"
    first, *others = [json.loads(line) for line in file.read_text().splitlines()]
    records = [first | {key: None}, *others]
    file.write_text("".join(json.dumps(one) + "\n" for one in records))
    (found,) = [one for one in validate(tmp_path, OWN).findings if one.rule == "D223"]
    is_mask = key == "mask_file_name"
    assert found.severity is (Severity.WARNING if is_mask else Severity.ERROR)
    assert ("`train` learns all of it" in found.message) is is_mask
    assert ("leave it out" in (found.fix or "")) is is_mask


def test_masks_and_conditions_may_be_dark_and_of_one_colour(tmp_path: Path) -> None:
    pairs(tmp_path, ("pose_file_name", "mask_file_name"))
    for key in ("pose_file_name", "mask_file_name"):
        picture(tmp_path / key / "0.png", 0, (64, 48))
        photo(1, (64, 48)).convert("1").save(tmp_path / key / "1.png")
        photo(1, (64, 48)).point(lambda value: 0).save(tmp_path / key / "2.png")
    assert rules(tmp_path) == set()


def test_only_what_is_learnt_is_captioned_covered_and_inspected(tmp_path: Path) -> None:
    pairs(tmp_path)
    seen = inspect(tmp_path, OWN)
    assert [one.name for one in seen.seen] == ["0.png", "1.png", "2.png"]
    assert seen.seen[0].controls == ("conditioning_image_file_name/0.png",)
    assert write_sheet(tmp_path, seen.seen, tmp_path.parent / "sheet.png", side=64) == 3
    with Image.open(tmp_path.parent / "sheet.png") as sheet:
        # side by side: the picture, and what it is made from
        shown = sheet.convert("RGB").crop((6 + 64, 6 + 8, 6 + 128, 6 + 56))
    given = open_image(tmp_path / "conditioning_image_file_name/0.png")
    assert ImageChops.difference(shown, given).getbbox() is None
    planned = OWN.model_copy(update={"plan": {"portrait": "1.."}})
    facts = validate(tmp_path, planned, resolution=32).facts
    assert len(facts["unplanned"]) + facts["coverage"][0]["found"] == 3
    done = plan_captions(tmp_path, OWN, template="{trigger} a chair", overwrite=True)
    assert not [change for change in done.changes if "conditioning" in change.picture]


def test_fix_removes_a_row_with_all_its_pictures(tmp_path: Path) -> None:
    pairs(tmp_path)
    shutil.copy(tmp_path / "0.png", tmp_path / "1.png")
    fix(tmp_path, OWN, unsafe=("delete-duplicates",), resolution=32)
    key = "conditioning_image_file_name"
    for folder in (tmp_path, tmp_path / key):
        assert sorted(path.name for path in folder.glob("*.png")) == ["0.png", "2.png"]
    for example in read_examples(tmp_path, "text"):
        assert example.controls == (tmp_path / key / example.file_name,)


def test_shards_keep_the_pictures_of_a_row_together(tmp_path: Path) -> None:
    pairs(tmp_path / "set", ("control_file_name", "mask_file_name"))
    for form in ("parquet", "webdataset"):
        shard(tmp_path / "set", tmp_path / form, format=form)
        facts = validate(tmp_path / form, OWN, resolution=32).facts
        assert facts["pictures"] == 3
        assert facts["roles"]["control"]["pictures"] == facts["roles"]["mask"]["pictures"] == 3
        unshard(tmp_path / form, tmp_path / f"{form}-back")
        for one in ("0.png", "control_file_name/1.png", "mask_file_name/2.png"):
            back = tmp_path / f"{form}-back" / one
            assert back.read_bytes() == (tmp_path / "set" / one).read_bytes()


def test_a_parquet_file_of_others_may_have_its_columns_in_any_order(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    put_photo(tmp_path, "given.png", 1, (64, 48))
    put_photo(tmp_path, "made.png", 2, (64, 48))
    features = datasets.Features(
        conditioning_image=datasets.Image(), text=datasets.Value("string"), image=datasets.Image()
    )
    given, made = (
        {"bytes": (tmp_path / name).read_bytes(), "path": name}
        for name in ("given.png", "made.png")
    )
    row = {"conditioning_image": given, "text": "a tok", "image": made}
    table = datasets.Dataset.from_list([row], features=features)
    (tmp_path / "set").mkdir()
    table.to_parquet(tmp_path / "set" / "train-00000-of-00001.parquet")
    unshard(tmp_path / "set", tmp_path / "back")
    (example,) = read_examples(tmp_path / "back", "text")
    assert example.image.read_bytes() == (tmp_path / "made.png").read_bytes()
    assert example.controls[0].read_bytes() == (tmp_path / "given.png").read_bytes()


def test_the_card_tells_of_them(tmp_path: Path) -> None:
    pairs(tmp_path / "dataset")
    write_dataset_card(tmp_path / "dataset", Project(dataset=OWN))
    card = (tmp_path / "dataset" / "README.md").read_text()
    assert "control pictures" in card
    assert "image-to-image" in card


def test_init_takes_no_column_of_pictures_for_captions(tmp_path: Path) -> None:
    from hubtools.journey.init import init

    pairs(tmp_path / "mine")
    records = [json.loads(line) for line in (tmp_path / "mine/metadata.jsonl").open()]
    moved = [
        {"file_name": one["file_name"], "c_file_name": one["conditioning_image_file_name"],
         "words": one["text"]} for one in records
    ]  # fmt: skip
    write(tmp_path / "mine", moved)
    init(tmp_path / "project", source=tmp_path / "mine")
    assert 'caption_column = "words"' in (tmp_path / "project/hubtools.toml").read_text()


def test_a_mask_is_black_and_white(tmp_path: Path) -> None:
    pairs(tmp_path, ("mask_file_name",))
    assert "D229" not in rules(tmp_path)
    soft = Image.linear_gradient("L").resize((64, 48))  # a mask may be soft
    soft.save(tmp_path / "mask_file_name/0.png")
    assert "D229" not in rules(tmp_path)
    put_photo(tmp_path, "mask_file_name/1.png", 41, (64, 48))
    shutil.copy(tmp_path / "2.png", tmp_path / "mask_file_name/2.png")
    told = [f for f in validate(tmp_path, OWN, resolution=32).findings if f.rule == "D229"]
    assert [(f.line, "itself" in f.message) for f in told] == [(2, False), (3, True)]
    put_photo(tmp_path, "mask_file_name/1.png", 41, (48, 64))
    (shape,) = (f for f in validate(tmp_path, OWN, resolution=32).findings if f.rule == "D224")
    assert shape.severity is Severity.WARNING


def test_pairs_the_wrong_way_round_are_told(tmp_path: Path) -> None:
    pairs(tmp_path)
    assert "D230" not in rules(tmp_path)
    for number in range(3):
        two_tones(tmp_path / f"conditioning_image_file_name/{number}.png")
    assert "D230" not in rules(tmp_path)
    turned = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    for one in turned:
        given = "conditioning_image_file_name"
        one["file_name"], one[given] = one[given], one["file_name"]
    write(tmp_path, turned)
    (told,) = (f for f in validate(tmp_path, OWN, resolution=32).findings if f.rule == "D230")
    assert "3 of 3 rows" in told.message
    right = OWN.model_copy(
        update={"image_column": "conditioning_image", "control_columns": ["image"]}
    )
    assert "D230" not in rules(tmp_path, right)


@pytest.mark.parametrize("taken", [("masks", "words"), ("id", "words"), ("masks", "caption")])
def test_no_column_of_pictures_is_advised_as_captions(
    tmp_path: Path, taken: tuple[str, str]
) -> None:
    pairs(tmp_path, ("mask_file_name",))
    records = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    other, words = taken
    write(tmp_path, [
        {"file_name": one["file_name"], other: one["mask_file_name"] if other == "masks" else "7",
         words: one["text"]} for one in records
    ])  # fmt: skip
    (told,) = (f for f in validate(tmp_path, OWN, resolution=32).findings if f.rule == "D501")
    assert f"caption_column = '{words}'" in str(told.fix)


def test_the_report_shows_the_pictures_of_a_row_side_by_side(tmp_path: Path) -> None:
    pairs(tmp_path, ("control_file_name", "mask_file_name"))
    report = validate(tmp_path, OWN, resolution=32, exhibits=True)
    assert report.exhibits is not None
    shown = [[one.name for one in row.pictures] for row in report.exhibits.pairs]
    assert shown == [
        [f"{n}.png", f"control_file_name/{n}.png", f"mask_file_name/{n}.png"] for n in range(3)
    ]
    assert {name for row in shown for name in row} <= report.exhibits.thumbnails.keys()
    page = to_html(report)
    assert "Pictures of one row" in page
    assert report.exhibits.pairs[0].pictures[1].lines[0] == "control_file_name"


def test_of_a_list_alone_the_first_is_learnt(tmp_path: Path) -> None:
    """`validate` says so, and the trainer does so."""
    rows = []
    for number in range(3):
        names = [f"{number}.png", f"given/{number}.png"]
        for place, name in enumerate(names):
            put_photo(tmp_path, name, 10 * place + number, (64, 48))
        rows.append({"file_names": names, "text": f"a tok chair {number}"})
    write(tmp_path, rows)
    report = validate(tmp_path, OWN, resolution=32)
    assert {finding.rule for finding in report.findings} <= {"D218"}
    roles = report.facts["roles"]
    assert (roles["image"]["pictures"], roles["control"]["pictures"]) == (3, 3)
    looked = view(tmp_path, OWN)
    assert [(e.file_name, [*e.controls]) for e in examples_of(looked)] == [
        (f"{number}.png", [tmp_path / f"given/{number}.png"]) for number in range(3)
    ]
    assert set(looked.role_of) == {f"given/{number}.png" for number in range(3)}
