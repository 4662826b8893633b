"""Secrets that stand behind their name with more than a sign between, in the forms of languages and
tables; made up, and their near misses."""

from __future__ import annotations

import io

import pytest

from hubtools.leaks.text import secrets
from hubtools.publish.contents import Kind, scan

# made up here, in pieces: what looks like a key is not written out
KEY = "NyjOq9wMxEhh2FDE" + "EtfjgVvVqE1SkHbn"
HEX = "4770f58904dba41ecccc" + "3fc1626e53a13043b026"
PASSWORD = "8dKLzdoc" + "J2isAjIh!x"

FORMS = {
    "go": 'const apiKey string = "{KEY}"',
    "rust": 'const API_KEY: &str = "{KEY}";',
    "rust, static": 'static API_KEY: &\'static str = "{KEY}";',
    "swift": 'let apiKey: String = "{KEY}"',
    "kotlin": 'val apiKey by lazy {{ "{KEY}" }}',
    "typescript": "const apiKey: string = '{KEY}'",
    "objective c": 'static NSString *const kAPIKey = @"{KEY}";',
    "python, a type": 'api_key: str = "{KEY}"',
    "python, two types": 'api_key: str | None = "{KEY}"',
    "python, a call": 'password = SecretStr("{PASSWORD}")',
    "r": 'password <- "{PASSWORD}"',
    "lisp": '(setq api-key "{KEY}")',
    "tcl": "set password {PASSWORD}\n",
    "sql, a user": "CREATE USER me WITH PASSWORD '{PASSWORD}';",
    "sql, identified": "ALTER USER me IDENTIFIED BY '{PASSWORD}';",
    "sql, rows": "INSERT INTO users (name, password) VALUES ('me', '{PASSWORD}');",
    "xml": '<property name="password">\n  <value>{PASSWORD}</value></property>',
    "tex, a command": "\\newcommand{{\\apikey}}{{{KEY}}}",
    "tex, a command again": "\\renewcommand*{{\\wandbkey}}{{{HEX}}}",
    "tex, without braces": "\\newcommand\\HFtoken{{{KEY}}}",
    "tex, def": "\\def\\password{{{PASSWORD}}}",
    "tex, a table": "password & {PASSWORD} \\\\",
    "columns and data": '{{"columns": ["id", "password"], "data": [[1, "{PASSWORD}"]]}}',
    "with an index": '{{"columns": ["a", "api_key"], "index": [0, 1], "data": [["x", "{KEY}"]]}}',
    "headers and rows": '{{"headers": ["user", "api_token"], "rows": [["me", "{KEY}"]]}}',
    "names and values": '{{"names": ["user", "client_secret"], "values": ["me", "{KEY}"]}}',
    "lists": '[["user", "password"], ["you", "-"], ["me", "{PASSWORD}"]]',
}
CELLS = {
    "a.csv": "service,what,value of it\nwandb_api_key,the key of runs,{HEX}\n",
    "b.csv": "OPENAI_API_KEY,prod,{KEY},2026-01-01,x\n",
    "c.csv": '"db password","a note, with a comma","{PASSWORD}"\n',
    "d.csv": "password;note;{PASSWORD}\n",
    "e.tsv": "name\ttext\tvalue\napi key\tfor x\t{KEY}\n",
    "f.md": "| name | text | value |\n|---|---|---|\n| api key | x | {KEY} |\n",
}
NEAR = [
    "Pass `verbosity=0` to get less, pass `dtype=torch.float32` for more",
    'token = get_first("service.token.v1.name")',
    'api_key: str = "your-api-key-here-1"',
    'api_key: str = Field(default="WANDB_API_KEY")',
    '{"columns": ["token", "score"], "data": [["a photo of", 0.5], ["standing person", 0.75]]}',
    '{"columns": ["file", "sha256"], "data": [["a.png", "' + "0a1b2c3d" * 8 + '"]]}',
    f'f(api_key, name)\ng("{HEX}", "x")',
    "\\newcommand{\\keywords}{portraits2 and hats3}",
    "keyword & portrait2026 \\\\",
    "file_name,text\n1.png,a key, beside a token, on a table\n",
    "set password_length 12345678",
]


def filled(text: str) -> tuple[str, list[str]]:
    values = {"KEY": KEY, "HEX": HEX, "PASSWORD": PASSWORD}
    return text.format(**values), [v for name, v in values.items() if f"{{{name}}}" in text]


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_languages_and_tables(form: str) -> None:
    text, values = filled(FORMS[form])
    assert values
    assert {secret.value for secret in secrets(text)} >= set(values)


@pytest.mark.parametrize("name", CELLS)
def test_cells_with_others_between(name: str) -> None:
    text, _ = filled(CELLS[name])
    data = text.encode()
    assert [leak.kind for leak in scan(name, io.BytesIO(data), len(data))] == [Kind.SECRET]


@pytest.mark.parametrize("text", NEAR)
def test_what_only_looks_like_it(text: str) -> None:
    assert not list(secrets(text))


@pytest.mark.parametrize(
    "piece",
    ['["api_key","b"],["x","y"],', "[api_key,", "(api_key,b) values ", "api_key,a,", "api_key & "],
)
def test_many_heads_of_tables(piece: str) -> None:
    """The time grows with the text."""
    assert not list(secrets(piece * (60_000 // len(piece))))
