"""Passwords in quotes, of letters, digits and signs, as managers of passwords draw them."""

from __future__ import annotations

import html
import json
import random
import string
from collections.abc import Callable

import pytest

from hubtools.leaks.quoted import is_drawn_with_signs, signed
from hubtools.leaks.text import secrets

_LETTERS = string.ascii_letters + string.digits + string.punctuation
# Each form, and what a person would not write in it bare.
FORMS: dict[str, tuple[Callable[[str], str], str]] = {
    "env, single": (lambda v: f"A=1\nDB_PASSWORD='{v}'\nB=2", "'"),
    "env, double": (lambda v: f'export DB_PASSWORD="{v}"\n', '"\\$`'),
    "json": (lambda v: json.dumps({"host": "a", "password": v, "port": 1}), ""),
    "json, minified": (lambda v: json.dumps({"password": v, "a": "B"}, separators=(",", ":")), ""),
    "yaml, single": (lambda v: "db:\n  password: '" + v.replace("'", "''") + "'\n  port: 1\n", ""),
    "yaml, double": (lambda v: f"db:\n  passwd: {json.dumps(v)} # of it\n", ""),
    "toml": (lambda v: f"[db]\npassword = {json.dumps(v)}\nport = 1\n", ""),
    "toml, literal": (lambda v: f"db_password = '{v}'\n", "'"),
    "python, dict": (lambda v: f"DB = {{'user': 'a', 'password': {v!r}, 'port': 1}}", ""),
    "python": (lambda v: f"PASSWORD = {v!r}\nconnect(password={v!r})\n", ""),
    "xml": (lambda v: f'<db user="a" password="{html.escape(v)}" port="1"/>', ""),
    "markdown": (lambda v: f"Password: `{v}`.", "`"),
}


def drawn(count: int, without: str = "", seed: int = 3) -> list[str]:
    """Passwords of 12 to 20 characters, some of many signs, some of few."""
    chance, found = random.Random(seed), list[str]()
    for number in range(count):
        letters = _LETTERS if number % 2 else string.ascii_letters + string.digits + "!@#$%^&*<>[]"
        known = [c for c in letters if c not in without]
        value = ""
        while sum(any(c in kind for c in value) for kind in _KINDS) < 3 or value.isalnum():
            value = "".join(chance.choices(known, k=chance.randrange(12, 21)))
        found.append(value)
    return found


_KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits)


@pytest.mark.parametrize("form", FORMS)
def test_drawn_passwords_are_found(form: str) -> None:
    write, without = FORMS[form]
    values = drawn(100, without)
    missed = [value for value in values if not list(secrets(write(value)))]
    assert len(missed) <= 2, missed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("DB_PASSWORD='%A7k2vn_XK6!Zy2GK'", "%A7k2vn_XK6!Zy2GK"),
        ("password: 'S(hZ/<(FC.8ZrXbeg#?f'", "S(hZ/<(FC.8ZrXbeg#?f"),
        ("password: '[g5t#Z)j3aoeWqe@H;'", "[g5t#Z)j3aoeWqe@H;"),
        ('{"password": "{kQ7!vn_XK6Zy2GKp"}', "{kQ7!vn_XK6Zy2GKp"),
        (r'{"password": "{kQ7!\"vn<XK6Zy2\\GKp"}', r"{kQ7!\"vn<XK6Zy2\\GKp"),
        (r'"{\"password\": \"<Q7!vn_XK6Zy2GKp\"}"', "<Q7!vn_XK6Zy2GKp"),
        ("password: '[g5t''#Z)j3aoeWqe@H;'", "[g5t''#Z)j3aoeWqe@H;"),
        ("password: '[g5t#Z)j3aoeWqe@H\\'\n", "[g5t#Z)j3aoeWqe@H\\"),
        ('<a password="&lt;g5t#Z)j3a&quot;eWqe@H;"/>', "&lt;g5t#Z)j3a&quot;eWqe@H;"),
    ],
)
def test_signs_neither_cut_nor_hide_it(text: str, value: str) -> None:
    assert value in [secret.value for secret in secrets(text)]


# What is filled in later, or says what a password looks like.
NEAR = [
    *("${DB_PASSWORD}", "${DB_PASSWORD:-Ab1}", "{{password}}", "{{db.password1}}", "{{vault_DB1}}"),
    *("%(name)s", "%(Password1)s", "$DB_PASSWORD", "<your-password>", "<your-Password1>", "<Pw1#A2b>"),
    *("%DB_PASSWORD%", "%DB_PASSWORD1%", "[REDACTED]", "[Your-Password]", "{user.Password1}"),
    *("{cfg.Pass1!r:>20}", "{0.password}", "{0[Pass1]:>12}", "#{password}", "#{ENV1.fetch(X)}"),
    *("<%=ENV1['DB']%>", "<%=@Pass1.to_s%>", "{%env(Db1)%}", "{0}:{1}@{Host2}", "%s:%s@%(Host)s:5432"),
    *("{SSHA256}", "{\"a\":1}", "{'A1':b2,'C3':d4}", "[1,2,{'A':b}]", "%Y-%m-%dT%H:%M:%SZ1", "%H:%M:%S.%f1"),
    *("^[a-zA-Z0-9_!@#$%^&*]{8,32}$", "[a-zA-Z0-9]{8,}", "^(?=.*[A-Z]).{8,}$", "[^A-Za-z0-9#?!]+"),
    *(r"^(?=.*[A-Z])(?=.*\d)[A-Za-z\d@$!%*?&]{8,}$", r"(\w+)[:=](\S{8,64})", r"(?P<Pw1>\S+)", r"\d{4}-\w{2,8}[A-F]"),
    *("(?i)pass(?:word)?[=:]([^&]+)", "/^[A-F0-9]{8}$/i", "/^(?!.*\\s).{8,20}$/", "[A-Z]{3}[0-9]{4}[a-z]*"),
    *("/run/secrets/db_password", "/etc/App1/Pw_2", "./Conf.d/Db1-a", "~/.Pw1/A_b", "C:/Users/Me1/Pw"),
    *("os.environ['DB_PASS1']", "self.Config.get(Key1)[0]", "$(pass show Db/1)", "$(cat /run/Pw1)", "@{Vault1.Db}"),
    *("secrets.DB_PASS1", "process.env.DB_PASS1", "config['Db'].Pw1", "ENV[\"DB1\"]", "getpass.getpass()"),
    *("https://Host1.org/?a=%20", "<input.Type#P1>", "<b>Pass1</b>", "<br/>&nbsp;B1", "&lt;Pass1&gt;", "&#123;A1&#125;"),
    *("{Password1:>12}", "{:>{W1}}", "{!r:^10}A1", "#Pass1>.A2:hover", ".Pw1>a:nth-child(2)", "#fA3:not(.B1)"),
    *("Your_Password#1", "Example!Passw0rd", "CHANGE_ME!now1", "********Ab1", "xxxx-XXXX-1!", "P4ss...w0rd!"),
    *("$2b$12$", "{bcrypt}", "${{secrets.Db1}}", "$[Variables.Db1]", "$$Db_Pass1$$", "__DB_PASS1__", "@@Db_Pass1@@"),
    *("==>[Pass1]<==", "[[Pass1]]", "((vault:Db1))", "{{{Pass1}}}", "<<Pass1>>", "%%Pass1%%", "#{Db1}#", "!Ref:Db1"),
    *("arn:aws:Ssm:1:Pw", "vault:Kv/Db#Pw1", "op://Vault1/Db/pw", "ref+vault://Kv1#Pw", "env:DB_PASS1", "!!Str:Pw1"),
    *("{% if P1 %}A{% endif %}", "{{ password|e }}", "{{.Values.Db1}}", "{{-.Pw1-}}", "{{#if(Pw1)}}", "${Pw1:?No-P1}"),
    *("$(Pw1:-A2)", "$env:DB_PASS1", "${env:Pw1}", "#{@Pw1}", "#{Pw1||'A2'}", "<?=$Pw1['A2']?>", "<?php$Pw1->a?>"),
    *("%-8s|%-12S|%5d", "%d/%m/%y,%H:%M", "%1$s:%2$S@%3$s", "%(Pw1)r:%(A2)s", "{0!r}:{1:>8}A", "{Pw1:08x}-{A2}"),
    *("(?<Pw1>.{8,})#", "(?=.*[a-z])(?=.*[A-Z])", "^.{8,}[A-Z]\\d$", "[A-Za-z0-9+/]{43}=", "^\\w+@[A-Z]+$", "[^\\s]{8,}A1"),
    *("SELECT*FROM[Pw1]", "user='A1'AND(pw='?')", "INSERT(A1,b2)VALUES(?)", "[dbo].[Users1]", "`Db1`.`pw`='?'"),
    *("<Pw1/>", "</Pw1>", "<a:Pw1b='C'>", "<!--Pw1-->", "<![CDATA[Pw1]]>", "&quot;Pw1&quot;", "&Pw1;&lt;"),
    *("func(A1)=>b2", "async()=>A1[b]", "x=>x.Pw1&&y", "new.Map<A1,b2>()", "A1::b2::<C3>()", "*self.pw[A1:]", "&str<'A1>"),
    *("Pass-Word_1.2", "2024-11-29T08:30:00Z", "v1.2.3-Beta.4", "user.Name1@host", "A1:b2:C3:d4", "Passw0rd!", "Secret123!"),
]  # fmt: skip
CODE = [
    'url = "?password=" + t.A1(e) + "&x=" + n.B2[0]',
    "url='?password='+encodeURIComponent(e.P1[0])+'&n='+t",
    "u='password='+t.A1(e[0])+'&n='+B2",
    "a({password:e.A1[0].b(t),user:n.C2}),o=new P4(x)",
    "password=[t.A(0),n.B1,{c:D}][i]",
    "this.password=<HTMLInputElement>E1[0].v;",
    "let password: Map<String,Vec<U8>>=M1::new();",
    'password = f"{Prefix1}{self.A}-{n:04d}"',
    'password = f"{A1!r}#{b2}:<C3>"',
    'password = fmt.Sprintf("%s%d_%X!", A1, b)',
    "re.compile(r'password=([^&]+)&Token1=(.*?)$')",
    '"SELECT * FROM u WHERE password=\'" + P1(e)[0] + "\' AND n=\'" + n + "\'"',
    "$sql = \"UPDATE u SET password='{$A1->b()}',n='{$C}'\"",
    "echo \"password='$(Get-A1 -b C)'\"",
    'input[type="password"]:focus>.A1,#b2{color:#FfF}',
    '<input type="password" id="A1#b2" class="x-B3">',
    '{"password":"","a":"B1","c":"d#2"}',
    'password="",A=b1("C#2"),d=""',
]


def _told(text: str) -> list[str]:
    """What any quote of `text` would begin."""
    read = (signed(text, at + 1) for at, c in enumerate(text) if c in "\"'`")
    return [value for value in read if value]


@pytest.mark.parametrize("form", ["env, single", "json", "yaml, double", "python, dict", "xml"])
def test_templates_paths_and_patterns_are_none(form: str) -> None:
    assert len({*NEAR, *CODE}) >= 150
    write, without = FORMS[form]
    near = [value for value in NEAR if not set(value) & set(without)]
    told = [value for value in near if is_drawn_with_signs(value) or _told(write(value))]
    assert told == []


@pytest.mark.parametrize("text", CODE)
def test_code_is_none(text: str) -> None:
    assert _told(text) == []


def test_where_a_value_ends() -> None:
    assert signed(r'a="bQ7!\"vn<XK6Zy2" d', 3) == r"bQ7!\"vn<XK6Zy2"
    assert signed("a='bQ7!vn<XK6Zy2", 3) is None
    assert signed("a='bQ7!vn<XK6Zy2'b", 3) is None
    assert signed("a='bQ7! vn<XK6Zy2'", 3) is None
    assert signed("a=bQ7!vn<XK6Zy2", 2) is None
    assert signed("a='" + "bQ7!vn<XK6Zy2" * 20 + "'", 3) is None
