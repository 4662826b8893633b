"""What every test starts from: no network, no real Hub, caches of its own, one thread.

`huggingface_hub` reads its environment when it is imported, so it is set here, before anything
imports it. HF_ENDPOINT is the address at which `local_hub` serves; a test that reaches for the Hub
without asking for that fixture finds nobody there. Each process of tests has its own home
and port. OMP_NUM_THREADS makes sums, and so what is learnt, the same however many cores are free.
"""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import json
import math
import os
import shutil
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest import fixtures
from hypothesis import settings as hypothesis_settings

from tests import homes
from tests.drawing import write_pictures
from tests.flushing import ask_again_soon, hurry, in_memory

if TYPE_CHECKING:
    from hubtools.localhub.server import Hub

pytest_plugins = ["tests.cpu", "tests.logs", "tests.parallel"]

# How long an example takes depends on what else the machine does.
hypothesis_settings.register_profile("hubtools", deadline=None)
hypothesis_settings.load_profile("hubtools")


# Of the `request` that each test is given pytest asks again which arguments it takes: none.
_arguments = fixtures.getfuncargnames


def _arguments_of(function: Callable[..., object], *, name: str = "", **more: Any) -> Any:
    return () if name == "request" else _arguments(function, name=name, **more)


fixtures.getfuncargnames = _arguments_of

_MEMORY = in_memory()
hurry()
gc.set_threshold(20_000, 20, 20)  # as the commands that compute nothing do
# diffusers asks for that of peft ten times a training, and all of its description is parsed
importlib.metadata.version = functools.cache(importlib.metadata.version)

# A shell ignores Ctrl-C for what it starts in the background, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


_HOME = homes.make()
# Else each of the hundreds of processes that tests start compiles all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


_frozen = 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What was imported stays for good, and need not be looked at by each collection of garbage:
    trainings collect it twice, which was half of what a short one took."""
    global _frozen
    if len(sys.modules) > _frozen + 20:
        gc.collect()
        gc.freeze()
        _frozen = len(sys.modules)


def pytest_sessionfinish(session: pytest.Session) -> None:
    global _MEMORY
    if session.testsfailed:  # to be looked at
        _MEMORY = None


def pytest_unconfigure() -> None:
    for place in (_HOME, _MEMORY):
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def _hub_of_session() -> Iterator[Hub]:
    from hubtools.localhub.server import Hub, User

    ask_again_soon()
    users = (
        User("me", "hf_local", orgs=("studio",)),
        User("me", "hf_reader", role="read", orgs=("studio",)),
        User("other", "hf_other"),
    )
    with Hub(homes.home() / "hub", port=homes.port(), users=users) as hub:
        yield hub


@pytest.fixture
def local_hub(_hub_of_session: Hub) -> Iterator[Hub]:
    """An empty embedded Hub at HF_ENDPOINT, for this process and its children.

    Users: `me` (token hf_local, the default; hf_reader may only read; member of `studio`) and
    `other` (hf_other). `.url`, `.store` (e.g. `.store.mount`), `.fail_next(...)`.
    """
    _hub_of_session.faults.clear()
    _hub_of_session.store.clear()
    yield _hub_of_session
    _hub_of_session.faults.clear()
    # What was fetched from it is not to be found by tests of other repositories of these names.
    shutil.rmtree(homes.home() / "hf" / "hub", ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _one_worker() -> Iterator[None]:
    """One process looks at all pictures of all tests that are not plain, but for those of
    `own_workers`."""
    from hubtools.dataset.workers.guarded import shared_guard

    with shared_guard():
        yield


@pytest.fixture
def own_workers() -> Iterator[None]:
    """Whatever needs a worker process starts one, as in a process of its own."""
    from hubtools.dataset.workers.guarded import unshared

    with unshared():
        yield


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Stable Diffusion pipeline that predicts epsilon."""
    from hubtools.models.families.tiny import build_tiny_pipeline

    return build_tiny_pipeline(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def tiny_v_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Stable Diffusion pipeline that predicts v."""
    from hubtools.models.families.tiny import build_tiny_pipeline

    folder = tmp_path_factory.mktemp("bases") / "tiny-v"
    return build_tiny_pipeline(folder, prediction_type="v_prediction")


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random SDXL pipeline that predicts epsilon."""
    from hubtools.models.families.tiny_sdxl import build_tiny_sdxl

    return build_tiny_sdxl(tmp_path_factory.mktemp("bases") / "tiny-sdxl")


@pytest.fixture(scope="session")
def tiny_flux2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random FLUX.2 pipeline, as klein-base is."""
    from hubtools.models.families.tiny_flow import build_tiny_flux2_klein

    return build_tiny_flux2_klein(tmp_path_factory.mktemp("bases") / "klein-base")


@pytest.fixture(scope="session")
def tiny_klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random FLUX.2 pipeline, as the distilled klein is."""
    from hubtools.models.families.tiny_flow import build_tiny_flux2_klein

    folder = tmp_path_factory.mktemp("bases") / "klein"
    return build_tiny_flux2_klein(folder, distilled=True)


@pytest.fixture(scope="session")
def tiny_flux2_dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random FLUX.2 pipeline, as dev is."""
    from hubtools.models.families.tiny_flow import build_tiny_flux2_dev

    return build_tiny_flux2_dev(tmp_path_factory.mktemp("bases") / "flux2-dev")


@pytest.fixture(scope="session")
def tiny_z_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Z-Image pipeline, as the base is."""
    from hubtools.models.families.tiny_flow import build_tiny_z_image

    return build_tiny_z_image(tmp_path_factory.mktemp("bases") / "z-image")


@pytest.fixture(scope="session")
def tiny_qwen_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen-Image pipeline."""
    from hubtools.models.families.tiny_flow import build_tiny_qwen_image

    return build_tiny_qwen_image(tmp_path_factory.mktemp("bases") / "qwen-image")


@pytest.fixture(scope="session")
def tiny_flux1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random FLUX.1 pipeline, as dev is."""
    from hubtools.models.families.tiny_flow import build_tiny_flux1

    return build_tiny_flux1(tmp_path_factory.mktemp("bases") / "flux1")


@pytest.fixture(scope="session")
def tiny_kontext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random FLUX.1 pipeline, as Kontext is."""
    from hubtools.models.families.tiny_flow import build_tiny_flux1

    return build_tiny_flux1(tmp_path_factory.mktemp("bases") / "kontext", kontext=True)


@pytest.fixture(scope="session")
def tiny_qwen_edit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen-Image-Edit pipeline, of one picture."""
    from hubtools.models.families.tiny_edit import build_tiny_qwen_edit

    return build_tiny_qwen_edit(tmp_path_factory.mktemp("bases") / "qwen-edit")


@pytest.fixture(scope="session")
def tiny_qwen_edit_plus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen-Image-Edit pipeline, of several pictures."""
    from hubtools.models.families.tiny_edit import build_tiny_qwen_edit

    return build_tiny_qwen_edit(tmp_path_factory.mktemp("bases") / "qwen-plus", plus=True)


@pytest.fixture(scope="session")
def tiny_schnell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random FLUX.1 pipeline, as schnell is."""
    from hubtools.models.families.tiny_flow import build_tiny_flux1

    return build_tiny_flux1(tmp_path_factory.mktemp("bases") / "schnell", schnell=True)


@pytest.fixture(scope="session")
def tiny_sd3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Stable Diffusion 3 pipeline, as 3.5 medium is."""
    from hubtools.models.families.tiny_sd3 import build_tiny_sd3

    return build_tiny_sd3(tmp_path_factory.mktemp("bases") / "sd3")


@pytest.fixture(scope="session")
def tiny_sd3_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Stable Diffusion 3 pipeline without T5."""
    from hubtools.models.families.tiny_sd3 import build_tiny_sd3

    return build_tiny_sd3(tmp_path_factory.mktemp("bases") / "sd3-clips", t5=False)


@pytest.fixture(scope="session")
def tiny_krea2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Krea 2 pipeline, as Raw is."""
    from hubtools.models.families.tiny_krea2 import build_tiny_krea2

    return build_tiny_krea2(tmp_path_factory.mktemp("bases") / "krea2")


@pytest.fixture(scope="session")
def tiny_krea2_turbo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Krea 2 pipeline, as Turbo is."""
    from hubtools.models.families.tiny_krea2 import build_tiny_krea2

    return build_tiny_krea2(tmp_path_factory.mktemp("bases") / "krea2-turbo", turbo=True)


@pytest.fixture(scope="session")
def tiny_chroma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Chroma pipeline."""
    from hubtools.models.families.tiny_chroma import build_tiny_chroma

    return build_tiny_chroma(tmp_path_factory.mktemp("bases") / "chroma")


@pytest.fixture(scope="session")
def tiny_lumina2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Lumina-Image 2 pipeline."""
    from hubtools.models.families.tiny_gemma import build_tiny_lumina2

    return build_tiny_lumina2(tmp_path_factory.mktemp("bases") / "lumina2")


@pytest.fixture(scope="session")
def tiny_sana(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Sana pipeline."""
    from hubtools.models.families.tiny_gemma import build_tiny_sana

    return build_tiny_sana(tmp_path_factory.mktemp("bases") / "sana")


@pytest.fixture(scope="session")
def draw_pictures() -> Callable[..., Path]:
    """`draw_pictures(folder, count, size=...)` writes a dataset."""
    return write_pictures


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures."""
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures", 5)


def write_header(path: Path, tensors: dict[str, list[int]], **metadata: str) -> Path:
    """A float16 .safetensors file of these shapes. It is sparse: gigabytes take no room."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in tensors.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


def write_lora(path: Path, rank: int = 4, **metadata: str) -> Path:
    """A file that reads as a LoRA of one layer, 320 wide."""
    layer = "unet.down_blocks.0.attn1.to_q"
    shapes = {f"{layer}.lora_A.weight": [rank, 320], f"{layer}.lora_B.weight": [320, rank]}
    write_header(path, shapes, **metadata)
    with path.open("r+b") as file:
        file.seek(-4 * rank * 320, os.SEEK_END)
        # numbers that are no letters in any encoding: a LoRA of zeros changes nothing
        file.write(b"\x00\xdc\xdc\xdc" * rank * 320)
    return path


@pytest.fixture(scope="session")
def make_weights() -> Callable[..., Path]:
    """`make_weights(path, {"name": [shape]}, key="metadata")`: a sparse .safetensors file."""
    return write_header


@pytest.fixture(scope="session")
def make_lora_file() -> Callable[..., Path]:
    """`make_lora_file(path, rank=4, key="metadata")`."""
    return write_lora
