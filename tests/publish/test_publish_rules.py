"""Each P rule objects to its bad release and to no other."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hubtools import limits
from hubtools.findings import Severity
from hubtools.layout import LORA_WEIGHTS
from hubtools.licensing.ids import license_of_base
from hubtools.publish.release import RepoType, collect
from hubtools.publish.rules import PUBLISH_RULES
from tests import lorafiles

Make = Callable[..., Path]
Spoil = Callable[[Path, Make], None]

TOKEN = "hf_" + "aB3" * 11 + "x"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{0:064}\nsize 1\n"
HOME = "/home/" + "someone/pictures/x"


def found(root: Path, repo_type: RepoType, keep: tuple[str, ...] = ("*",)) -> list[tuple[str, str]]:
    """(rule, place) of every finding."""
    if repo_type == "dataset":
        keep = ()
    release = collect(root, repo_type, keep=keep, drop=["state/*", "snapshots/*", "samples/*"])
    return [(finding.rule, finding.place) for finding in PUBLISH_RULES.run(release)]


def write(name: str, text: str | bytes) -> Spoil:
    def spoil(root: Path, make: Make) -> None:
        data = text.encode() if isinstance(text, str) else text
        (root / name).write_bytes(data)

    return spoil


def sparse(name: str, size: int) -> Spoil:
    def spoil(root: Path, make: Make) -> None:
        with (root / name).open("wb") as file:
            file.truncate(size)

    return spoil


FEW = 50
LOADING = "---\nlicense: mit\n---\n```python\npipeline.load_lora_weights('{}')\n```\n"


@pytest.fixture(autouse=True)
def _few_in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub takes 10,000; to write so many takes seconds."""
    assert limits.IN_FOLDER == 10_000
    monkeypatch.setattr(limits, "IN_FOLDER", FEW)


def many(root: Path, make: Make) -> None:
    (root / "notes").mkdir()
    for number in range(FEW + 1):
        (root / f"notes/{number}").touch()


def gps(root: Path, make: Make) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (8, 8)).save(root / "3.jpg", exif=exif)


def text_in_png(text: str) -> Spoil:
    def spoil(root: Path, make: Make) -> None:
        info = PngInfo()
        info.add_text("workflow", text)
        Image.new("RGB", (8, 8)).save(root / "3.png", pnginfo=info)

    return spoil


def inside(text: str) -> Spoil:
    return lambda root, make: make(root / LORA_WEIGHTS, comment=text) and None


def lora_called(name: str) -> Spoil:
    def spoil(root: Path, make: Make) -> None:
        (root / LORA_WEIGHTS).rename(root / name)

    return spoil


TAKEOUT = '{"title": "0.png", "geoData": {"latitude": 48.1, "longitude": 11.5}}'


def serial(root: Path, make: Make) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA431] = "0815"
    Image.new("RGB", (8, 8)).save(root / "3.jpg", exif=exif)


def kohya(folder: str) -> Spoil:
    said = json.dumps({folder: {"n_repeats": 10, "img_count": 3}})
    return lambda root, make: make(root / LORA_WEIGHTS, ss_dataset_dirs=said) and None


def lora(tensors: lorafiles.Tensors, base: str = lorafiles.BASE) -> Spoil:
    """Another LoRA in the run, and a card that names a base."""

    def spoil(root: Path, make: Make) -> None:
        found = license_of_base(base)
        licence = (found and found.id) or "mit"
        head = f"---\nlicense: {licence}\nbase_model: {base}\n---\n"
        card = f"{head}# People\n\n![a man](images/00.png)\n"
        (root / "README.md").write_text(card)
        lorafiles.save(root / LORA_WEIGHTS, tensors)

    return spoil


def of_pictures(licence: str) -> Spoil:
    """A run on pictures under this licence; its card says mit."""
    return write("hubtools.toml", f'[dataset]\nlicense = "{licence}"\n')


DERIVED = "---\nbase_model: stable-diffusion-v1-5/stable-diffusion-v1-5\nlicense: {}\n"
BAD: list[tuple[str, RepoType, Spoil, str]] = [
    ("P101", "dataset", write("notes.txt", f"a\nb {TOKEN}\n"), "notes.txt:2"),
    ("P101", "model", write("hparams.yml", f"hub_token: {TOKEN}\n"), "hparams.yml:1"),
    ("P102", "model", write("notes.txt", f"a\n{HOME}\n"), "notes.txt:2"),
    ("P103", "model", write("unet.bin", b"\x80\x04"), "unet.bin"),
    (
        "P105",
        "model",
        lambda root, make: make(root / "b.safetensors", rank=9) and None,
        "b.safetensors",
    ),
    ("P106", "model", lora_called("checkpoint-5.safetensors"), "checkpoint-5.safetensors"),
    ("P107", "dataset", lambda root, make: (root / "README.md").unlink(), "README.md"),
    ("P108", "dataset", write("README.md", "---\ntags: [a]\n---\n# A\n"), "README.md:1"),
    ("P108", "model", write("README.md", "---\nlicense: [\n---\n# A\n"), "README.md:2"),
    ("P154", "model", write("README.md", LOADING.format(".")), "README.md:5"),
    (
        "P154",
        "dataset",
        write("README.md", "---\nlicense: mit\n---\nload_dataset('.')\n"),
        "README.md:4",
    ),
    ("P149", "model", write("README.md", DERIVED.format("mit") + "---\n# A\n"), "README.md:1"),
    ("P151", "model", of_pictures("cc-by-nc-4.0"), "README.md:1"),
    (
        "P152",
        "model",
        write("README.md", "---\nlicense: mit\ntags:\n- 2024\n---\n# A\n"),
        "README.md:4",
    ),
    (
        "P152",
        "dataset",
        write("README.md", "---\nlicense: mit\nlanguage: English\n---\n# A\n"),
        "README.md:3",
    ),
    (
        "P109",
        "dataset",
        write("3.png", POINTER),
        "3.png",
    ),
    ("P110", "model", sparse("big.dat", 200_000_000_001), "big.dat"),
    ("P111", "dataset", many, "notes"),
    ("P112", "dataset", gps, "3.jpg"),
    ("P113", "dataset", text_in_png(f"token={TOKEN}"), "3.png"),
    ("P113", "model", inside(TOKEN), LORA_WEIGHTS),
    ("P114", "dataset", text_in_png(HOME), "3.png"),
    ("P114", "model", inside(HOME), LORA_WEIGHTS),
    ("P115", "model", write("x/../old.safetensors", b"cut"), "old.safetensors"),
    ("P126", "dataset", write("0.png.json", TAKEOUT), "0.png.json"),
    ("P127", "model", kohya("10_jane_doe"), LORA_WEIGHTS),
    ("P128", "dataset", serial, "3.jpg"),
    ("P129", "dataset", write("a.csv", "latitude,longitude\n48.1,11.5\n"), "a.csv"),
    *((rule, "model", lora(tensors), LORA_WEIGHTS) for rule, tensors in lorafiles.BAD.values()),
    ("P143", "model", lora(lorafiles.good(), "stabilityai/sdxl-turbo"), LORA_WEIGHTS),
    ("P147", "model", lora(lorafiles.loha()), LORA_WEIGHTS),
    ("P116", "dataset", write("notes.ini", "a = 1\n"), "notes.ini"),
    ("P116", "dataset", write("3.png", "<html>not a picture, but a page</html>"), "3.png"),
    ("P117", "dataset", write("old.tar.gz", gzip.compress(bytes(9))[:-9]), "old.tar.gz"),
]


def renamed(name: str, rank: int = 9) -> Spoil:
    return lambda root, make: make(root / name, rank=rank) and None


def many_but_not_too_many(root: Path, make: Make) -> None:
    many(root, make)
    (root / "notes/0").unlink()


def exif_without_gps(root: Path, make: Make) -> None:
    exif = Image.Exif()
    exif[0x0131] = "a program"
    Image.new("RGB", (8, 8)).save(root / "3.jpg", exif=exif)


KLEIN = "black-forest-labs/FLUX.2-klein-base-4B"


def flux2(prefix: str) -> lorafiles.Tensors:
    layer = f"{prefix}transformer_blocks.0.attn.to_q"
    made = lorafiles.good("{}.{}").values()
    return dict(zip((f"{layer}.lora_A.weight", f"{layer}.lora_B.weight"), made, strict=False))


def one_idle_layer() -> lorafiles.Tensors:
    made = lorafiles.good()
    last = max(name for name in made if "lora_B" in name)
    return made | {last: made[last] * 0}


# As near as one can come to the bad ones. None of them is worth a word.
GOOD: list[tuple[str, RepoType, Spoil]] = [
    ("P101", "dataset", write("notes.txt", "set HF_TOKEN=hf_... first; hf_hub_download does it\n")),
    ("P102", "model", write("notes.txt", "images/people/0.png and https://a.b/home/x\n")),
    ("P103", "model", write("bin.txt", "unet.bin")),
    ("P104", "model", lora_called("people.safetensors")),
    ("P105", "model", renamed("earlier/b.safetensors")),
    ("P106", "model", renamed("checkpoint-5/b.safetensors")),
    ("P107", "dataset", write("README.md", "---\nlicense: mit\n---\n")),
    ("P108", "dataset", write("README.md", "---\nlicense: other\n---\n# A\n")),
    ("P154", "model", write("README.md", LOADING.format("me/style"))),
    ("P154", "dataset", write("README.md", '---\nlicense: mit\n---\nload_dataset("me/a")\n')),
    ("P149", "model", write("README.md", DERIVED.format("creativeml-openrail-m") + "---\n# A\n")),
    ("P151", "model", of_pictures("cc-by-4.0")),
    (
        "P152",
        "model",
        write("README.md", '---\nlicense: mit\ntags: [lora, "2024"]\nlanguage: en\n---\n# A\n'),
    ),
    ("P109", "dataset", write("notes.txt", "of " + POINTER)),
    ("P110", "model", sparse("big.dat", 200_000_000_000)),
    ("P111", "dataset", many_but_not_too_many),
    ("P112", "dataset", exif_without_gps),
    ("P113", "dataset", text_in_png("token=hf_short")),
    ("P114", "dataset", text_in_png("images/people/0.png")),
    ("P115", "model", renamed("earlier/old.safetensors")),
    # the exception of each: as near to the bad file as one that every loader takes
    ("P140", "model", lora(flux2("base_model.model."), KLEIN)),
    ("P141", "model", lora(lorafiles.kohya(lorafiles.good()))),
    ("P142", "model", lora(lorafiles.good())),
    ("P143", "model", lora(lorafiles.good(), "somebody/an-unknown-base")),
    ("P144", "model", lora({n: t * 0 + 65_000 for n, t in lorafiles.good().items()})),
    ("P145", "model", lora(one_idle_layer())),
    ("P146", "model", lora(lorafiles.kohya(lorafiles.good(), alpha=2))),
    ("P147", "model", lora(flux2("diffusion_model."), KLEIN)),
    ("P126", "dataset", write("0.json", '{"caption": "people at latitude 48"}')),
    ("P127", "model", inside("a comment")),
    ("P128", "dataset", exif_without_gps),
    ("P129", "dataset", write("a.csv", "x,longitude\n48.1,11.5\n")),
    ("P116", "dataset", write("notes.yaml", "a: 1\n")),
    ("P117", "dataset", write("old.tar.gz", gzip.compress(bytes(9)))),
]


def folder(repo_type: RepoType, run_dir: Path, dataset: Path) -> Path:
    return run_dir if repo_type == "model" else dataset


@pytest.mark.parametrize("repo_type", ["model", "dataset"])
def test_a_good_release_passes(run_dir: Path, dataset: Path, repo_type: RepoType) -> None:
    assert found(folder(repo_type, run_dir, dataset), repo_type) == []


@pytest.mark.parametrize(
    ("rule", "repo_type", "spoil", "place"), BAD, ids=[f"{row[0]}-{row[1]}" for row in BAD]
)
def test_each_rule_finds_its_bad_release(
    run_dir: Path,
    dataset: Path,
    make_lora_file: Make,
    rule: str,
    repo_type: RepoType,
    spoil: Spoil,
    place: str,
) -> None:
    root = folder(repo_type, run_dir, dataset)
    (root / "x").mkdir()
    spoil(root, make_lora_file)
    findings = found(root, repo_type)
    assert (rule, place) in findings
    also = {"P115": {"P105"}}  # a damaged file is a second one at the top level as well
    assert {found for found, _ in findings} - also.get(rule, set()) == {rule}


@pytest.mark.parametrize(("rule", "repo_type", "spoil"), GOOD, ids=[row[0] for row in GOOD])
def test_each_rule_passes_its_good_twin(
    run_dir: Path,
    dataset: Path,
    make_lora_file: Make,
    rule: str,
    repo_type: RepoType,
    spoil: Spoil,
) -> None:
    root = folder(repo_type, run_dir, dataset)
    spoil(root, make_lora_file)
    assert found(root, repo_type) == []


def test_a_release_without_a_lora(run_dir: Path) -> None:
    # `collect` makes none; whoever builds one otherwise is stopped here
    release = collect(run_dir, "model")
    files = tuple(file for file in release.files if file.name != LORA_WEIGHTS)
    findings = PUBLISH_RULES.run(replace(release, files=files))
    assert [finding.rule for finding in findings] == ["P104"]


def test_more_files_than_a_repository_should_have(dataset: Path) -> None:
    release = collect(dataset, "dataset")
    one = next(file for file in release.files if file.name.endswith("png"))
    for count, told in ((100_000, []), (100_001, ["P148"])):
        files = tuple(replace(one, name=f"{n // 5000}/{n}.png") for n in range(count))
        findings = PUBLISH_RULES.run(replace(release, files=files), select=["P148"])
        assert [finding.rule for finding in findings] == told
        assert all("hubtools shard" in finding.fix for finding in findings)


def test_no_rule_lacks_its_pair() -> None:
    rules = {rule.id for rule in PUBLISH_RULES}
    # these have tests of their own: P148 above, P118 and P119 in tests/security/test_leaks.py
    assert {row[0] for row in BAD} | {"P104", "P118", "P119", "P148", "P150"} == rules
    assert {row[0] for row in GOOD} | {"P118", "P119", "P148", "P150"} == rules


def test_tokens_are_not_repeated(dataset: Path, make_lora_file: Make) -> None:
    write("notes.txt", TOKEN)(dataset, make_lora_file)
    text_in_png(TOKEN)(dataset, make_lora_file)
    findings = PUBLISH_RULES.run(collect(dataset, "dataset"))
    assert {finding.rule for finding in findings} == {"P101", "P113"}
    assert TOKEN not in str(findings)
    assert all(finding.severity is Severity.ERROR for finding in findings)
