"""Forms of tokens that further services give: clouds, shops, trackers of errors, hosts of models.

A row is what it is, words of which one must be in the text, and the pattern, as in `shapes`;
`careful`: letters and digits must be mixed in it, for words with such a beginning are words too.
"""

from __future__ import annotations

from typing import NamedTuple

_ALONE = r"(?<![A-Za-z0-9_])"  # nothing that it could be the rest of
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Row(NamedTuple):
    """A service's form."""

    what: str
    needles: tuple[str, ...]
    pattern: str
    careful: bool = False


ROWS: tuple[Row, ...] = (
    Row("a Vercel token", ("vcp_", "vci_", "vca_", "vcr_", "vck_"), _ALONE + r"vc[piark]_[A-Za-z0-9]{24,64}", True),
    Row("a Vercel token", ("vercel_blob_rw_",), r"vercel_blob_rw_[A-Za-z0-9]{8,24}_[A-Za-z0-9]{20,48}"),
    Row("an Amazon Bedrock key", ("ABSK",), r"(?<![A-Za-z0-9+/])ABSK[A-Za-z0-9+/]{80,160}={0,2}", True),
    Row("an Amazon Bedrock key", ("bedrock-api-key-",), r"bedrock-api-key-[A-Za-z0-9+/=_-]{80,2000}"),
    Row("an AWS session token", ("IQoJb3JpZ2luX2Vj", "FwoGZXIvYXdz"), r"(?:IQoJb3JpZ2luX2Vj|FwoGZXIvYXdz)[A-Za-z0-9+/%]{80,2000}"),
    Row("a Cloudflare key", ("v1.0-",), r"v1\.0-[0-9a-f]{24}-[0-9a-f]{100,160}"),
    Row("a Fly.io token", ("fo1_", "fm1", "fm2_"), _ALONE + r"(?:fo1_[A-Za-z0-9_-]{40,46}|fm(?:1[ar]|2)_[A-Za-z0-9+/=_-]{80,2000})", True),
    Row("a Render key", ("rnd_",), _ALONE + r"rnd_[A-Za-z0-9]{28,40}(?![A-Za-z0-9])", True),
    Row("a PlanetScale token", ("pscale_",), r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}"),
    Row("a Pulumi token", ("pul-",), _ALONE + r"pul-[0-9a-f]{40}(?![0-9a-f])"),
    Row("a Prefect key", ("pnu_", "pnb_"), _ALONE + r"pn[ub]_[A-Za-z0-9]{36}(?![A-Za-z0-9])", True),
    Row("a Brevo key", ("keysib-", "smtpsib-"), r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    Row("a Sourcegraph token", ("sgp_",), _ALONE + r"sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}(?![0-9a-f])"),
    Row("a Dynatrace token", ("dt0",), _ALONE + r"dt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    Row("a Mailgun key", ("key-",), r"(?<![A-Za-z0-9_-])key-[0-9a-f]{32}(?![0-9a-f-])"),
    Row("an OpenShift token", ("sha256~",), r"sha256~[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"),
    Row("a ReadMe key", ("rdme_",), _ALONE + r"rdme_[a-z0-9]{70}"),
    Row("a Contentful token", ("CFPAT-",), r"CFPAT-[A-Za-z0-9_-]{43}"),
    Row("a Clojars token", ("CLOJARS_",), r"CLOJARS_[0-9a-z]{60}"),
    Row("a SonarQube token", ("squ_", "sqp_", "sqa_"), _ALONE + r"sq[upa]_[0-9a-f]{40}(?![0-9a-f])"),
    Row("a Yandex key", ("AQVN", "y0_A"), r"(?<![A-Za-z0-9+/_-])(?:AQVN[A-Za-z0-9_-]{35,38}|y0_A[A-Za-z0-9_-]{50,70})(?![A-Za-z0-9+/=])", True),
    Row("a 1Password token", ("ops_eyJ",), r"ops_eyJ[A-Za-z0-9+/=_-]{200,2000}"),
    Row("a 1Password key", ("A3-",), _ALONE + r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}(?![A-Z0-9])"),
    Row("a Jina key", ("jina_",), _ALONE + r"jina_[A-Za-z0-9]{50,70}", True),
    Row("a Firecrawl key", ("fc-",), r"(?<![A-Za-z0-9_-])fc-[0-9a-f]{32}(?![0-9a-f-])"),
    Row("a Helicone key", ("sk-helicone-",), r"sk-helicone-[A-Za-z0-9]{7}(?:-[A-Za-z0-9]{7}){2,3}"),
    Row("a Langfuse key", ("sk-lf-",), rf"sk-lf-{_UUID}"),
    Row("a Voyage key", ("pa-",), r"(?<![A-Za-z0-9_-])pa-[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])", True),
    Row("a Runway key", ("key_",), _ALONE + r"key_[0-9a-f]{128}(?![0-9a-f])"),
    Row("a Luma key", ("luma-",), _ALONE + rf"luma-{_UUID}-[A-Za-z0-9-]{{6,60}}"),
    Row("an Anyscale key", ("esecret_",), r"esecret_[A-Za-z0-9]{24,40}", True),
    Row("a Neptune token", ("eyJhcGlfYWRkcmVzcyI6",), r"eyJhcGlfYWRkcmVzcyI6[A-Za-z0-9+/]{60,800}={0,2}"),
    Row("a Grafana key", ("eyJrIjoi",), r"(?<![A-Za-z0-9+/.])eyJrIjoi[A-Za-z0-9+/]{52,300}={0,2}", True),
    Row("a Twitch token", ("oauth:",), r"oauth:[a-z0-9]{30}(?![A-Za-z0-9])", True),
    Row("the Discord token of an account", ("mfa.",), r"(?<![\w.])mfa\.[A-Za-z0-9_-]{84}(?![\w-])"),
    Row("a PayPal token", ("access_token$",), r"access_token\$(?:production|sandbox)\$[0-9A-Za-z]{16}\$[0-9a-f]{32}"),
    Row("a Plaid token", ("access-",), rf"access-(?:sandbox|development|production)-{_UUID}"),
    Row("a Square token", ("EAAA",), r"(?<![A-Za-z0-9+/=_-])EAAA[A-Za-z0-9_-]{60}(?![A-Za-z0-9+/=_-])", True),
    Row("an Instagram token", ("IGQV", "IGQW", "IGAA"), r"(?<![A-Za-z0-9+/=_-])IG(?:Q[VW]|AA)[A-Za-z0-9_-]{80,400}(?![A-Za-z0-9+/=])", True),
    Row("an Asana token", ("1/1", "2/1"), r"(?<![A-Za-z0-9/._-])[12]/1\d{14,16}(?:/1\d{14,16})?:[0-9a-f]{32}(?![0-9a-zA-Z])"),
    Row("a NuGet key", ("oy2",), r"(?<![A-Za-z0-9])oy2[a-z0-9]{43}(?![A-Za-z0-9])", True),
    Row("a crates.io token", ("cio",), r"(?<![A-Za-z0-9+/_-])cio[A-Za-z0-9]{32}(?![A-Za-z0-9+/=_-])", True),
    Row("the key of a wallet", ("prv",), r"(?<![A-Za-z0-9])[xyzXYZ]prv[1-9A-HJ-NP-Za-km-z]{100,112}(?![A-Za-z0-9])"),
    Row("an Azure key", ("JQQJ99",), r"(?<![A-Za-z0-9])[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}(?![A-Za-z0-9])"),
    Row("an Azure key", ("AzSe",), r"(?<![A-Za-z0-9])[A-Za-z0-9]{42}AzSe[A-Za-z0-9]{6}(?![A-Za-z0-9])"),
    Row("an Azure key", ("AzFu",), r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{5}[AQgw]=="),
    Row("an Azure key", ("+ACR",), r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42}\+ACR[A-D][A-Za-z0-9+/]{5}(?![A-Za-z0-9+/=])"),
    Row("a Duffel token", ("duffel_",), r"duffel_(?:live|test)_[A-Za-z0-9_=-]{43}"),
    Row("a Flutterwave key", ("FLWSECK",), r"FLWSECK(?:_TEST)?-[0-9a-fA-F]{12,32}-X"),
    Row("a Shippo token", ("shippo_",), r"shippo_(?:live|test)_[0-9a-f]{40}"),
    Row("an EasyPost key", ("EZAK", "EZTK"), r"(?<![A-Za-z0-9+/])EZ[AT]K[A-Za-z0-9]{54}(?![A-Za-z0-9+/=])", True),
    Row("a Firebase key", (":APA91b",), r"(?<![A-Za-z0-9_-])AAAA[A-Za-z0-9_-]{7}:APA91b[A-Za-z0-9_-]{100,160}"),
    Row("a Lambda key", ("secret_",), _ALONE + r"secret_[a-z0-9A-Z-]{4,40}_[A-Za-z0-9]{32}\.[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    Row("a Segmind key", ("SG_",), _ALONE + r"SG_(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{16}(?![0-9A-Za-z])"),
    Row("a Buildkite token", ("bkua_",), _ALONE + r"bkua_[0-9a-f]{40}"),
    Row("a CircleCI token", ("CCIPAT_", "CCIPRJ_"), r"CCIP(?:AT|RJ)_[A-Za-z0-9]{20,24}_[0-9a-f]{40}"),
    Row("an Adafruit key", ("aio_",), _ALONE + r"aio_[A-Za-z0-9]{28}(?![A-Za-z0-9])", True),
    Row("an Adobe secret", ("p8e-", "p8_"), _ALONE + r"p8(?:e-[A-Za-z0-9]{32}(?![A-Za-z0-9])|_[A-Za-z0-9_-]{60,80})", True),
    Row("a Frame.io token", ("fio-u-",), r"fio-u-[A-Za-z0-9_=-]{64}"),
    Row("a MailerSend token", ("mlsn.",), r"mlsn\.[0-9a-f]{64}"),
    Row("a Resend key", ("re_",), _ALONE + r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}(?![A-Za-z0-9])", True),
    Row("a Typeform token", ("tfp_",), _ALONE + r"tfp_[A-Za-z0-9_.=-]{55,64}", True),
    Row("an E2B key", ("e2b_",), _ALONE + r"e2b_[0-9a-f]{40}(?![0-9a-f])"),
    Row("a Cursor key", ("crsr_",), _ALONE + r"crsr_[0-9a-f]{64}"),
    Row("a key of an index (llx)", ("llx-",), _ALONE + r"llx-[A-Za-z0-9]{40,64}", True),
    Row("a Neon key", ("napi_",), _ALONE + r"napi_[a-z0-9]{60,70}", True),
    Row("a PostHog key", ("phx_",), _ALONE + r"phx_[A-Za-z0-9]{40,48}", True),
    Row("a Logfire token", ("pylf_",), r"pylf_v\d_[a-z]{2,10}_[A-Za-z0-9]{40,60}"),
    Row("a Freepik key", ("FPSX",), r"FPSX[0-9a-f]{32}(?![0-9a-f])"),
    Row("a token of a conda channel", ("anaconda.org/t/",), r"anaconda\.org/t/[A-Za-z0-9_-]{20,80}(?=/)"),
    Row("a LaunchDarkly key", ("sdk-", "api-"), rf"(?<![A-Za-z0-9_-])(?:sdk|api)-{_UUID}(?![0-9a-f-])"),
    Row("a Honeycomb key", ("hcaik_", "hcbik_", "hcalk_"), r"hc[ab][il]k_[a-z0-9]{50,64}"),
    Row("a Linear key", ("lin_oauth_",), r"lin_oauth_[0-9a-f]{60,70}"),
)  # fmt: skip
