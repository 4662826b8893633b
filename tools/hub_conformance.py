"""The tests of the Hub's own client, run against the embedded Hub.

    python tools/hub_conformance.py                  # all files below, results kept
    python tools/hub_conformance.py test_lfs.py -k x # some, results printed only

The source distribution of the installed `huggingface_hub` carries its tests, but for the fixtures
(tools/hub_conformance_fixtures.py). It is fetched from PyPI, with what the tests need besides, into
a virtual environment of its own below `--work`; nothing of it is kept here. Left out are the tests
that ask the Hub of the world (`production`), the files about its buckets, kernels and inference,
and those that ask no Hub. Figures go to benchmarks/results/conformance.json with the names of what
fails: what reads by Xet or wants its hashes (this Hub hands files out by plain HTTP), what needs a
bucket, what asks a machine elsewhere, and what contradicts the environment that all run in.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks/results/conformance.json"
CLIENT = "huggingface_hub"
NEEDED = (
    "pytest-mock", "pytest-timeout", "pytest-asyncio", "fastapi", "vcrpy", "jinja2", "jedi",
)  # fmt: skip
FILES = (
    "test_hf_api.py",
    "test_commit_api.py",
    "test_upload_pipeline.py",
    "test_lfs.py",
    "test_verification.py",
    "test_cli.py",
    "test_cli_discussions.py",
    "test_snapshot_download.py",
    "test_hf_file_system.py",
    "test_repocard.py",
    "test_commit_scheduler.py",
    "test_file_download.py",
    "test_xet_upload.py",
    "test_copy_files.py",
    "test_hub_mixin.py",
    "test_hub_mixin_pytorch.py",
    "test_cache_layout.py",
    "test_utils_http.py",
)
# Users of the Hub that the tests are written for: public, good for nothing else.
_SERVE = (
    "--user", "__DUMMY_HUB_USER__=Dummy User+valid_org_hub:{TOKEN}",
    "--user", "{OTHER_USER}:{OTHER_TOKEN}",
    "--user", "{ENTERPRISE_USER}+{ENTERPRISE_ORG}:{ENTERPRISE_TOKEN}",
    "--org", "valid_org_hub=Dummy Hub Org",
    "--org", "{ENTERPRISE_ORG}:private",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "conformance")
    parser.add_argument("--xet", action="store_true", help="leave the client's Xet on")
    parser.add_argument("--keep", action="store_true", help="write results although not all ran")
    arguments, rest = parser.parse_known_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    python = _environment(arguments.work)
    tests = _unpacked(arguments.work)
    named = [word for word in rest if (tests / word.split("::")[0]).is_file()]
    files = named or list(FILES)
    report = arguments.work / "report.xml"
    with tempfile.TemporaryDirectory() as root:
        hub, url = _serve(Path(root), tests)
        try:
            _point(tests, url)
            _run(python, tests, url, [*files, *(w for w in rest if w not in named)],
                 report, arguments.xet)  # fmt: skip
        finally:
            hub.terminate()
            hub.wait(20)
    found = _figures(report)
    if arguments.keep or not rest:
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        mode = "xet on" if arguments.xet else "xet off"
        kept |= {"client": f"{CLIENT} {version(CLIENT)}", mode: found}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    for name, row in found.items():
        print(
            f"{name:30} {row['passed']:4} passed, {len(row['failed']):3} failed,"
            f" {row['skipped']:3} skipped"
        )
        for failure in row["failed"]:
            print(f"    {failure}")
    return 0


def _environment(work: Path) -> Path:
    """The interpreter of a virtual environment that sees this one's packages and the tests'."""
    python = work / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
        target = next((work / "venv/lib").glob("python*/site-packages"))
        seen = [path for path in sys.path if path.endswith("site-packages")]
        (target / "seen.pth").write_text("\n".join([*seen, str(HERE.parent)]) + "\n")
        subprocess.run([python, "-m", "pip", "install", "-q", *NEEDED], check=True)
    return python


def _unpacked(work: Path) -> Path:
    """The folder with the tests of the installed client, as they came."""
    folder = work / f"{CLIENT}-{version(CLIENT)}"
    archive = folder.with_suffix(folder.suffix + ".tar.gz")
    if not archive.exists():
        wanted = f"{CLIENT}=={version(CLIENT)}"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        subprocess.run([*command, "--no-binary", ":all:", "-d", work, wanted], check=True)
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(work, filter="data")
    shutil.rmtree(folder / "src")  # the installed one is tried
    tests = folder / "tests"
    (tests / "__init__.py").touch()
    shutil.copy(HERE / "hub_conformance_fixtures.py", tests / "conftest.py")
    return tests


def _serve(root: Path, tests: Path) -> tuple[subprocess.Popen[str], str]:
    """A Hub of its own process with the users that the tests know, and its address."""
    text = (tests / "testing_constants.py").read_text()
    known = dict(re.findall(r'^([A-Z_]+) = "([^"]*)"', text, re.MULTILINE))
    command = [sys.executable, "-m", "hubtools", "hub", "serve", "--format", "json", "--port", "0"]
    options = [word.format_map(known) for word in _SERVE]
    hub = subprocess.Popen(
        [*command, "--root", str(root / "hub"), *options], text=True, stdout=subprocess.PIPE
    )
    assert hub.stdout is not None
    line = hub.stdout.readline()
    return hub, str(json.loads(line)["url"])


def _point(tests: Path, url: str) -> None:
    """Make the tests ask the Hub at `url`."""
    path = tests / "testing_constants.py"
    path.write_text(re.sub(r"(?m)^(ENDPOINT_STAGING) = .*", rf'\1 = "{url}"', path.read_text()))


def _run(python: Path, tests: Path, url: str, rest: list[str], report: Path, xet: bool) -> None:
    home = tests.parent / "home"
    shutil.rmtree(home, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        del os.environ[name]
    environment = os.environ | {
        "HF_ENDPOINT": url, "HF_HOME": str(home), "HOME": str(home), "HF_TOKEN": "",
        "HF_HUB_DISABLE_XET": "0" if xet else "1", "DISABLE_SYMLINKS_IN_WINDOWS_TESTS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "COLUMNS": "250",
    }  # fmt: skip
    home.mkdir()
    report.unlink(missing_ok=True)
    options = ["-o", "addopts=", "-q", "--timeout", "120", "-m", "not production",
               "-o", "junit_family=xunit1", f"--junitxml={report}"]  # fmt: skip
    subprocess.run(
        [python, "-m", "pytest", *options, *rest], cwd=tests, env=environment, check=False
    )


def _figures(report: Path) -> dict[str, Any]:
    # pytest wrote the file
    found: dict[str, Any] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314
        row = found.setdefault(
            Path(case.get("file", "?")).name, {"passed": 0, "skipped": 0, "failed": []}
        )
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}"
            row["failed"].append(name)
        else:
            row["skipped" if "skipped" in outcomes else "passed"] += 1
    return found


if __name__ == "__main__":
    sys.exit(main())
