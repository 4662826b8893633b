"""Why the Hub refuses: the same status stands for very different things, which its words tell."""

from __future__ import annotations

import re

_WRITE = "use a token that may write to this repository (https://huggingface.co/settings/tokens)"
# (status or None for any, words of the server, what it means, what to do); the first that fits
_KINDS: tuple[tuple[frozenset[int], str, str, str], ...] = (
    (
        frozenset({402, 403}),
        r"quota|storage|exceeds? (?:the|your).{0,30}limit|upgrade (?:your|to)",
        "there is no room left for this account",
        "free some: `hubtools prune --remote OWNER/NAME` shows what a repository holds for nothing",
    ),
    (
        frozenset({403}),
        r"secret|credential|trufflehog|leaked|api key|blocked by (?:the )?(?:scan|push)",
        "it found what looks like a secret in the files",
        "take it out and revoke it; `hubtools push --dry-run` shows what hubtools finds",
    ),
    (
        frozenset({403}),
        r"gated|restricted|awaiting|access request|not in the authorized list",
        "the repository is gated, and this account has not been let in",
        "accept its terms on its Hub page while logged in, then try again",
    ),
    (
        frozenset({403}),
        r"terms|agree|verif(?:y|ied).{0,20}e-?mail|e-?mail.{0,30}(?:confirm|verif)|accept",
        "this account has to do something first",
        "log in at https://huggingface.co and do what the Hub asks for",
    ),
    (
        frozenset({403}),
        r"disabled|suspended|banned|dmca|taken down",
        "the repository or the account is blocked",
        "its page says why; write to the Hub's staff if it is a mistake",
    ),
    (
        frozenset({403}),
        r"runs no jobs",
        "it starts no processes",
        "start the embedded Hub as it says, or use another one",
    ),
    (
        frozenset({401}),
        r"expired",
        "the token has expired",
        "run `hf auth login`, or set HF_TOKEN to a new one",
    ),
    (
        frozenset({401}),
        r"",
        "it does not know this token",
        "run `hf auth login`, or set HF_TOKEN again: a token is hf_ and letters",
    ),
    (
        frozenset({403}),
        r"",
        "this token may not do that",
        _WRITE,
    ),
    (
        frozenset({413}),
        r"",
        "the request is too large",
        "push fewer or smaller files at once; large datasets go as shards (`hubtools shard`)",
    ),
    (
        frozenset({423}),
        r"",
        "the repository is locked",
        "wait until whoever moves it is done, then push again",
    ),
)


def refusal(status: int, said: str) -> tuple[str, str] | None:
    """(what a refusal means, what to do) by its status and the server's words; None for others."""
    for codes, words, meaning, hint in _KINDS:
        if status in codes and re.search(words, said[:2000], re.IGNORECASE):
            return meaning, hint
    return None
