"""Of a card's HTML a page keeps what folds and breaks, and its own pictures; no more."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi

from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT

KEPT = (
    "<details>\n<summary>All settings</summary>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n</details>\n",
    "one<br>two <sub>2</sub>\n",
    "<details open>\n\nwords\n\n</details>\n",
)
REFUSED = (
    "<details ontoggle=alert(1) open>\n\nx\n\n</details>\n",
    "<script>alert(1)</script>\n",
    "<summary onclick=alert(1)>x</summary>\n",
    "<p style='position:fixed'>x</p>\n",
    '<img src="a.png" onerror=alert(1)>\n',
    "<img src=x onerror=alert(1)>\n",
    "<img src='javascript:alert(1)'>\n",
    '<img src="https://elsewhere.example/a.png">\n',
    "<br/onclick=alert(1)>\n",
)


def page(hub: Hub, body: str) -> str:
    api = HfApi()
    api.create_repo("me/x", exist_ok=True, private=False)
    readme = f"---\nlicense: mit\n---\n# X\n\n{body}"
    api.upload_file(path_or_fileobj=readme.encode(), path_in_repo="README.md", repo_id="me/x")
    api.upload_file(path_or_fileobj=b"png", path_in_repo="a.png", repo_id="me/x")
    answer = CLIENT.get(f"{hub.url}/me/x", headers={"accept": "text/html"})
    assert answer.status_code == 200
    shown: str = answer.text
    return shown[shown.index(">X</h1>") :]


def test_what_folds_is_folded(local_hub: Hub) -> None:
    shown = page(local_hub, "\n".join(KEPT))
    assert "<details>" in shown
    assert "<summary>All settings</summary>" in shown
    assert "<details open>" in shown
    assert "one<br>two <sub>2</sub>" in shown
    assert "&lt;" not in shown


@pytest.mark.parametrize("body", REFUSED)
def test_nothing_runs_and_nothing_is_fetched_from_elsewhere(local_hub: Hub, body: str) -> None:
    shown = page(local_hub, body)
    lower = shown.lower()
    for word in ("onerror", "ontoggle", "onclick", "style="):
        at = lower.find(word)
        assert at < 0 or lower.rfind("&lt;", 0, at) > lower.rfind("<", 0, at), shown
    assert "<script" not in lower
    assert 'src="javascript' not in lower
    assert 'src="https://elsewhere' not in lower


def test_pictures_in_html_are_those_of_the_repository(local_hub: Hub) -> None:
    shown = page(local_hub, '<img src="./a.png" alt="&quot;a&quot; robot" width=100>\n')
    assert 'alt="&quot;a&quot; robot"' in shown
    assert "/me/x/resolve/" in shown
