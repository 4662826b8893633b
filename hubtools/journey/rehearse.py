"""`rehearse`: ship to a Hub on this machine, then read everything back with stock libraries."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from hubtools.addresses import unproxied
from hubtools.cards.kept import kept_cards
from hubtools.compiled import keep_compiled_code_at_home
from hubtools.dataset.examples import Example, read_examples
from hubtools.dataset.pictures.header import kinds
from hubtools.dataset.pictures.rgb import turned_upright
from hubtools.dataset.rows import role_columns
from hubtools.environment import CARDS_WRITTEN
from hubtools.errors import ExitCode, HubtoolsError, UsageError, require_extra
from hubtools.fences import handed
from hubtools.files import open_regular, write_json
from hubtools.hub.alone import KEPT_OUT
from hubtools.inference.project_base import name_of_base, project_base
from hubtools.interpreter import command
from hubtools.journey import readback
from hubtools.journey.outlook import Judgement
from hubtools.journey.stage import free_port, own_cache, own_folder
from hubtools.layout import PROJECT_FILE, SAMPLES_DIR
from hubtools.localhub.faults import Faults, parse_chaos
from hubtools.manifest import RunManifest, SampleRecord, read_samples
from hubtools.models.base import fetch_base
from hubtools.models.registry import SUPPORTED
from hubtools.project import Project
from hubtools.publish.undo import pushed_to

TOKEN = "hf_local"
DEFAULT_OWNER = "me"
_PORT_FILE = "port"


@dataclass(frozen=True)
class Check:
    """One thing that was read back: what, whether it held, and the figures."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal proved and where to look at it."""

    checks: tuple[Check, ...]
    endpoint: str
    dataset_url: str | None
    model_url: str
    root: Path
    run_dir: Path

    @property
    def ok(self) -> bool:
        """True if everything read back as it should."""
        return all(check.ok for check in self.checks)


def named_in(project: Project) -> tuple[str | None, str | None]:
    """(dataset repo, model repo) that the settings name, else that this user has pushed to."""
    pictures, run = project.dataset_dir, project.run_dir
    return (
        project.dataset.repo or (pushed_to(pictures, "dataset") if pictures.is_dir() else None),
        project.model.repo or (pushed_to(run, "model") if run.is_dir() else None),
    )


def repos_of(project: Project) -> tuple[str, str]:
    """(dataset repo, model repo) of a rehearsal: the project's, or names made from its folder."""
    dataset, model = named_in(project)
    stem = "".join(c if c.isalnum() else "-" for c in project.root.name.lower()).strip("-")
    stem = "-".join(part for part in stem.split("-") if part) or "project"
    return (
        dataset or f"{DEFAULT_OWNER}/{stem}-pictures",
        model or f"{DEFAULT_OWNER}/{stem}-lora",
    )


def rehearse(
    project: Project,
    *,
    note: Callable[[str], None],
    base_folder: Path | None = None,
    arguments: Sequence[str] = (),
    chaos: str | None = None,
    chaos_seed: int | None = None,
    meanwhile: Callable[[Rehearsal], None] | None = None,
) -> Rehearsal:
    """Ship `project` to an embedded Hub and read the result back with stock libraries.

    The base model is offered on that Hub under its own id: `base_folder`, or what the real Hub or
    its cache gives. Shipping happens in a process of its own with a Hub cache of its own, so that
    nothing of a rehearsal is ever mistaken for the real Hub. `arguments` go to `hubtools ship`.
    `meanwhile` is called with the result while the Hub still runs (to keep serving its pages).
    `chaos`: failures by chance of that Hub while `hubtools ship` speaks to it, as
    `localhub.faults.parse_chaos` reads them; reading back is stock libraries' and fails at nothing.
    """
    require_extra("hub", "The embedded Hub")
    require_extra("train", "Training")
    from hubtools.localhub.server import Hub

    faults = Faults(parse_chaos(chaos or ""), chaos_seed)

    if project.file is None:
        raise UsageError(
            "A rehearsal needs a project.", hint="`hubtools init DIR` makes one; then give DIR"
        )
    root = own_folder(project.root, note)
    dataset_repo, model_repo = repos_of(project)
    base, base_folder, base_revision = _base_of(project, base_folder, note)
    owners = {repo.split("/")[0] for repo in (dataset_repo, model_repo)} | {DEFAULT_OWNER}
    with (
        own_cache(root) as home,
        Hub(
            root / "hub",
            port=free_port(root / _PORT_FILE),
            token=TOKEN,
            owners=owners,
            faults=faults,
            outlook=Judgement(project),
        ) as hub,
    ):
        if base_folder is not None:
            hub.store.mount("model", base, base_folder, commit=base_revision)
        environment = _environment(home, hub.url, dataset_repo, model_repo)
        ship = command("hubtools", "ship", "--project", str(project.file), *arguments)
        cards = [] if all(named_in(project)) else [project.dataset_dir, project.run_dir]
        log = root / "cards.jsonl"
        environment[CARDS_WRITTEN] = str(log)
        with kept_cards(cards, log, note):  # they would keep the names that were made up
            _call(ship, environment)
            faults.clear()
            if chaos:
                note(f"The embedded Hub has failed {faults.struck} requests on purpose meanwhile.")
            note("> read back: load what is published with datasets and diffusers")
            rehearsal = _read_back(project, root, environment, base, dataset_repo, model_repo)
        if cards:
            note(
                f"{dataset_repo} and {model_repo} are names of this rehearsal: cards that are here"
                ' stay as they were. `repo = "OWNER/NAME"` below [dataset] and [model] in'
                f" {PROJECT_FILE} names yours."
            )
        if meanwhile is not None:
            meanwhile(rehearsal)
    return rehearsal


def _base_of(
    project: Project, base_folder: Path | None, note: Callable[[str], None]
) -> tuple[str, Path | None, str | None]:
    """(what `from_pretrained` is given, folder to offer under that id or None, its commit)."""
    name = name_of_base(project)
    if base_folder is not None:
        return name, base_folder, None
    base = project_base(project, name, note)
    if base.id is None:
        return str(Path(base.shown).absolute()), None, None
    return base.id, fetch_base(base), base.revision


def _environment(home: Path, url: str, dataset_repo: str, model_repo: str) -> dict[str, str]:
    """The caller's environment, with everything about the Hub replaced by the rehearsal's."""
    keep_compiled_code_at_home()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return environment | {
        "HF_ENDPOINT": url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HUBTOOLS_DATASET_REPO": dataset_repo,
        "HUBTOOLS_MODEL_REPO": model_repo,
        **unproxied(os.environ),
    }


def _call(words: list[str], environment: dict[str, str]) -> None:
    """Run a step of the rehearsal with our own stdout as its stderr: data is ours to print."""
    finished = subprocess.run(words, env=environment | handed(), stdout=sys.stderr, check=False)
    if finished.returncode:
        # It has said why already; only its exit code is left to pass on.
        codes = {code.value for code in ExitCode}
        code = finished.returncode if finished.returncode in codes else ExitCode.ERROR
        raise HubtoolsError(
            "The rehearsal stopped.",
            hint="options that are named above are ship's; as settings in hubtools.toml they count"
            " here, too",
            exit_code=ExitCode(code),
        )


def _read_back(
    project: Project,
    root: Path,
    environment: dict[str, str],
    base: str,
    dataset_repo: str,
    model_repo: str,
) -> Rehearsal:
    examples = read_examples(
        project.dataset_dir, project.dataset.caption_column, roles=role_columns(project.dataset)
    )
    samples = project.run_dir / SAMPLES_DIR
    record = _a_sample(project.run_dir)
    if record.prompt_weights:
        # stock diffusers reads none: what it is compared with is drawn without them, where nobody
        # else can put a link
        words = ["generate", "--no-prompt-weights", "--project", str(project.file)]
        words += ["--from", str(samples / record.file)]
        samples = Path(environment["HF_HOME"], SAMPLES_DIR)
        words += ["--quiet", "--output", str(samples)]
        _call(command("hubtools", *words), environment)
        (record,) = read_samples(samples)
    manifest = RunManifest.read(project.run_dir)
    questions: dict[str, Any] = {
        "kept_out": KEPT_OUT,
        "dataset": {"repo": dataset_repo, "revision": manifest.dataset.revision},
        "sample": {
            "base": base,
            "repo": model_repo,
            "record": record.model_dump(),
            "asked": _asked(manifest.base_model.family, record),
            "local": str((samples / record.file).absolute()),
            "allow_pickle": project.train.allow_pickle,
        },
    }
    # The same picture needs the same number of threads: sums are taken in another order else.
    threads = {"OMP_NUM_THREADS": _threads(project, environment)}
    answers = _answers(questions, root, environment | threads)
    endpoint = environment["HF_ENDPOINT"]
    return Rehearsal(
        (
            *_dataset_checks(
                answers["dataset"],
                examples,
                project.dataset.caption_column,
            ),
            _sample_check(answers["sample"], record),
        ),
        endpoint,
        f"{endpoint}/datasets/{dataset_repo}",
        f"{endpoint}/{model_repo}",
        root / "hub",
        project.run_dir,
    )


def _answers(questions: dict[str, Any], root: Path, environment: dict[str, str]) -> dict[str, Any]:
    """What `readback` answers. It works in an empty folder: stock libraries take a folder of the
    working directory for the repository of that name, and nobody has judged that one. Nor are its
    questions asked where others may write, who could name another base."""
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=environment["HF_HOME"]) as own:
        asked, empty = Path(own, "readback.json"), Path(own, "empty")
        write_json(asked, questions)
        empty.mkdir()
        words = command(str(Path(readback.__file__).absolute()))
        finished = subprocess.run(
            [*words, str(asked)], env=environment, cwd=empty, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    if finished.returncode:
        last = (finished.stderr.strip().splitlines() or ["no word why"])[-1]
        left = root.absolute() / "readback.json"
        write_json(left, questions)
        raise HubtoolsError(
            f"Reading back with stock libraries failed: {last}",
            hint=f"the whole story, in an empty folder: {shlex.join([*words, str(left)])}",
        )
    answers: dict[str, Any] = json.loads(finished.stdout.strip().splitlines()[-1])
    return answers


def _asked(family: str, record: SampleRecord) -> dict[str, Any]:
    """The record's words and guidance as a call of the base's pipeline takes them."""
    support = SUPPORTED[family]
    words = support.words([record.prompt], [record.negative_prompt])
    more = {"guidance_rescale": record.guidance_rescale} if record.guidance_rescale else {}
    return {**words, support.guidance: record.guidance, **more, **dict(support.always)}


def _threads(project: Project, environment: dict[str, str]) -> str:
    return str(project.train.num_threads or environment.get("OMP_NUM_THREADS", "1"))


def _a_sample(run_dir: Path) -> SampleRecord:
    """The last picture drawn with the published LoRA."""
    drawn = [
        record
        for record in read_samples(run_dir / SAMPLES_DIR)
        if record.file.startswith("final_") and record.lora_weight and not record.blanked
    ]
    # stock diffusers reads no prompt weights; one without them is as good
    drawn = [record for record in drawn if not record.prompt_weights] or drawn
    if not drawn:
        raise HubtoolsError(
            f"{run_dir / SAMPLES_DIR} holds no picture drawn with the finished LoRA.",
            hint="`hubtools ship --from generate` draws them",
            code="nothing-there",
        )
    return drawn[-1]


def _dataset_checks(
    answer: dict[str, Any], examples: Sequence[Example], caption_column: str
) -> Iterator[Check]:
    rows = answer["rows"]
    yield Check(
        "datasets.load_dataset sees every picture",
        rows == len(examples),
        f"{rows} rows, columns {', '.join(answer['columns'])}",
    )
    yield Check(
        "the captions came along",
        caption_column in answer["columns"],
        f"column {caption_column}",
    )
    local = []
    for example in examples:
        with open_regular(example.image) as file, Image.open(file, formats=kinds()) as picture:
            local.append(readback.picture_hash(turned_upright(picture)))
    same = sum(a == b for a, b in zip(sorted(answer["pictures"]), sorted(local), strict=False))
    yield Check(
        "their pixels are the local ones",
        sorted(answer["pictures"]) == sorted(local),
        f"{same} of {len(local)} equal",
    )


def _sample_check(answer: dict[str, Any], record: SampleRecord) -> Check:
    return Check(
        "stock diffusers draws the same picture from base and published LoRA",
        answer["max"] <= _TOLERANCE,
        f"{record.file}: largest difference {answer['max']} of 255",
    )


# Equal on one machine; a step of 1 is what another instruction order may round differently.
_TOLERANCE = 1
