"""Made-up secrets whose name does not stand right before them, and what looks so and is none."""

from __future__ import annotations

import base64
import gzip
import io
import pickle
import random
import sqlite3
import string
import zipfile
import zlib
from collections.abc import Callable, Iterator

LETTERS = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"

# K: a key, P: a password, H: 64 hexadecimal digits, S: a signature, T: a token of a known form.
TEXTS: dict[str, str] = {
    "yaml list": "api_keys:\n- {K}\n",
    "yaml list set in": "api_keys:\n  - short\n  - {K}\n",
    "yaml list in quotes": 'secrets:\n  - "{K}"\n',
    "yaml list with a note": "api_keys:  # mine\n  # old\n  - {K} # of May\n",
    "yaml list of passwords": "passwords:\n  - hello\n  - {P}\n",
    "yaml list of maps": "api_keys:\n  - name: one\n    value: {K}\n",
    "yaml map": "api_keys:\n  first: {K}\n",
    "json map": '{{"api_keys": {{"first": "{K}"}}}}',
    "json map on lines": '{{\n "api_keys": {{\n  "n": 1,\n  "first": "{K}"\n }}\n}}\n',
    "json list": '{{"api_keys": ["one", "{K}"]}}',
    "toml list": "api_keys = [\"one\", '{K}']\n",
    "toml table": '[api_keys]\nfirst = "{K}"\n',
    "ini section": "[secrets]\nfirst = {K}\n",
    "yaml list in a line": "api_keys: [{K}, short]\n",
    "yaml map in a line": "api_keys: {{first: {K}}}\n",
    "yaml list with an anchor": "api_keys: &mine\n  - {K}\n",
    "yaml list with a tag": "api_keys: !!seq\n  - {K}\n",
    "json pair": '[["API_KEY", "{K}"]]',
    "json pair, value first": '[["{K}", "API_KEY"]]',
    "csv value, name": "{K},api_key\n",
    "csv value, name and a header": "value,name\n{K},API_KEY\n",
    "csv name, text, value": "name,description,value\nAPI_KEY,for it,{K}\n",
    "csv value, id, name": "value,id,name\n{K},1,API_KEY\n",
    "csv password, name": "{P},DB_PASSWORD\n",
    "tsv value, name": "{K}\tAPI_KEY\n",
    "table of markdown": "| {K} | api_key |\n",
    "heading and fence": "## API key\n\n```\n{K}\n```\n",
    "heading and fence with a language": "# the api key\n```text\n{K}\n```\n",
    "heading and tildes": "## Secret\n~~~\n{K}\n~~~\n",
    "heading and code": "## Token for uploads\n\n`{K}`\n",
    "heading and a line": "### Password\n\n{P}\n",
    "underlined heading": "Password\n--------\n\n    {P}\n",
    "bold heading": "**API key**\n\n```\n{K}\n```\n",
    "colon and fence": "API key:\n\n```\n{K}\n```\n",
    "line below a line": "my api key\n{K}\n",
    "restructured text": "Token\n=====\n\n::\n\n    {K}\n",
    "html heading": "<h2>API key</h2><pre><code>{K}</code></pre>",
    "office cells": "<w:tc><w:p>API key</w:p></w:tc><w:tc><w:p><w:t>{K}</w:t></w:p></w:tc>",
    "mysql": "mysql -u root -p{P} people\n",
    "mysqldump": "mysqldump -uroot -p'{P}' people\n",
    "mariadb": "mariadb -h db -p{P}\n",
    "curl": "curl -u someone:{P} https://x.org\n",
    "curl glued": "curl -X POST -usomeone:{P} https://x.org\n",
    "curl long": "curl --user someone:{P} https://x.org\n",
    "httpie": "http -a someone:{P} x.org\n",
    "sshpass": "sshpass -p {P} ssh a@b\n",
    "sshpass glued": "sshpass -p'{P}' ssh a@b\n",
    "redis-cli": "redis-cli -h db -a {P}\n",
    "docker": "docker login -u me -p {P} registry.x.org\n",
    "podman": "podman login -u me -p {P}\n",
    "helm": "helm registry login -u me -p {P} x.org\n",
    "az": "az login -u me -p {P}\n",
    "twine": "twine upload -u me -p {P} dist/x.whl\n",
    "PGPASSWORD": "PGPASSWORD={P} psql -h db\n",
    "MYSQL_PWD": "MYSQL_PWD={P} mysql\n",
    "mongosh": "mongosh -u me -p {P} db\n",
    "ldapsearch": "ldapsearch -x -D cn=me -w {P}\n",
    "smbclient": "smbclient //a/b -U me%{P}\n",
    "net use": "net use x: \\\\a\\b {P} /user:me\n",
    "htpasswd": "htpasswd -b file me {P}\n",
    "openssl": "openssl rsa -passin pass:{P}\n",
    "unzip": "unzip -P {P} pictures.zip\n",
    "7z": "7z x -p{P} pictures.7z\n",
    "sqlcmd": "sqlcmd -S db -U sa -P {P}\n",
    "sudo": "echo {P} | sudo -S ls\n",
    "chpasswd": 'echo "me:{P}" | chpasswd\n',
    "lftp": "lftp -u me,{P} ftp://x.org\n",
    "mosquitto": "mosquitto_pub -h a -u me -P {P} -t x\n",
    "nmcli": "nmcli dev wifi connect x password {P}\n",
    "skopeo": "skopeo copy --src-creds me:{P} a b\n",
    "mc": "mc alias set x https://a.org me {K}\n",
    "redis-cli glued": "redis-cli -a{P}\n",
    "curl cookie": "curl -b 'session={K}' x.org\n",
    "ssh-keygen": "ssh-keygen -t rsa -N '{P}' -f x\n",
    "npm": "npm config set //x.org/:_authToken {K}\n",
    "conda": "conda config --set proxy_servers.password {P}\n",
    "vault": "vault login {K}\n",
    "gh": "gh auth login --with-token <<< {K}\n",
    "psexec": "psexec \\\\host -u me -p {P} cmd\n",
    "sqlplus": "sqlplus me/{P}@db\n",
    "rabbitmqctl": "rabbitmqctl add_user me {P}\n",
    "useradd": "useradd -p {P} me\n",
    "snmpwalk": "snmpwalk -v3 -A {P} host\n",
    "rclone": "rclone config create x sftp pass {P}\n",
    "powershell": "ConvertTo-SecureString '{P}' -AsPlainText -Force\n",
    "registry of windows": "reg add HKCU\\x /v Password /d {P}\n",
    "plink": "plink -pw {P} me@x.org\n",
    "shell line goes on": "docker login \\\n  -u me \\\n  -p {P} x.org\n",
    "cmd line goes on": "docker login ^\r\n  -u me ^\r\n  -p {P} x.org\r\n",
    "powershell line goes on": "docker login `\r\n  -u me `\r\n  -p {P} x.org\r\n",
    "option in the next line of cmd": "tool --token ^\n  {K}\n",
    "option in the next line of powershell": "tool -ApiToken `\r\n  {K}\n",
    "token in two lines of cmd": "set X={T1}^\r\n{T2}\r\n",
    "token in two lines of powershell": "$x = {T1}`\n{T2}\n",
    "cloudfront": "https://d1.cloudfront.net/a.png?Expires=1767225600&Signature={S}__&Key-Pair-Id=KABC",
    "cloudfront with a policy": "https://d1.cloudfront.net/a?Policy={S}&Signature={S}~-&Key-Pair-Id=KABC",
    "google": "https://storage.googleapis.com/b/o?X-Goog-Algorithm=GOOG4&X-Goog-Expires=9&X-Goog-Signature={H}{H}",
    "google of old": "https://storage.googleapis.com/b/o?GoogleAccessId=me&Expires=1767225600&Signature={S}%3D%3D",
    "amazon": "https://b.s3.amazonaws.com/a?X-Amz-Expires=3600&X-Amz-Signature={H}",
    "amazon of old": "https://b.s3.amazonaws.com/a?AWSAccessKeyId=x&Expires=1767225600&Signature={S:.25}%2B%3D",
    "azure": "https://a.blob.core.windows.net/c/b?sv=2022-11-02&se=2027-01-01&sp=r&sig={S:.40}%2B{S:.3}%3D",
    "alibaba": "https://b.oss.aliyuncs.com/a?OSSAccessKeyId=x&x-oss-signature={H}",
    "tencent": "https://b.cos.myqcloud.com/a?q-sign-algorithm=sha1&q-signature={H:.40}",
    "html heads": "<table>\n<tr><th>user</th><th>password</th></tr>\n<tr><td>me</td><td>{P}</td></tr>\n</table>",
    "html heads on one line": "<table><tr><th>service</th><th>API key</th></tr><tr><td>a</td><td>{K}</td></tr></table>",
    "html heads, a cell a line": "<table><thead>\n<tr>\n<th scope=col>name</th>\n<th>password</th>\n</tr>\n</thead><tr>\n<td>me</td>\n<td><code>{P}</code>\n</td>\n</tr>",
    "html heads in cells": "<table><tr><td><b>user</b></td><td><b>password</b></td></tr><tr><td>me</td><td>{P}</td></tr></table>",
    "html without ends": "<TABLE><TR><TH>user<TH>password<TR><TD>me<TD>{P}</TABLE>",
    "html, one column": "<table><tr><th>API key</th></tr><tr><td>{K}</td></tr></table>",
    "html, two heads": "<table><tr><th colspan=2>Logins</th></tr><tr><th>user</th><th>password</th></tr><tr><td>me</td><td>{P}</td></tr></table>",
    "html rows": "<table>\n<tr>\n<th scope='row'>Password</th>\n<td>{P}</td>\n</tr></table>",
    "html rows, a cell between": "<table><tr><th>API key:</th><td>for uploads</td><td>{K}</td></tr></table>",
    "office heads": "<w:tbl><w:tr><w:tc><w:p>user</w:p></w:tc><w:tc><w:p>password</w:p></w:tc></w:tr><w:tr><w:tc><w:p>me</w:p></w:tc><w:tc><w:p><w:t>{P}</w:t></w:p></w:tc></w:tr></w:tbl>",
    "rst csv-table": '.. csv-table:: Logins\n   :header: "user", "password"\n\n   "me", "{P}"\n',
    "rst csv-table of names and values": ".. csv-table::\n   :header: name, value\n\n   the api key, {K}\n",
    "rst csv-table, another mark": ".. csv-table::\n   :header: user, password\n   :delim: ;\n\n   me; {P}\n",
    "rst csv-table, heads in rows": ".. csv-table::\n   :header-rows: 1\n\n   user, password\n   me, {P}\n",
    "rst list-table": ".. list-table:: Logins\n   :header-rows: 1\n\n   * - user\n     - password\n   * - me\n     - {P}\n",
    "rst list-table, three columns": ".. list-table::\n\n   * - service\n     - API key\n     - note\n\n   * - a\n     - {K}\n     - x\n",
    "rst list-table, names first": ".. list-table::\n\n   * - user\n     - me\n   * - password\n     - {P}\n",
    "rst simple table": "======  ================\nuser    password\n======  ================\nme      {P}\n======  ================\n",
    "rst narrow table": "====== ===============\nuser   password\n====== ===============\nof me  {P}\n====== ===============\n",
    "rst grid table": "+------+-----------------+\n| user | password        |\n+======+=================+\n| me   | {P} |\n+------+-----------------+\n",
    "yaml lists": "- - user\n  - password\n- - me\n  - {P}\n",
    "pandoc table": "user    password\n------  ------------------\nme      {P}\n",
    "columns of blanks": "host      user    password\nx.org     me      {P}\n",
    "psql": " id |  user  |   password\n----+--------+--------------\n  1 | me     | {P}\n(1 row)\n",
    "copy": "COPY public.users (id, name, password) FROM stdin;\n1\tme\t{P}\n2\tyou\t\\N\n\\.\n",
    "copy, quoted, csv": 'COPY "public"."users" ("id", "password") FROM stdin WITH (FORMAT csv);\n1,{P}\n\\.\n',
    "copy, another mark": "COPY users (id, password) FROM stdin WITH DELIMITER '|';\n1|{P}\n\\.\n",
    "copy, one column": "COPY tokens (token) FROM stdin;\n{K}\n\\.\n",
    "insert, rows below": "INSERT INTO users (id, name, password) VALUES\n(1, 'it''s', '-'),\n(2, 'me', '{P}');\n",
    "insert, names above": "CREATE TABLE `users` (\n  `id` int NOT NULL,\n  `name` text,\n  `password` varchar(99),\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\nINSERT INTO `users` VALUES (1,'a','-'),(2,'me','{P}');\n",
    "insert, names above on a line": "CREATE TABLE users (id INTEGER PRIMARY KEY, password TEXT);\nINSERT INTO users VALUES(1,'{P}');\n",
    "replace": "REPLACE INTO `users` (`id`, `password`) VALUES (1,'{P}');\n",
    "pw": "pw: {P}\n",
    "PW, equals": "PW={P}\n",
    "pw in json": '{{"pw": "{P}"}}',
    "pw of a database": "db_pw = '{P}'\n",
    "rootpw": "rootpw: {P}\n",
    "psw": "psw: {P}\n",
    "pass phrase": "pass phrase: {P}\n",
    "pw, a dash": "PW - {P}!Qx\n",
    "note": "the server\n\nuser\nme\npassword\n{P}\n",
    "note with blank lines": "Username\nme@x.org\n\nPassword\n\n{P}\n",
    "note, a blank": "user me\npassword {P}!Qx\n",
    "note, password alone": "login: me\n{P}!Qx\n",
    "note, all alone": "login\nme\n{P}!Qx\n",
    "note of mail": "me@example.org\n{P}!Qx\n",
    "note of mail in a line": "me@example.org / {P}!Qx\n",
    "mail and colon": "me@example.org:{P}!Qx\n",
    "note in a line": "Login: me / {P}!Qx\n",
    "note in a line, pw": "user: me / pw {P}!Qx\n",
    "two blanks": "API-Key  {K}\n",
    "a tab": "API-Key\t{K}\n",
    "many blanks": "  wandb key            {K}\n",
    "two blanks, a password": "Password  {P}\n",
    # a name that ends in KEY, whatever stands before: H, for keys are hexadecimal digits as often
    "variable": "HMAC_KEY={H}\n",
    "variable of a framework": "APP_KEY=base64:{K}=\n",
    "variable of nobody's": "export SOME_NEW_KEY='{H}'\n",
    "variable with an ending": "HMAC_KEY_HEX={H}\n",
    "several in a variable": "COOKIE_KEYS={K},{K}\n",
    "password with an ending": "DB_PASSWORD_PROD={P}\n",
    "header of nobody's": "curl -H 'X-Newservice-Key: {H:.32}' https://x.org\n",
    "service named after what it does": "AZURE_SEARCH_KEY={K}\n",
    "the same, hexadecimal": '"BING_MAPS_KEY": "{H:.32}"',
    "header of azure functions": 'curl -H "x-functions-key: {K}==" https://x.org/api\n',
    "the same, python": 'headers = {{"x-functions-key": "{K}"}}',
    "the same, yaml": "headers:\n  x-functions-key: {K}\n",
    "cookies": "SECURECOOKIE_HASH_KEY={H}\n",
    "option of nobody's": "tool --newservice-key {H:.40}\n",
    "cipher of python": "hmac.new(b'{K}', text)\n",
    "key alone": "KEY={H}\n",
    "member": '{{"stripe_key": "{H}"}}',
    "setter": "settings.fernetKey = '{K}'\n",
    "yaml of a service": "mailgun_key: {H:.32}\n",
    "nobody's, not hexadecimal": '{{"newservice_key": "{K}"}}',
    "powershell item": "Set-Item -Path Env:APP_KEY -Value '{H}'\n",
    "powershell variable": '$env:SIGNING_KEY = "{H}"\n',
    "setx without a hyphen": "setx apiKey {K}\n",
    "set of fish": "set -gx apikey {K}\n",
    "secret of a repository": 'gh secret set API_KEY --body "{K}"\n',
    "registry of windows, asked": "    AppKey    REG_SZ    {K}\n",
    "registry of windows, a type": "reg add HKCU\\x /v AppKey /t REG_SZ /d {K}\n",
    "terraform": 'variable "app_key" {{\n  type      = string\n  sensitive = true\n  default   = "{K}"\n}}\n',
    "element with attributes": '<a:ApiKey xsi:type="string">{K}</a:ApiKey>',
    "element with a name": '<string name="api_key">{K}</string>',
    "entry of java": '<entry key="db.password">{P}</entry>',
    "attributes": '<add key="HMAC_KEY" value="{H}"/>',
    "attributes, value first": '<add value="{K}" key="AppKey"/>',
    "members, value first": '{{"Value": "{K}", "Name": "APP_KEY"}}',
    "make": "API_KEY ?= {K}\n",
    "nullish": 'const k = process.env.API_KEY ?? "{K}"\n',
    "perl": '$ENV{{API_KEY}} = "{K}";\n',
    "visual basic": 'Const apiKey As String = "{K}"\n',
    "setter with a call": 'client.set_api_key("{K}")\n',
    "client": 'co = cohere.Client("{K}")\n',
    "client on lines": "co = AsyncClient(\n    '{K}',\n    timeout=9,\n)\n",
    "client of javascript": "const a = new Anthropic('{K}');\n",
    "cipher": "f = Fernet(b'{K}')\n",
    "login": 'x.login("{K}")\n',
    "jwk": '{{"kty": "RSA", "n": "{S}", "e": "AQAB", "d": "{S}"}}',
    "jwk, symmetric": '{{"k": "{K}", "kty": "oct"}}',
    "jwk of python": "key = {{'kty': 'OKP', 'crv': 'Ed25519', 'd': '{K}'}}\n",
    "jwk in yaml": "kty: EC\ncrv: P-256\nx: {K}\nd: {K}\n",
    "signed, in json": '{{"url": "https://b.s3.amazonaws.com/a?a=1\\u0026X-Amz-Signature={H}"}}',
    "signed, in html": '<img src="https://b.s3.amazonaws.com/a?a=1&amp;X-Amz-Signature={H}">',
}  # fmt: skip


def some(r: random.Random, n: int, alphabet: str = LETTERS) -> str:
    """So many letters, drawn."""
    return "".join(r.choice(alphabet) for _ in range(n))


def _values(r: random.Random) -> dict[str, str]:
    token = "hf" + "_" + some(r, 34, string.ascii_letters)
    return {
        "K": f"{some(r, 12)}7{some(r, 27)}",
        "P": f"{some(r, 4, string.ascii_lowercase)}{some(r, 2, '23456789')}{some(r, 6)}",
        "H": some(r, 64, HEX),
        "S": f"{some(r, 20)}5{some(r, 150)}",
        "T": token,
        "T1": token[:15],
        "T2": token[15:],
    }


def raw_deflate(text: str) -> bytes:
    """Without a header (RFC 1951)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(text.encode()) + packer.flush()


DUMPS = ("xxd", "hexdump -C", "od -x", "od -b", "od -c", "windows")


def dump(data: bytes, style: str) -> str:
    """As xxd, hexdump and od print bytes."""
    out = []
    for n in range(0, len(data), 16):
        part = data[n : n + 16]
        digits = [f"{byte:02x}" for byte in part]
        shown = "".join(chr(c) if 32 <= c < 127 else "." for c in part)
        pairs = ["".join(digits[i : i + 2]) for i in range(0, len(digits), 2)]
        halves = " ".join(digits[:8]), " ".join(digits[8:])
        turned = ["".join(digits[i : i + 2][::-1]) for i in range(0, len(digits), 2)]
        out.append(
            {
                "xxd": f"{n:08x}: {' '.join(pairs):39}  {shown}",
                "hexdump -C": f"{n:08x}  {halves[0]:23}  {halves[1]:23}  |{shown}|",
                "od -x": f"{n:07o} {' '.join(turned)}",
                "od -b": f"{n:07o} {' '.join(f'{c:03o}' for c in part)}",
                "od -c": f"{n:07o} {' '.join(f'{chr(c):>3}' for c in part)}",
                "windows": f"{n:08X}   {' '.join(digits).upper():47}  {shown}",
            }[style]
        )
    return "\n".join(out) + "\n"


def database(columns: list[str], row: list[str]) -> bytes:
    """An SQLite database of one table."""
    base = sqlite3.connect(":memory:")
    base.execute(f"create table t({', '.join(f'{name} text' for name in columns)})")
    base.execute(f"insert into t values({', '.join('?' * len(row))})", row)
    base.commit()
    data = base.serialize()
    base.close()
    return bytes(data)


def workbook(rows: list[list[str]], *, shared: bool) -> bytes:
    """A minimal XLSX file."""
    texts: list[str] = []
    lines = ""
    for number, row in enumerate(rows, 1):
        lines += f'<row r="{number}">'
        for column, value in zip("ABCDE", row, strict=False):
            if shared:
                texts += [value] if value not in texts else []
                lines += f'<c r="{column}{number}" t="s"><v>{texts.index(value)}</v></c>'
            else:
                lines += f'<c r="{column}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
        lines += "</row>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if shared:
            items = "".join(f"<si><t>{text}</t></si>" for text in texts)
            archive.writestr("xl/sharedStrings.xml", f"<sst>{items}</sst>")
        archive.writestr(
            "xl/worksheets/sheet1.xml", f"<worksheet><sheetData>{lines}</sheetData></worksheet>"
        )
    return out.getvalue()


def opendocument(rows: list[list[str]]) -> bytes:
    """A minimal ODS file."""
    cells = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{v}</text:p></table:table-cell>" for v in row)
        + "</table:table-row>"
        for row in rows
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", f"<office:body>{cells}</office:body>")
    return out.getvalue()


def gzipped(flag: int, field: bytes, before: bytes = b"") -> bytes:
    """A gzip stream with an extra field (4), a name (8) or a comment (16)."""
    whole = gzip.compress(b"hi", mtime=0)
    if flag == 4:
        field = b"AB" + len(field).to_bytes(2, "little") + field
        field = len(field).to_bytes(2, "little") + field
    else:
        field += b"\0"
    return before + whole[:3] + bytes([flag]) + whole[4:10] + field + whole[10:]


FILES: dict[str, Callable[[dict[str, str]], bytes]] = {
    **{
        f"dump of {style}": lambda v, style=style: dump(  # type: ignore[misc]
            f"export X={v['T']}\nmore".encode(), style
        ).encode()
        for style in DUMPS
    },
    "long dump": lambda v: dump(b"a picture " * 4000 + f"x={v['T']} ".encode(), "xxd").encode(),
    "sqlite names and values": lambda v: database(["name", "value"], ["the_api_key", v["K"]]),
    "sqlite column": lambda v: database(["id", "api_key"], ["1", v["K"]]),
    "sqlite password": lambda v: database(["user", "password"], ["me", v["P"]]),
    **{
        f"pickle {protocol} of a key": lambda v, protocol=protocol: pickle.dumps(  # type: ignore[misc]
            {"the_api_key": v["K"], "x": 1}, protocol
        )
        for protocol in range(6)
    },
    **{
        f"pickle {protocol} of a password": lambda v, protocol=protocol: pickle.dumps(  # type: ignore[misc]
            {"user": "me", "password": v["P"]}, protocol
        )
        for protocol in range(6)
    },
    "messagepack": lambda v: (
        b"\x82\xabthe_api_key\xd9" + bytes([len(v["K"])]) + v["K"].encode() + b"\xa1x\1"
    ),
    **{
        f"{kind}{' of shared texts' * shared}": lambda v, rows=rows, shared=shared: workbook(  # type: ignore[misc]
            [[cell.format(**v) for cell in row] for row in rows], shared=bool(shared)
        )
        for shared in (0, 1)
        for kind, rows in {
            "sheet: name and value": [["the_api_key", "{K}"]],
            "sheet: value and name": [["{K}", "the_api_key"]],
            "sheet: column": [["name", "api key"], ["first", "{K}"]],
            "sheet: far": [["a", "note", "password"], ["1", "x", "{P}"], ["2", "y", "{P}Z"]],
        }.items()
    },
    "sheet: opendocument": lambda v: opendocument([["name", "password"], ["me", v["P"]]]),
    "gzip name": lambda v: gzipped(8, f"token {v['T']}".encode()),
    "gzip comment": lambda v: gzipped(16, f"api_key={v['K']}".encode()),
    "gzip comment of the second": lambda v: gzipped(
        16, f"api_key={v['K']}".encode(), gzip.compress(b"first", mtime=0)
    ),
    "gzip extra": lambda v: gzipped(4, v["T"].encode()),
    "raw deflate": lambda v: raw_deflate(f"words\napi_key={v['K']}\n"),
    "raw deflate of a token": lambda v: raw_deflate(v["T"]),
    "raw deflate behind a header": lambda v: b"\0\1\2HEAD" + raw_deflate(f"password={v['P']}\n"),
    "raw deflate in base64": lambda v: base64.b64encode(
        raw_deflate(f"some words and more of them, {v['T']}\n")
    ),
    "gzip extra, packed": lambda v: gzipped(4, zlib.compress(v["T"].encode())),
}


def planted_apart(seed: int = 11) -> Iterator[tuple[str, str, bytes]]:
    """(name of the case, what gives it away, file)."""
    r = random.Random(seed)
    for name, text in TEXTS.items():
        values = _values(r)
        whole = text.format(**values)
        yield name, _given_away(text, values), whole.encode()
        if "\n" in text or "," in text:
            yield f"{name}, among others", _given_away(text, values), _among(whole)
    for name, make in FILES.items():
        values = _values(r)
        yield name, "", make(values)


def _among(text: str) -> bytes:
    return f"a line\n\nsome words, more words\n\n{text}\n\nthe end\n".encode()


def _given_away(text: str, values: dict[str, str]) -> str:
    return next((values[letter] for letter in "KP" if f"{{{letter}}}" in text), "")


# What nobody is hurt by: no secret though a word tells, or no word that tells.
NEAR: tuple[str, ...] = (
    "keys:\n  - {H:.32}\n  - {H:.40}\n",
    "cache_keys:\n- {H:.40}\n",
    "secrets:\n  HF_TOKEN: ${{{{ secrets.HF_TOKEN }}}}\n",
    "secrets:\n  db_password:\n    file: ./db_password.txt\n",
    "credentials:\n  id: {H:.32}\n  path: /run/secrets/a\n",
    "tokens:\n  - sks\n  - <s1>\n  - a photo of a person\n",
    "added_tokens:\n- <extra_id_0>\n- <extra_id_1>\n",
    "## Trigger token\n\n```\nsks_person_v2_of_style\n```\n",
    "## Keys\n\n`image_embedding_v2_large`\n",
    "## Token\n\nPut yours into HF_TOKEN.\n\n{H}\n",
    "## Password\n\nAsk the administrator.\n",
    "## Model hash\n\n```\n{H}\n```\n",
    "name,value\nsteps,{H:.32}\nmodel,{K}\n",
    "value,name\n{H:.32},hash\n{K},picture\n",
    "image_md5,tags\n{H:.32},secret\n{H:.32},token\n",
    "id,caption\n{K},a key\n{K},the secret garden\n",
    '{{"clientCredentials": {{"$ref": "#/definitions/Swagger.OAuth2SecurityFlow3"}}}}',
    '{{"password": {{"$ref": "#/definitions/Swagger.OAuth2SecurityFlow3"}}}}',
    "mysql -u root -p people\n",
    "mysql -u root -p\n",
    "mysql --port=3306 -P 3306\n",
    "docker run -p 8080:80 -v a:/b image1\n",
    "docker login -u me -p $REGISTRY_PASSWORD x.org\n",
    "docker login --password-stdin -u me\n",
    "docker compose -p people2 up\n",
    "curl -u me:$PASSWORD https://x.org\n",
    "curl -u someone:password https://x.org\n",
    "mkdir -p data/people_v2/train01\n",
    "redis-cli -h db -p 6379\n",
    "redis-cli -a $REDIS_PASSWORD\n",
    "sshpass -p $SSH_PASSWORD ssh a@b\n",
    "unzip -P pictures.zip\n",
    "unzip -p pictures01.zip a1.txt\n",
    "echo done2 | tee log1.txt\n",
    "ssh-keygen -t rsa -N '' -f id2\n",
    "npm config set registry https://x.org/v2\n",
    "gh auth login --with-token < token1.txt\n",
    "vault login -method=github2\n",
    "tokens: [sks, a2, photo_of_1girl, <s1>]\n",
    "useradd -m -p $HASH1 me\n",
    "curl -b cookies1.txt https://x.org\n",
    "sqlplus /nolog @script1.sql\n",
    "python -m http.server -b 127.0.0.1\n",
    "https://x.org/a?signature=none&Expires=1767225600",
    "https://x.org/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=<signature>",
    "def check(a, signature=some_default_value_of_a_call):\n",
    "url?sig={H:.8}&v={H:.10}",
    "the paths `a/b1` and `{H:.12}`\n{H:.24}\n",
    "2 ^ 3 = {H:.8}^\n{H:.8}\n",
    "00000000: {H:.4} {H:.4} {H:.4} {H:.4}  ....\n00000008: {H:.4} {H:.4} {H:.4} {H:.4}  ....\n",
    "<table><tr><th>file</th><th>key</th></tr><tr><td>a.png</td><td>{H:.40}</td></tr></table>",
    "<table><tr><th>token</th><th>count</th></tr><tr><td>a photo of</td><td>12</td></tr></table>",
    "<tr><td>{K}</td><td>picture</td></tr>",
    "<th>Password</th><td>ask the administrator</td>",
    ".. csv-table::\n   :header: key, meaning\n\n   steps, how many there are\n",
    ".. list-table::\n\n   * - token\n     - meaning\n   * - sks_person\n     - a person_v2_of_style\n",
    "COPY pictures (id, sha256, caption) FROM stdin;\n1\t{H}\ta key, a token\n\\.\n",
    "COPY users (id, password) FROM stdin;\n1\t\\N\n2\t********\n\\.\n",
    "INSERT INTO pictures (name, hash) VALUES\n('a', '{H}'),\n('b', '{H}');\n",
    "CREATE TABLE a (id int, keyword text);\nINSERT INTO a VALUES (1, 'portrait2026');\n",
    '{{"kty": "RSA", "n": "{S}", "e": "AQAB", "kid": "{K}"}}',
    '{{"kty": "EC", "crv": "P-256", "x": "{K}", "y": "{K}"}}',
    '{{"d": "{K}", "k": "{K}"}}',
    'client = Client("someone/space-of-pictures-2024-v2")\n',
    'client = MongoClient("mongo12.internal.example.org")\n',
    'Client("3f2504e0-4f89-41d3-9a0c-0305e82c3301")\n',
    "monkey={H}\nhotkey={K}\nKEYWORDS={K}\n",
    "-----BEGIN PUBLIC KEY-----\n{K}\n",
    "ssh_host_key_fingerprint: {H:.32}\nSHA256:{K}\n",
    "X-Cache-Key: {H}\nX-Idempotency-Key: {K}\n--sort-key {H:.32}\n",
    "<picture artwork_key='{H:.32}' n='1'/>\n",
    "path,artwork_key\na.png,{H:.40}\n",
    '{{"token": "▁portrait", "id": 12}}\n{{"pad_token": "<|{K}|>", "eos_token_id": 2}}\n',
    "run: wandb/run-20240501_123000-{H:.8}\nkey light, low key, {H:.40}\n",
    '{{"cell_type": "code", "id": "{H:.8}", "metadata": {{"key": "{H:.32}"}}}}\n',
    "outs:\n- md5: {H:.32}.dir\n  path: data\n  cache_key: {H:.32}\n",
    "the key is that {H:.40} is a commit\n",
    "upw: {H:.12}\nshipwreck: {H:.12}\n",
    "width  1024\nheight  1024\nmodel  {H:.40}\n",
    "user: me\nDTYPE=Float32x\n",
    "user\nme\n2024-05-01T12:30:00Z\n",
    "Account: someone\nStableDiffusion3Medium\n",
    "login: me\nhttps://x.org/A1b2C3\n",
    "me@example.org\nORCID:0000-0002-1825-0097\n",
    "git@example.org:People/Photos2024.git\n",
    "me@example.org Photo_2024-05-01_IMG2.JPG\n",
    "key  portrait_of_1girl_v2\ntoken  sks_person2\n",
    "password  hello\npassword case-sensitive\n",
    "======  ======\nname    key\n======  ======\na       {H:.32}\n======  ======\n",
    "AKIA{U}{B}\n",
    "iVBORw0KGgo{B}\nAKIA{U}{B}\n{B}\n",
)


def near_apart(seed: int = 12) -> Iterator[str]:
    """Texts that are no secrets."""
    r = random.Random(seed)
    for text in NEAR:
        for _ in range(5):
            base64ish = "".join(a + b for a, b in zip(some(r, 28), some(r, 28), strict=True))
            yield text.format(**_values(r), U=some(r, 16, UPPER), B=base64ish)


def near_files(seed: int = 13) -> Iterator[tuple[str, bytes]]:
    """(name, file) of binary files that hold none."""
    r = random.Random(seed)
    v = _values(r)
    yield "a.db", database(["file_name", "sha256"], ["a.png", v["H"]])
    yield "b.db", database(["name", "value"], ["steps", "100"])
    yield "a.pkl", pickle.dumps({"tokens": ["sks", "man"], "model": v["H"], "secret": "garden"})
    yield "b.xlsx", workbook([["picture", "hash"], ["a.png", v["H"]]], shared=True)
    yield "a.gz", gzipped(8, b"pictures_of_people_2024_v2.tar")
    yield "b.gz", gzipped(4, bytes(range(40)))
