"""Texts that hurt: words, card front matter, settings."""

from __future__ import annotations

import random

WORDS = (
    "", " ", "tok", "a.png", "text", "NA", "null", "-1", "1e999", "NaN", "é", "e\u0301", "\u202eabc",
    "\x1b[31mred", "\x00", "\ud83d", "\udcff", "😀", "a\nb", "\r", "\t", "“x”", "<b>x</b>", "&amp;",
    "x" * 3000, "../x", "/etc/passwd", "C:\\x.png", "a::b", "%s%n", "{0}", "{trigger}", "[trigger]",
    "=1+1", "true", "2024-01-01", "0x1F", "café", "cafÃ©", "hf_" + "aB3" * 11 + "x", "a@b.example",
    "\\", '"', "'", ",", ";", "::error::x", "%0A::warning::", "\u2028", "\ufeff", "\uffff",
)  # fmt: skip


def word(random: random.Random) -> str:
    """One of them, or two."""
    return random.choice(WORDS) + (random.choice(WORDS) if random.random() < 0.2 else "")


def spoilt(random: random.Random, data: bytes) -> bytes:
    """Bytes with a fault or two, or in another encoding."""
    for _ in range(random.choice([0, 1, 1, 3])):
        place = random.randrange(len(data) + 1)
        odd = random.choice(
            [b"\0", b"\xff", b'"', b"{", b"}", b"[", b"]", b",", b"\n", b"\r", b":", b"\\u", b"\xed\xa0"]
        )  # fmt: skip
        cut = random.choice([0, 0, 1, 5, 40])
        data = data[:place] + odd * random.choice([1, 1, 1, 30]) + data[place + cut :]
    if random.random() < 0.15:
        coding = random.choice(["utf-16", "utf-8-sig", "cp1252", "utf-32", "utf-16-be"])
        data = data.decode("utf-8", "replace").encode(coding, "replace")
    return data


def card(random: random.Random) -> bytes:
    """A README.md."""
    configs = random.choice(
        [
            "configs: []", "configs: 5", "configs:\n- config_name: a\n  data_files: '**'",
            "configs:\n- data_files:\n  - split: train\n    path: ['*.png', 5, null]",
            "configs:\n- data_files: {train: x/**, test: [a, b]}\n  drop_labels: maybe",
            "configs:\n- data_files: '[!'\n- 5\n- null", "configs:\n- data_files: ../**",
            "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nconfigs: *c",
            "configs:\n- data_files:\n  - split: my-split\n    path: '{a,b'",
        ]
    )  # fmt: skip
    info = random.choice(
        ["", "", "dataset_info: {splits: [{name: train, num_examples: 99}]}", "dataset_info: x",
         "license: [mit, 5]", "license: {a: b}", "? [x]\n: y", "!!python/object:os.system x",
         "tags: [2024-01-01, 1e3, ~]", "a: b: c", "\tx: 1", "license: " + "[" * 300]
    )  # fmt: skip
    text = f"---\n{configs}\n{info}\n---\n# {word(random)}\n"
    return spoilt(random, text.encode("utf-8", "surrogatepass"))


def toml(random: random.Random) -> bytes:
    """A hubtools.toml."""
    sections = ["dataset", "train", "samples", "model", "push", "dataset.plan", "tool", ""]
    keys = ["path", "trigger", "license", "near_radius", "rights", "resolution", "seed", "rank",
            "max_train_steps", "prompts", "repo", "target_modules", "learning_rate", "x.y", "plan",
            "target", "ignore", "", "caption_column", "size"]  # fmt: skip
    values = ["1", "-1", "1e400", "nan", "inf", "true", '""', '"\\u0000"', "[]", "[[]]", "{}",
              '{a = 1}', "1979-05-27", "99999999999999999999999", "'''x\ny'''", '["a", 1]',
              '"../.."', '"~root"', '"own"', '"3..4"', "0x7fffffffffffffff"]  # fmt: skip
    lines = []
    for _ in range(random.randrange(6)):
        if section := random.choice(sections):
            lines.append(f"[{section}]")
        for _ in range(random.randrange(4)):
            lines.append(f"{random.choice(keys)} = {random.choice(values)}")
    return spoilt(random, "\n".join(lines).encode())
