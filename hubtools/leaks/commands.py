"""Passwords that stand on command lines by their place alone: `mysql -pX`, `docker login -p X`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from hubtools.leaks.guesses import is_hash, is_manual, is_password
from hubtools.leaks.marks import by_mark, words_in
from hubtools.leaks.named import places_of
from hubtools.leaks.shapes import Secret

_ON = r"[^\n|;]{0,300}?"
_V = r"[\"']?([^\s\"'`|;<>]{4,200})"
_MYSQL = rf"{_ON}\s-p{_V}"
_P = rf"{_ON}\s-p[ =]{{1,4}}{_V}"
_CAPITAL = rf"{_ON}\s-P\s{{0,4}}{_V}"
_USER = rf"{_ON}\s-[ua]\s{{0,4}}[\"']?[^\s:\"'@]{{1,80}}:([^\s\"']{{4,200}})"

# A word of the command, and what follows it. A command that goes on in the next line has been put
# into one.
_LINES: tuple[tuple[str, str], ...] = (
    ("mysql", _MYSQL),
    ("mariadb", _MYSQL),
    ("redis-cli", rf"{_ON}\s-a[ =]{{0,4}}{_V}"),
    ("docker", rf"\s+login{_P}"),
    ("podman", rf"\s+login{_P}"),
    ("nerdctl", rf"\s+login{_P}"),
    ("buildah", rf"\s+login{_P}"),
    ("crane", rf"\s+auth\s+login{_P}"),
    ("registry", rf"\s+login{_P}"),
    ("az", rf"\s+login{_P}"),
    ("twine", rf"\s+upload{_P}"),
    ("mongo", rf"[a-z]{{0,10}}{_P}"),
    ("sqlcmd", _CAPITAL),
    ("bcp", _CAPITAL),
    ("unzip", _CAPITAL),
    ("zip", _CAPITAL),
    ("mosquitto_", rf"[ps]ub{_CAPITAL}"),
    ("7z", rf"[a-z]?\s+[aextul]\s{_ON}\s?-p{_V}"),
    ("rar", rf"\s+[aextl]\s{_ON}\s?-h?p{_V}"),
    ("ldap", rf"[a-z]{{3,10}}{_ON}\s-w\s{{0,4}}{_V}"),
    ("htpasswd", rf"\s+-[a-zA-Z]*b[a-zA-Z]*\s{_ON}\s?{_V}(?=\s*(?:$|[\n|;&]))"),
    ("openssl", rf"{_ON}\s(?:-k\s{{1,4}}|(?:-pass(?:in|out)?\s+)pass:){_V}"),
    ("smbclient", rf"{_ON}\s(?:-U|--user)[ =]?[\"']?[^\s%]{{1,80}}%([^\s\"']{{4,200}})"),
    ("net use", rf"{_ON}\\\\\S{{3,200}}\s+{_V}\s+/user"),
    ("net user", rf"\s+\S{{1,60}}\s+{_V}\s+/add"),
    ("lftp", rf"{_ON}\s-u\s{{0,4}}[\"']?[^\s,]{{1,80}},([^\s\"']{{4,200}})"),
    ("curl", _USER),
    ("http", _USER),
    ("https", _USER),
    ("echo", rf"\s+(?:-n\s+)?{_V}[\"']?\s*\|\s*(?:sudo\s+(?:-\w\s+)*-S|kinit|passwd|docker\s+login|cryptsetup)"),
    ("echo", r"\s+(?:-n\s+)?[\"']?[\w.-]{1,60}:([^\s\"'`|;<>]{4,200})[\"']?\s*\|\s*(?:sudo\s+)?chpasswd"),
    ("rclone", rf"\s+obscure\s+{_V}"),
    ("nmcli", rf"{_ON}\spassword\s+{_V}"),
    ("mc", rf"\s+(?:alias\s+set|config\s+host\s+add)\s+\S+\s+\S+\s+\S+\s+{_V}"),
    ("skopeo", rf"{_ON}-creds[ =][\"']?[^\s:]{{1,80}}:([^\s\"']{{4,200}})"),
    ("xfreerdp", rf"{_ON}\s/p:{_V}"),
    ("cmdkey", rf"{_ON}\s/pass:{_V}"),
    ("plink", rf"{_ON}\s-pw\s{{1,4}}{_V}"),
    ("pscp", rf"{_ON}\s-pw\s{{1,4}}{_V}"),
    ("ipmitool", _CAPITAL),
    ("curl", rf"{_ON}\s(?:-b|--cookie)[ =]?[\"']?\w{{0,20}}(?:sess|auth|token|sid)\w{{0,20}}=([^\s;\"']{{16,400}})"),
    ("wpa_passphrase", rf"\s+[\"']?[^\s\"']{{1,32}}[\"']?\s+{_V}"),
    ("ssh-keygen", rf"{_ON}\s-[NP]\s{{0,4}}{_V}"),
    ("npm", rf"\s+config\s+set\s{_ON}_authtoken[ =]{_V}"),
    ("conda", rf"\s+config\s{_ON}password\s+{_V}"),
    ("vault", rf"\s+login\s+(?:-\S+\s+)*(?:token=)?{_V}"),
    ("gh", rf"\s+auth\s+login{_ON}<<<\s*{_V}"),
    ("psexec", _P),
    ("sqlplus", r"\s+(?:-\w+\s+)*[\w.-]{1,40}/([^\s\"'@/]{4,100})@"),
    ("rabbitmqctl", rf"\s+(?:add_user|change_password)\s+\S{{1,60}}\s+{_V}"),
    ("useradd", _P),
    ("usermod", _P),
    ("snmp", rf"[a-z]{{2,10}}{_ON}\s-[AX]\s{{1,4}}{_V}"),
    ("rclone", rf"\s+config\s{_ON}\spass\s+{_V}"),
    ("convertto-securestring", rf"\s+(?:-string\s+)?{_V}"),
    ("reg add", rf"{_ON}/v\s+[\"']?\w{{0,20}}(?:password|secret|token)\w{{0,9}}[\"']?\s{_ON}/d\s+{_V}"),
    ("gpg", rf"{_ON}\s--passphrase[ =]{_V}"),
)  # fmt: skip
# One of these is in every text in which `commanded` finds something.
MARKS = (
    *(" -p", "\t-p", " -a", " -u", " -w", " -k", "-pass", " -b", "-creds", "/p:", "/pass:", " /user", " /add"),
    *("alias set", "host add", "obscure", "password", "sudo", "kinit", "passwd", "docker", "cryptsetup", "--user"),
    *("wpa_passphrase", "ssh-keygen", "authtoken", "vault", "<<<", "sqlplus", "rabbitmqctl", "snmp", " pass ", "securestring", "reg add", " --cookie", " -b"),
)  # fmt: skip
_BY_MARK = by_mark(MARKS, ("-", "/", "pass"))
_ANY_CASE = ("npm", "convertto-securestring", "reg add")
_COMPILED: dict[str, re.Pattern[str]] = {}


def commanded(text: str, lower: str, among: Collection[str] | None = None) -> Iterator[Secret]:
    """Passwords on command lines in `text`; `lower` is it in small letters, and of `MARKS` only
    those `among` may be in it (None: any). Linear in the text."""
    if not words_in(lower, _BY_MARK, among):
        return
    for word, pattern in _LINES:
        end = 0
        for place in places_of(lower, word):
            if place < end or text[max(0, place - 1) : place].isalnum():
                continue
            found = _COMPILED.get(pattern) or _COMPILED.setdefault(
                pattern, re.compile(f"(?i:{pattern})" if word in _ANY_CASE else pattern)
            )
            match = found.match(text, place + len(word))
            if match is None:
                continue
            end = match.end()
            value = match[1]
            if _chosen(value):
                yield Secret("a password on a command line", match.start(1), value)


def _chosen(value: str) -> bool:
    """Letters and digits, or letters and signs in it; no file, option, port or reference."""
    if value[0] in "-/$%{<&" or value.isdigit() or is_manual(value) or is_hash(value):
        return False
    if re.fullmatch(r"[\d.:/-]+(?:/tcp|/udp)?|[\w./~-]+\.\w{1,5}|[\w.-]*[/\\:][\w./\\:-]*", value):
        return False
    mixed = any(c.isalpha() for c in value) and not value.isalpha()
    return mixed and (is_password(value) or (len(value) >= 6 and any(c.isdigit() for c in value)))
