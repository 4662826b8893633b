"""Made-up secrets as people have them every day, beside names and words that tell in many other
ways than `name = value`, and what looks so and is none."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator

from tests.security.secrets_apart import HEX, LETTERS, UPPER, some

# K: a key, P: a password, H: 32 hexadecimal digits, G: 40 of them; B: the password in base64, N:
# the key in base64, C: a certificate in base64, T: a session of Telethon.
EVERYDAY: dict[str, str] = {
    # the user of an address is a token
    "user of an address": "git clone https://{G}@git.example.org/me/pictures.git\n",
    "user, no password": "curl https://{K}:@api.example.org/v1\n",
    "user, in json": '{{"url": "https://{K}@git.example.org/me/x"}}',
    "user, of a remote": '[remote "origin"]\n\turl = https://{K}@git.example.org/me/x.git\n',
    "user, of ftp": "ftp://{K}@files.example.org/a\n",
    "oracle": "jdbc:oracle:thin:me/{P}@//db.example.org:1521/x\n",
    # .netrc in any order
    "netrc with a port": "machine smtp.example.org login me port 587 password {P}\n",
    "netrc, password first": "machine api.example.org password {P} login me\n",
    "netrc on lines": "machine api.example.org\n  password {P}\n  login me\n",
    "netrc, no login": "machine api.example.org password {K}\n",
    "netrc, all of it": 'machine x.org login "me" account a protocol https port 443 password "{P}"\n',
    "netrc, default": "default login me port 21 password {P}\n",
    # an element below one that tells
    "unattended": "<Password><Value>{P}</Value><PlainText>true</PlainText></Password>",
    "unattended on lines": "<Password>\n   <Value>{P}</Value>\n</Password>\n",
    "element with attributes": '<password type="a"><string lang="en">{P}</string></password>',
    "element in a namespace": "<w:Password><w:Value>{P}</w:Value></w:Password>",
    "element of a key": "<apiKey><value>{K}</value></apiKey>",
    "cdata": "<password><![CDATA[{P}]]></password>",
    "cdata below": "<apiKey><value><![CDATA[{K}]]></value></apiKey>",
    # a default beside a name
    "pydantic": 'class S(BaseSettings):\n    api_key: str = Field(default="{K}")\n',
    "pydantic, first": 'api_key: str = Field("{K}", env="A")\n',
    "pydantic with more": 'api_key: SecretStr = Field(alias="a", default="{K}", repr=False)\n',
    "column": 'password = Column(String(40), nullable=False, default="{P}")\n',
    "property of c#": 'public string ApiKey {{ get; set; }} = "{K}";\n',
    "property of c#, init": 'public string Password {{ get; init; }} = "{P}";\n',
    "ruby or": "ENV['API_TOKEN'] ||= '{K}'\n",
    "ruby or, of a hash": 'config[:api_token] ||= "{K}"\n',
    "ruby fetch": "ENV.fetch('API_TOKEN') {{ '{K}' }}\n",
    "javascript or": 'const token = process.env.X || "{K}";\n',
    "javascript or, a name": 'const k = process.env.API_TOKEN || "{K}";\n',
    "javascript nullish": "apiKey: import.meta.env.VITE_X ?? '{K}',\n",
    "javascript assigns": 'settings.apiKey ??= "{K}";\n',
    "python or": 'api_key = os.environ.get("X") or "{K}"\n',
    "python getenv": 'api_key = os.getenv("X", "{K}")\n',
    "python getenv in a dict": '{{"api_key": os.getenv("X", "{K}")}}\n',
    "python getenv of a word": 'os.getenv("DB_PASSWORD", "{P}")\n',
    "python environ": "api_key = os.environ.get('X', default='{K}')\n",
    "decouple": 'SECRET_KEY = config("X", default="{K}")\n',
    "django-environ": 'DB_PASSWORD = env.str("X", "{P}")\n',
    "php": "$apiKey = getenv('X') ?: '{K}';\n",
    "php nullish": "'api_key' => $_ENV['X'] ?? '{K}',\n",
    "laravel": "'api_key' => env('X', '{K}'),\n",
    "kotlin": 'val apiKey = System.getenv("X") ?: "{K}"\n',
    "rust": 'let api_key = env::var("X").unwrap_or("{K}".into());\n',
    "rust, else": 'let api_key = env::var("X").unwrap_or_else(|_| "{K}".to_string());\n',
    "java": 'String apiKey = Optional.ofNullable(System.getenv("X")).orElse("{K}");\n',
    "scala": 'val apiKey = sys.env.getOrElse("X", "{K}")\n',
    "zod": 'API_KEY: z.string().min(8).default("{K}"),\n',
    "viper": 'viper.SetDefault("api_key", "{K}")\n',
    "shell": 'export API_KEY="${{API_KEY:-{K}}}"\n',
    "shell, another": "API_KEY=${{X:-{K}}}\n",
    "shell, a password": ': "${{DB_PASSWORD:={P}}}"\n',
    "spring": '@Value("${{api.key:{K}}}")\n',
    "compose": "      POSTGRES_PASSWORD: ${{X:-{P}}}\n",
    "jinja": "api_key: {{{{ x | default('{K}') }}}}\n",
    "jinja, a name": "{{{{ api_key | default('{K}', true) }}}}\n",
    "sql": "CREATE TABLE a (id int, api_key TEXT DEFAULT '{K}', n int);\n",
    "sql, not null": "ALTER TABLE a ADD COLUMN api_key VARCHAR(80) NOT NULL DEFAULT '{K}';\n",
    "graphql": 'query ($apiKey: String! = "{K}") {{ a }}\n',
    "typescript": 'function f(apiKey: string | undefined = "{K}") {{}}\n',
    # heredocs
    "hcl": "api_token = <<EOF\n{K}\nEOF\n",
    "hcl, set in": "password = <<-EOT\n    {P}\n  EOT\n",
    "ruby heredoc": "API_TOKEN = <<~TEXT\n  {K}\nTEXT\n",
    "php heredoc": "$apiToken = <<<'EOT'\n{K}\nEOT;\n",
    # a word and a value in a line
    "redis": "port 6379\nrequirepass {P}\n",
    "redis, a replica": "masterauth {P}\n",
    "redis in quotes": 'requirepass "{P}"\n',
    "ldap": "rootbindpw {P}\nbindpw {P}\n",
    "slapd": "rootpw\t\t{P}\n",
    "keepalived": "    auth_type PASS\n    auth_pass {P}\n",
    "fetchmail": 'poll mail.example.org proto imap user "me" pass "{P}" ssl\n',
    "fetchmail on lines": 'poll mail.example.org\n  user "me" is "you" here\n  pass "{P}"\n',
    "ipsec": '192.0.2.1 198.51.100.1 : PSK "{P}"\n',
    "ipsec, to all": ': PSK "{P}"\n',
    "ipsec, a user": 'me : EAP "{P}"\n',
    "network manager": "[wifi-security]\nkey-mgmt=wpa-psk\npsk={P}\n",
    "network manager, raw": "psk={H}{H}\n",
    "supplicant": 'network={{\n  ssid="home"\n  psk={H}{H}\n}}\n',
    "iwd": "[Security]\nPassphrase={P}\nPreSharedKey={H}{H}\n",
    "code for a phone": "WIFI:T:WPA;S:home;P:{P};;\n",
    "code, another order": "WIFI:S:my home;P:{P};T:WPA2;H:false;;\n",
    "code in json": '{{"text": "WIFI:S:home;T:WPA;P:{P};;"}}',
    "wlan": "<sharedKey><keyType>passPhrase</keyType><keyMaterial>{P}</keyMaterial></sharedKey>",
    "netsh": "    Key Content            : {P}\n",
    "ssh2": "StoredPassword {P}\nproxyPassword  {P}\n",
    "proxy": "HTTPS_PROXY=me:{P}@proxy.example.org:8080\n",
    "proxy of curl": "curl -x me:{P}@proxy.example.org:3128 http://x.org\n",
    "redis, users": "user me on >{P} ~* +@all\n",
    "oracle, a user": "CREATE USER me IDENTIFIED BY {P};\n",
    "offlineimap": "remotepass = {P}\n",
    "supplicant, a command": "wpa_passphrase home {P}\n",
    # what is in base64 behind a name
    "ldif": "dn: cn=me\nuserPassword:: {B}\n",
    "ldif, another": "sambaSecretKey:: {N}\n",
    "kubernetes": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  conn: {B}\n",
    "kubernetes, a key": "kind: Secret\ntype: Opaque\ndata:\n  n: MQ==\n  main: {N}\n",
    "kubernetes, data first": "apiVersion: v1\ndata:\n  conn: {B}\nkind: Secret\n",
    "kubernetes, plain": "kind: Secret\nstringData:\n  main: {P}\n",
    "kubernetes, in quotes": "kind: Secret\nstringData:\n  user: me\n  main: '{P}'\n",
    "kubernetes, a block": "kind: Secret\nstringData:\n  main: |\n    {P}\n",
    "kubernetes in json": '{{"kind": "Secret", "data": {{"conn": "{B}"}}}}',
    "kubernetes in json, plain": '{{"apiVersion": "v1", "stringData": {{"a": "{P}"}}, "kind": "Secret"}}',
    "kubernetes, on lines": '{{\n "kind": "Secret",\n "data": {{\n  "a": "MQ==",\n  "conn": "{B}"\n }}\n}}\n',
    "kubernetes, of several": "kind: Service\n---\nkind: Secret\ndata:\n  conn: {B}\n---\nkind: Pod\n",
    # what a tool has drawn, sessions, calendars
    "terraform": '{{"type": "random_password", "name": "db", "instances": [{{"attributes": '
    '{{"bcrypt_hash": "a", "id": "none", "length": 16, "result": "{P}"}}}}]}}',
    "terraform on lines": '  "type": "random_password",\n  "name": "db",\n  "attributes": {{\n'
    '   "id": "none",\n   "result": "{P}",\n   "special": true\n  }}\n',
    "telethon": "client = TelegramClient(StringSession('{T}'), 1, 'a')\n",
    "telethon, a variable": 'STRING_SESSION="{T}"\n',
    "telethon, in json": '{{"session": "{T}"}}',
    "calendar": "https://calendar.google.com/calendar/ical/me%40example.org/private-{H}/basic.ics\n",
    "calendar, another": "webcal://calendar.google.com/calendar/ical/x/private-{H}/full.ics\n",
    "supabase": "SUPABASE_SERVICE_ROLE_KEY={K}\nservice_role_key: {K}\n",
    "dotnet": "<RSAKeyValue><Modulus>{N}</Modulus><D>{N}{N}</D></RSAKeyValue>",
    "openssl": "privateExponent:\n    00:b3:6f:12:9c:01:ff:a0:3c:11:72:9e:b1:0d:55:\n    7c:01\n",
    "bind": "Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: {N}\n",
}  # fmt: skip

NEAR_EVERYDAY: tuple[str, ...] = (
    "https://git@github.com/me/x.git https://me@git.example.org/me/x\n",
    "https://{H}@o42.ingest.sentry.io/1234\n",
    "https://{H}@sentry.example.org/12\n",
    "https://a-long-name-of-a-user@git.example.org/x\n",
    "https://huggingface.co/@me/{G}\n",
    "https://example.org/{G}@main https://cdn.example.org/npm/x@{G}\n",
    "https://<token>@git.example.org/x https://${{TOKEN}}@git.example.org/x\n",
    "https://your-api-token-goes-here1@git.example.org/x\n",
    "jdbc:oracle:thin:me/password@//db:1521/x jdbc:oracle:thin:@//db:1521/x\n",
    "machine learning password cracking\nmachine x.org login me port 21\n",
    "machine x.org login me password <password>\n",
    "a sewing machine by default, a login page, a password 1\n",
    "machine huggingface.co login me account a password token\n",
    "<password><value>changeme</value></password>\n",
    "<Password><Hidden>true</Hidden><Length>12</Length></Password>\n",
    "<key><value>{H}</value></key>\n",
    "<token><text>portrait</text></token><key><string>file_name_2.png</string></key>\n",
    "<secrets><description>where they are kept, see 2.1</description></secrets>\n",
    'api_key: str = Field(default="", description="the key of the service, see section 2")\n',
    'api_key: str = Field(default=None, alias="OPENAI_API_KEY_V2")\n',
    'api_key: str | None = Field(default_factory=lambda: load_from("keyring-v2"))\n',
    'token: str = Field("sks", description="a token of 1 word")\n',
    'password = Column(String(40), nullable=False, default="")\n',
    "public string ApiKey {{ get; set; }} = string.Empty;\n",
    'public string PasswordHint {{ get; set; }} = "At least 8 letters";\n',
    'public string Key {{ get; set; }} = "ImageEmbeddingV2";\n',
    "ENV['API_TOKEN'] ||= ENV['OTHER_TOKEN_V2']\n",
    "@cache_key ||= '{H}'\n@key ||= \"pictures/v2\"\n",
    'const token = process.env.X || "";\nconst key = props.key || "item-12345678901";\n',
    'const token = options.token || "sks_person";\n',
    'api_key = os.getenv("X") or getpass.getpass("API key v2: ")\n',
    'api_key = os.getenv("X", "")\ntoken = os.getenv("X", None)\n',
    'api_key = os.getenv("OPENAI_API_KEY", "your-key-goes-here-123")\n',
    'token = os.getenv("TRIGGER", "ohwx person 2")\n',
    'key = os.getenv("X", "images/train/00001.png")\n',
    'cache_key = config.get("X", "{H}")\n',
    'password = get_password("mysql01", "user_name1")\n',
    'model_key = settings.get("model", "stable-diffusion-xl-base-1.0")\n',
    "API_KEY=${{API_KEY:-}}\nAPI_KEY=${{API_KEY:?set API_KEY2 first}}\nTOKEN=${{TOKEN:-$HF_TOKEN2}}\n",
    "POSTGRES_PASSWORD: ${{POSTGRES_PASSWORD:-changeme}}\n",
    "{{{{ api_key | default('') }}}}\n{{{{ token | default('sks_person') }}}}\n",
    "CREATE TABLE a (password TEXT DEFAULT '', token VARCHAR(80) DEFAULT NULL, key TEXT DEFAULT 'a1');\n",
    "caption_key TEXT DEFAULT '{H}'\n",
    "key = <<EOF\n{H}\nEOF\n",
    "token = <<EOF\na photo of a man\nEOF\n",
    "password = <<EOF\n${{random_password.db.result}}\nEOF\n",
    "requirepass <password>\nrequirepass foobared\n# requirepass of redis 7\n",
    "the option requirepass asks for a password; masterauth v2 is of replicas\n",
    'he must pass "Go 2 start" on his way\nto pass "42nd Street", a photo\n',
    "psk= is how they write it; a photo with psk=2 on a plate\n",
    "a plate with PSK 2047 on it, psk=none\npsk=<your key>\npsk-flags=1\n",
    'psk="your_password_1"\n: PSK "<key>"\n',
    "key-mgmt=wpa-psk\nauth-alg=open\n",
    "WIFI:T:WPA;S:home;P:password;;\nWIFI:T:nopass;S:cafe1;;\nWIFI:S:<name>;P:<password>;;\n",
    "a poster that says WIFI: free; S: 12; P: 34\n",
    "wifi: yes; parking: 2nd floor; pool: P:none12345\n",
    "<keyMaterial></keyMaterial><keyMaterial>********</keyMaterial>\n",
    "The key material of this lesson: chapter 12. Key Content : none\n",
    "Key content: black-and-white\nThe key content: photo_realistic\nkey content : 2d/3d-mix\n",
    "std::password::Base64Encoder1 a; token:: next1234\nkey::value12345678\n",
    "objectClass:: {N}\njpegPhoto:: {C}\nuserCertificate:: {C}\n",
    "kind: ConfigMap\ndata:\n  conn: {B}\n  main: {P}\n",
    "kind: Secret\nmetadata:\n  name: db2024v1\n  uid: {H}\ntype: kubernetes.io/tls\n",
    "kind: Secret\ndata:\n  user: bWU=\n  ca.crt: {C}\n  host: ZGIxLmV4YW1wbGUub3Jn\n",
    "kind: Secret\nstringData:\n  main: <password>\n  a: changeme\n  b: ${{DB_PASSWORD_1}}\n",
    "kind: SecretStore\nspec:\n  provider: aws2\ndata:\n  conn: {B}\n",
    "kind: ExternalSecret\nspec:\n  data:\n  - secretKey: a1b2c3d4\n",
    "kind: Secret\nspec:\n  encryptedData:\n    a: AgBy{K}\n",
    "a kind: Secret garden. data: 12 pictures, photo1.png\n",
    '"type": "random_id", "attributes": {{"result": "{H}"}}\n',
    '{{"type": "random_password", "instances": []}}\n',
    'resource "random_password" "db" {{\n  length = 16\n  special = true\n}}\n',
    "StringSession('1...')\nclient = TelegramClient(StringSession(session1), 1)\n",
    '{{"session": "{N}", "seed": 1}}',
    "https://calendar.google.com/calendar/ical/me/public/basic.ics\n",
    "a private-{H} branch, private-{H}.png\n",
    "<RSAKeyValue><Modulus>{N}{N}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>",
    "Modulus:\n    00:b3:6f:12:9c:01:ff:a0:3c:11:72:9e:b1:0d:55:\nExponent: 65537\n",
    "HTTPS_PROXY=user:password@proxy:8080\nHTTP_PROXY=$USER1:$PASS1@proxy:8080\nNO_PROXY=a1:8080\n",
    "curl -x proxy.example.org:3128 http://x.org\n",
    "user me on nopass ~* +@all\na user 2 on >page2of3< of the manual\n",
    "CREATE USER me IDENTIFIED BY <password>;\nwho was identified by witnesses2024\n",
    "wpa_passphrase home < file1\nbypass = lane2left\ntrespass = sign1234\n",
    "a locker with number 4 || key 2, pass || fail 1\n",
    "a password or a spell of the film; tokens or word2vec-google-news-300\n",
    "1girl, holding key, key or lock, secret || hidden, psk, wifi, machine, login\n",
)


def session(r: random.Random) -> str:
    """Of Telethon: a version, and an address, a port and a key in base64."""
    packed = b"\2\x95\x9a\xa7\x5b\x01\xbb" + r.randbytes(256)
    return "1" + base64.urlsafe_b64encode(packed).decode()


def values(r: random.Random) -> dict[str, str]:
    """What the letters of the texts stand for."""
    key = f"{some(r, 12)}7{some(r, 27)}"
    password = f"{some(r, 4, LETTERS[:26])}{some(r, 2, '23456789')}{some(r, 6)}"
    return {
        "K": key,
        "P": password,
        "H": some(r, 32, HEX),
        "G": some(r, 40, HEX),
        "B": base64.b64encode(password.encode()).decode(),
        "N": base64.b64encode(key.encode()).decode(),
        "C": base64.b64encode(b"\x30\x82\3\x21\x30\x82\2\x09\xa0\3\2\1\2" + r.randbytes(120)).decode(),
        "T": session(r),
        "U": some(r, 16, UPPER),
    }  # fmt: skip


def planted_everyday(seed: int = 31) -> Iterator[tuple[str, str, bytes]]:
    """(name of the case, nothing, file), each alone and among captions."""
    r = random.Random(seed)
    for name, text in EVERYDAY.items():
        whole = text.format(**values(r))
        yield name, "", whole.encode()
        yield (
            f"{name}, among others",
            "",
            f"a photo\n\nsome words, more\n\n{whole}\n\nend\n".encode(),
        )


def near_everyday(seed: int = 32) -> Iterator[str]:
    """Texts that are no secrets."""
    r = random.Random(seed)
    for text in NEAR_EVERYDAY:
        for _ in range(5):
            yield text.format(**values(r))
