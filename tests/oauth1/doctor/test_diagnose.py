"""Requests signed wrongly, by code that shares nothing with valetkey, are brought to the doctor."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote

import pytest

from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.diagnose import Diagnosis, Question, diagnose
from valetkey.oauth1.doctor.reading import read_curl, read_har
from valetkey.oauth1.doctor.wording import explain
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENT_SECRET = "canary+client/secret=="
TOKEN_SECRET = "canary token secret&"
URL = "https://API.Example.com/v1/Things/?b5=%3D%253D&a3=a&c%40=&a2=r%20b&a3=2%20q&x=1/2*"
BODY = "c2=&a3=2+q&status=Hello+Ladies+%2b+Gentlemen%2C%20caf%C3%A9%21~&text=x"
OAUTH = {
    "oauth_consumer_key": "9djdj82h48djs9d2!",
    "oauth_token": "kkk9d7dh3k39sjv7",
    "oauth_signature_method": "HMAC-SHA1",
    "oauth_timestamp": "137131201",
    "oauth_nonce": "7d8f3e4a",
    "oauth_version": "1.0",
}


def enc(text: str) -> str:
    return quote(text, safe="~")


def same(text: str) -> str:
    return text


class Signer:
    """Signs as a careless programmer would: every step can be replaced."""

    def __init__(self, **steps: Any) -> None:
        self.method = "POST"
        self.base_uri = "https://api.example.com/v1/Things/"
        self.encode: Callable[[str], str] = enc
        self.outer: Callable[[str], str] = enc
        self.sort_key: Callable[[tuple[str, str, str, str]], object] | None = lambda row: row[:2]
        self.query = parse_qsl(URL.partition("?")[2], keep_blank_values=True)
        self.form = parse_qsl(BODY, keep_blank_values=True)
        self.more: list[tuple[str, str]] = []
        self.key = f"{enc(CLIENT_SECRET)}&{enc(TOKEN_SECRET)}"
        self.digest = "sha1"
        self.text: Callable[[bytes], str] = lambda octets: b64encode(octets).decode()
        self.oauth = dict(OAUTH)
        for name, step in steps.items():
            assert hasattr(self, name), name
            setattr(self, name, step)

    def base_string(self) -> str:
        pairs = [*self.oauth.items(), *self.query, *self.form, *self.more]
        rows = [(self.encode(name), self.encode(text), name, text) for name, text in pairs]
        if self.sort_key is not None:
            rows.sort(key=self.sort_key)  # type: ignore[arg-type]
        normalized = "&".join(f"{row[0]}={row[1]}" for row in rows)
        return f"{self.outer(self.method)}&{self.outer(self.base_uri)}&{self.outer(normalized)}"

    def signature(self) -> str:
        made = hmac.new(self.key.encode(), self.base_string().encode(), getattr(hashlib, self.digest))
        return self.text(made.digest())

    def request(self, *, url: str = URL, body: str = BODY, kind: str = FORM, realm: str = "Photos") -> Request:
        fields = {"realm": realm, **self.oauth, "oauth_signature": self.signature()}
        header = "OAuth " + ", ".join(
            f'{name}="{text if name == "realm" else enc(text)}"' for name, text in fields.items()
        )
        return Request("POST", url, Headers((("Authorization", header), ("Content-Type", kind))), body.encode())


def examine(request: Request, **more: Any) -> Diagnosis:
    given = {"client_secret": Secret(CLIENT_SECRET), "token_secret": Secret(TOKEN_SECRET), **more}
    diagnosis = diagnose(request, **given)
    shown = "".join(piece.text for piece in explain(diagnosis)) + repr(diagnosis)
    assert "canary" not in unquote(shown)
    return diagnosis


def names(diagnosis: Diagnosis) -> set[str]:
    """The mistakes that were named alone."""
    return {finding[0].name for finding in diagnosis.findings if len(finding) == 1}


def test_a_signature_without_a_mistake_is_called_correct() -> None:
    diagnosis = examine(Signer().request())

    assert (diagnosis.verdict, diagnosis.request_is_correct, diagnosis.findings) == ("correct", True, ())


def raw_pairs(text: str) -> list[tuple[str, str]]:
    return [(name, found) for name, _, found in (field.partition("=") for field in text.split("&"))]


MARKS: Callable[[str], str] = lambda text: quote(text, safe="~!*'()")  # noqa: E731
LOWER: Callable[[str], str] = lambda text: "".join(  # noqa: E731
    character if len(character) == 1 else character.lower()
    for character in __import__("re").findall(r"%..|.", enc(text))
)
QUERY = URL.partition("?")[2]
KEEP_PLUS = [(unquote(name), unquote(text)) for name, text in raw_pairs(BODY)]
PLAIN_URI = "https://api.example.com/v1/Things/"

MISTAKES: dict[str, Signer] = {
    "escapes_not_decoded": Signer(query=raw_pairs(QUERY), form=raw_pairs(BODY)),
    "encoded_twice": Signer(encode=lambda text: enc(enc(text))),
    "plus_for_space": Signer(encode=lambda text: quote_plus(text, safe="~")),
    "plus_not_decoded": Signer(form=KEEP_PLUS),
    "not_encoded": Signer(encode=same),
    "parts_not_encoded": Signer(outer=same),
    "lower_case_escapes": Signer(encode=LOWER, outer=LOWER),
    "marks_not_encoded": Signer(encode=MARKS),
    "slash_not_encoded": Signer(encode=lambda text: quote(text, safe="~/")),
    "tilde_encoded": Signer(encode=lambda text: enc(text).replace("~", "%7E")),
    "latin1_not_utf8": Signer(encode=lambda text: quote(text.encode("latin-1"), safe="~")),
    "sorted_before_encoding": Signer(sort_key=lambda row: row[2:], more=[], form=[("a:", "1"), ("a0", "2")]),
    "sorted_as_joined": Signer(sort_key=lambda row: f"{row[0]}={row[1]}", form=[("a", "1"), ("a-b", "2")]),
    "sorted_by_name_only": Signer(sort_key=lambda row: row[0]),
    "not_sorted": Signer(sort_key=None),
    "query_left_out": Signer(query=[]),
    "query_in_address": Signer(base_uri=f"{PLAIN_URI}?{QUERY}"),
    "query_in_address_only": Signer(base_uri=f"{PLAIN_URI}?{QUERY}", query=[]),
    "empty_values_left_out": Signer(query=parse_qsl(QUERY), form=parse_qsl(BODY)),
    "repeated_names_collapsed": Signer(query=list(dict(parse_qsl(QUERY, keep_blank_values=True)).items())),
    "realm_included": Signer(more=[("realm", "Photos")]),
    "empty_signature_included": Signer(more=[("oauth_signature", "")]),
    "form_left_out": Signer(form=[]),
    "parameter_left_out:status": Signer(form=[pair for pair in parse_qsl(BODY, True) if pair[0] != "status"]),
    "default_port_kept": Signer(base_uri=PLAIN_URI.replace(".com", ".com:443")),
    "host_case_kept": Signer(base_uri=PLAIN_URI.replace("api.example", "API.Example")),
    "scheme": Signer(base_uri=PLAIN_URI.replace("https", "http")),
    "trailing_slash_removed": Signer(base_uri=PLAIN_URI[:-1]),
    "path_lower_case": Signer(base_uri=PLAIN_URI.lower()),
    "method_not_in_capitals": Signer(method="post"),
    "method_as_title": Signer(method="Post"),
    "other_method:GET": Signer(method="GET"),
    "token_secret_left_out": Signer(key=f"{enc(CLIENT_SECRET)}&"),
    "client_secret_only": Signer(key=enc(CLIENT_SECRET)),
    "secrets_not_encoded": Signer(key=f"{CLIENT_SECRET}&{TOKEN_SECRET}"),
    "secrets_swapped": Signer(key=f"{enc(TOKEN_SECRET)}&{enc(CLIENT_SECRET)}"),
    "line_break_in_client_secret": Signer(key=f"{enc(CLIENT_SECRET)}%0A&{enc(TOKEN_SECRET)}"),
    "line_break_in_token_secret": Signer(key=f"{enc(CLIENT_SECRET)}&{enc(TOKEN_SECRET)}%0A"),
    "other_hash:HMAC-SHA256": Signer(digest="sha256"),
    "other_hash:HMAC-SHA512": Signer(digest="sha512"),
    "output_hex": Signer(text=lambda octets: octets.hex()),
    "output_base64_of_hex": Signer(text=lambda octets: b64encode(octets.hex().encode()).decode()),
    "output_base64url": Signer(text=lambda octets: urlsafe_b64encode(octets).decode()),
    "output_unpadded": Signer(text=lambda octets: b64encode(octets).decode().rstrip("=")),
    "signature_encoded_twice": Signer(text=lambda octets: enc(b64encode(octets).decode())),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named_by_the_signature_that_it_makes(mistake: str) -> None:
    signer = MISTAKES[mistake]
    sends_its_own_form = signer.form and signer.form[0][0] in ("a:", "a")
    body = "&".join(f"{enc(n)}={enc(t)}" for n, t in signer.form) if sends_its_own_form else BODY
    nonce = 0
    while mistake == "output_base64url" and not set("-_") & set(signer.signature()):
        nonce += 1
        signer.oauth["oauth_nonce"] = str(nonce)

    diagnosis = examine(signer.request(body=body))

    assert (diagnosis.verdict, diagnosis.whose) == ("explained", "request")
    assert mistake in names(diagnosis), [[one.name for one in finding] for finding in diagnosis.findings]
    assert not diagnosis.request_is_correct


@pytest.mark.parametrize(
    ("mistake", "url", "base_uri"),
    [
        ("port_left_out", "https://api.example.com:8443/v1?a=b", "https://api.example.com/v1"),
        ("trailing_slash_added", "https://api.example.com/v1?a=b", "https://api.example.com/v1/"),
        ("trailing_slash_removed", "https://api.example.com?a=b", "https://api.example.com"),
        ("path_decoded", "https://api.example.com/a%20b?a=b", "https://api.example.com/a b"),
        ("scheme", "http://api.example.com/v1?a=b", "https://api.example.com/v1"),
    ],
)
def test_mistakes_in_the_address_are_named(mistake: str, url: str, base_uri: str) -> None:
    signer = Signer(base_uri=base_uri, query=[("a", "b")])

    assert mistake in names(examine(signer.request(url=url)))


def test_a_key_without_its_ampersand_is_named_where_there_is_no_token() -> None:
    signer = Signer(key=enc(CLIENT_SECRET))
    del signer.oauth["oauth_token"]

    assert "ampersand_left_out" in names(examine(signer.request(), token_secret=None))


def test_a_form_with_a_charset_that_was_left_out_names_the_charset() -> None:
    request = Signer(form=[]).request(kind=f"{FORM}; charset=UTF-8")

    assert "charset_in_content_type" in names(examine(request))


def test_a_body_of_another_type_that_was_counted_as_a_form_is_named() -> None:
    assert "body_counted_as_form" in names(examine(Signer().request(kind="text/plain")))


@pytest.mark.parametrize(("name", "text"), [("oauth_token", ""), ("oauth_version", "1.0")])
def test_a_protocol_parameter_that_was_signed_and_not_sent_is_named(name: str, text: str) -> None:
    signer = Signer()
    signer.oauth.pop(name)
    signer.more = [(name, text)]

    assert {"oauth_token": "empty_token_added", "oauth_version": "version_added"}[name] in names(
        examine(signer.request())
    )


def test_a_signature_whose_plus_became_a_blank_is_named() -> None:
    signer, nonce = Signer(), 0
    while "+" not in signer.signature():
        nonce += 1
        signer.oauth["oauth_nonce"] = str(nonce)
    given = signer.request()
    header = (given.headers.get("Authorization") or "").replace("%2B", "%20")
    # the other parameters have no plus
    request = Request("POST", given.url, given.headers.with_set("Authorization", header), given.body)

    assert "signature_plus_lost" in names(examine(request))


def test_blanks_around_a_secret_that_was_given_here_are_named() -> None:
    diagnosis = examine(Signer().request(), client_secret=Secret(f" {CLIENT_SECRET}\n"))

    assert "blanks_in_client_secret" in names(diagnosis)


def test_a_secret_that_was_copied_with_its_escapes_is_named() -> None:
    diagnosis = examine(Signer().request(), token_secret=Secret(enc(TOKEN_SECRET)))

    assert "escapes_in_token_secret" in names(diagnosis)


@pytest.mark.parametrize(
    ("first", "second", "signer"),
    [
        ("scheme", "plus_for_space", Signer(base_uri=PLAIN_URI.replace("https", "http"),
                                            encode=lambda text: quote_plus(text, safe="~"))),
        ("form_left_out", "token_secret_left_out", Signer(form=[], key=f"{enc(CLIENT_SECRET)}&")),
        ("query_left_out", "secrets_not_encoded", Signer(query=[], key=f"{CLIENT_SECRET}&{TOKEN_SECRET}")),
        ("host_case_kept", "other_hash:HMAC-SHA256",
         Signer(base_uri=PLAIN_URI.replace("api.example", "API.Example"), digest="sha256")),
    ],
)  # fmt: skip
def test_two_mistakes_at_once_are_named_together(first: str, second: str, signer: Signer) -> None:
    diagnosis = examine(signer.request())

    assert diagnosis.verdict == "explained"
    assert {first, second} in [{one.name for one in finding} for finding in diagnosis.findings]


def test_a_signature_that_nothing_explains_is_called_unexplained_with_the_number_of_tries() -> None:
    diagnosis = examine(Signer(key="another&secret").request())

    assert (diagnosis.verdict, diagnosis.findings) == ("unexplained", ())
    assert diagnosis.tried > 1000


def test_the_signature_that_the_other_side_tells_is_what_is_searched_for() -> None:
    theirs = Signer(form=[]).signature()

    diagnosis = examine(Signer().request(), question=Question(signature=Secret(theirs)))

    assert (diagnosis.whose, diagnosis.request_is_correct) == ("other side", True)
    assert "form_left_out" in names(diagnosis)


def test_a_base_string_of_the_other_side_is_enough_without_any_secret() -> None:
    theirs = Signer(base_uri=PLAIN_URI.replace("https", "http")).base_string()

    diagnosis = examine(
        Signer().request(), client_secret=None, token_secret=None, question=Question(base_string=theirs)
    )

    assert "scheme" in names(diagnosis)
    assert "they signed http://api.example.com/v1/Things/" in diagnosis.differences[0]


def test_the_same_base_string_on_both_sides_leaves_the_secrets_to_blame() -> None:
    theirs = Signer(key=f"{enc(CLIENT_SECRET)}&")
    question = Question(signature=Secret(theirs.signature()), base_string=theirs.base_string())

    diagnosis = examine(Signer().request(), question=question)

    assert diagnosis.differences == ()
    assert "token_secret_left_out" in names(diagnosis)


def test_a_plaintext_signature_is_examined_and_never_shown() -> None:
    header = (
        'OAuth oauth_consumer_key="a", oauth_signature_method="PLAINTEXT", '
        f'oauth_signature="{enc(CLIENT_SECRET + "&" + TOKEN_SECRET)}"'
    )
    request = Request("GET", "https://a.example/", Headers((("Authorization", header),)))

    assert "secrets_not_encoded" in names(examine(request))


def test_an_rsa_signature_is_examined_with_the_public_key() -> None:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signer = Signer(query=[], oauth={**OAUTH, "oauth_signature_method": "RSA-SHA256"})
    made = private.sign(signer.base_string().encode(), padding.PKCS1v15(), hashes.SHA256())
    signer.text = lambda _: b64encode(made).decode()

    diagnosis = examine(signer.request(), client_secret=None, question=Question(public_key=public.decode()))

    assert names(diagnosis) == {"query_left_out"}


def test_without_a_secret_it_says_what_is_missing() -> None:
    diagnosis = examine(Signer().request(), client_secret=None)

    assert diagnosis.verdict == "incomplete"
    assert "needs the client secret" in diagnosis.remarks[-1]


def test_a_request_without_any_signature_is_no_request_for_this_doctor() -> None:
    with pytest.raises(ConfigurationError, match="carries no oauth_"):
        examine(Request("GET", "https://a.example/"))


def test_a_header_that_is_written_wrongly_is_remarked_and_read_all_the_same() -> None:
    given = Signer().request()
    header = (given.headers.get("Authorization") or "").replace('="', "='").replace('"', "'")
    request = Request("POST", given.url, given.headers.with_set("Authorization", header), given.body)

    assert any("not written name=" in remark for remark in examine(request).remarks)


def test_passwords_and_verifiers_in_a_request_are_not_shown() -> None:
    signer = Signer(form=[("x_auth_password", "canary-password"), ("oauth_verifier", "canary-verifier")])

    diagnosis = examine(signer.request(body="x_auth_password=canary-password&oauth_verifier=canary-verifier"))

    assert any("stand in header and body" in remark for remark in diagnosis.remarks)


def test_a_curl_command_is_read_as_curl_would_send_it() -> None:
    given = Signer().request()
    command = (
        f"curl -s -X POST '{given.url}' \\\n -H 'Authorization: {given.headers.get('Authorization')}' "
        f"--data-raw '{BODY}' --compressed"
    )

    request = read_curl(command)

    assert (request.method, request.url, request.body) == ("POST", given.url, BODY.encode())
    assert examine(request).verdict == "correct"


def test_curl_puts_data_into_the_query_where_it_is_told_to() -> None:
    request = read_curl("curl -G https://a.example/x -d a=1 --data-urlencode 'b=2 3'")

    assert (request.method, request.url, request.body) == ("GET", "https://a.example/x?a=1&b=2+3", b"")


@pytest.mark.parametrize("command", ["wget x", "curl 'x", "curl -H nocolon https://a.example", "curl", "curl x -d @f"])
def test_what_is_no_curl_command_is_refused_with_a_reason(command: str) -> None:
    with pytest.raises(ConfigurationError):
        read_curl(command)


def har_entry(request: Request) -> dict[str, Any]:
    headers = [{"name": name, "value": text} for name, text in request.headers.pairs]
    posted = {"mimeType": FORM, "text": request.body.decode()}
    return {"request": {"method": request.method, "url": request.url, "headers": headers, "postData": posted}}


def test_the_signed_entry_of_a_har_file_is_found() -> None:
    plain = {"request": {"method": "GET", "url": "https://a.example/", "headers": []}}
    text = json.dumps({"log": {"entries": [plain, har_entry(Signer().request())]}})

    assert examine(read_har(text)).verdict == "correct"
    assert read_har(text, entry=0).url == "https://a.example/"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"log": {"entries": []}}', '{"log": 1}', "null"])
def test_what_is_no_har_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        read_har(text)
