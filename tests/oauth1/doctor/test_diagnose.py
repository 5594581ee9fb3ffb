"""Requests signed wrongly, by code that shares nothing with valetkey, are brought to the doctor."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth1.cast import key_pair, rsa_sign
from tests.oauth1.doctor.careless import (
    BASE_URI,
    BODY,
    CLIENT_SECRET,
    NO_TOKEN,
    OAUTH,
    TOKEN_SECRET,
    Signer,
    enc,
    examine,
    names,
    small,
    small_request,
)

from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.curl import read_curl
from valetkey.oauth1.doctor.diagnose import FORM_IS_MISSING, Question, diagnose
from valetkey.oauth1.doctor.reading import build_request, read_har
from valetkey.oauth1.doctor.wording import explain
from valetkey.oauth1.signature import RSA_ALGORITHMS
from valetkey.secret import Secret
from valetkey.value import replace


def test_a_signature_without_a_mistake_is_called_correct() -> None:
    diagnosis = examine(Signer().request())

    assert (diagnosis.verdict, diagnosis.request_is_correct, diagnosis.findings) == ("correct", True, ())


def test_a_client_or_a_token_may_have_an_empty_secret() -> None:
    client, token = Signer(key=f"&{enc(TOKEN_SECRET)}"), Signer(key=f"{enc(CLIENT_SECRET)}&")

    assert examine(client.request(), client_secret=Secret("")).verdict == "correct"
    assert examine(token.request(), token_secret=Secret("")).verdict == "correct"


@pytest.mark.parametrize(
    ("both", "signer"),
    [
        ("plus_for_space and scheme", small(base_uri="http://api.example.com/V1",
                                            encode=lambda text: quote_plus(text, safe="~"))),
        ("form_left_out and token_secret_left_out", small(form=[], key=f"{enc(CLIENT_SECRET)}&")),
        ("query_left_out and secrets_not_encoded", small(query=[], key=f"{CLIENT_SECRET}&{TOKEN_SECRET}")),
        ("host_case_kept and other_hash:HMAC-SHA256", small(base_uri="https://API.example.com/V1", digest="sha256")),
        ("scheme and signature_encoded_twice",
         small(base_uri="http://api.example.com/V1", text=lambda octets: enc(b64encode(octets).decode()))),
        ("other_hash:HMAC-SHA512 and parameter_left_out:oauth_nonce", small(digest="sha512", unsigned=("oauth_nonce",))),
    ],
)  # fmt: skip
def test_two_mistakes_at_once_are_named_together(both: str, signer: Signer) -> None:
    diagnosis = examine(small_request(signer))

    assert diagnosis.verdict == "explained"
    assert both in names(diagnosis)


def test_what_was_tried_is_each_mistake_and_each_two_of_those_that_change_the_request() -> None:
    unexplained = examine(small_request(small(key="another&secret")))
    one, two = examine(small_request(small(form=[]))), examine(small_request(small(form=[], digest="sha512")))

    assert (unexplained.verdict, unexplained.findings) == ("unexplained", ())
    singles = one.tried - 1  # the first try is the right signature
    assert unexplained.tried == two.tried == 1 + singles + singles * (singles - 1) // 2
    assert singles > 40
    assert examine(small_request(small())).tried == 1


def test_of_many_that_come_to_the_same_the_first_six_are_named() -> None:
    in_order = dict(sorted(NO_TOKEN.items()))
    signer = Signer(oauth=in_order, query=[("z", "0"), ("z", ":")], form=[], sort_key=None)

    diagnosis = examine(signer.request(url=f"{BASE_URI}?z=0&z=%3A", body="a="))

    assert names(diagnosis) == [
        f"{order} and {left_out}"
        for order in ("sorted_before_encoding", "sorted_by_name_only")  # the third would be not_sorted
        for left_out in ("empty_values_left_out", "form_left_out", "parameter_left_out:a")
    ]


def test_the_signature_that_the_other_side_tells_is_what_is_searched_for() -> None:
    theirs = Signer(form=[]).signature()

    diagnosis = examine(Signer().request(), question=Question(signature=Secret(theirs)))

    assert (diagnosis.whose, diagnosis.request_is_correct) == ("other side", True)
    assert names(diagnosis) == ["form_left_out"]
    wrong = examine(Signer(query=[]).request(), question=Question(signature=Secret(Signer().signature())))
    assert (wrong.verdict, wrong.whose, wrong.request_is_correct) == ("correct", "other side", False)


def test_a_base_string_of_the_other_side_is_enough_without_any_secret() -> None:
    theirs = Signer(base_uri=BASE_URI.replace("https", "http")).base_string()

    diagnosis = examine(
        Signer().request(), client_secret=None, token_secret=None, question=Question(base_string=theirs)
    )

    assert (diagnosis.verdict, diagnosis.whose, diagnosis.request_is_correct) == ("explained", "other side", None)
    assert names(diagnosis) == ["scheme"]
    assert "they signed http://api.example.com/v1/Things/" in diagnosis.differences[0]
    assert len(diagnosis.differences) == 1


def test_mistakes_of_keys_are_not_tried_where_only_a_base_string_is_told() -> None:
    both = Question(base_string=Signer(form=[]).base_string(), signature=Secret(Signer(form=[]).signature()))

    only = examine(Signer().request(), question=Question(base_string=both.base_string))
    also = examine(Signer().request(), question=both)

    assert names(only) == names(also) == ["form_left_out"]
    assert 20 < only.tried < also.tried


def test_the_same_base_string_on_both_sides_leaves_the_secrets_to_blame() -> None:
    theirs = Signer(key=f"{enc(CLIENT_SECRET)}&")
    question = Question(signature=Secret(theirs.signature()), base_string=theirs.base_string())

    diagnosis = examine(Signer().request(), question=question)

    assert diagnosis.differences == ()
    assert names(diagnosis) == ["token_secret_left_out"]
    alone = examine(Signer().request(), question=Question(base_string=theirs.base_string()))
    assert (alone.verdict, alone.whose, alone.tried, alone.differences) == ("correct", "other side", 1, ())


def test_a_signature_and_a_base_string_are_explained_by_what_makes_both() -> None:
    question = Question(Secret(small(form=[]).signature()), small(query=[("a", "other"), ("f", "")]).base_string())

    diagnosis = examine(small_request(small()), question=question)

    assert diagnosis.verdict == "unexplained"
    assert diagnosis.differences == (
        "parameters that they signed and the request has not: f",
        "parameters with another value or another encoding: a (section 3.6)",
    )


def plaintext(text: str) -> Request:
    header = f'OAuth oauth_consumer_key="a", oauth_signature_method="PLAINTEXT", oauth_signature="{enc(text)}"'
    return Request("GET", "https://a.example/", Headers((("Authorization", header),)))


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        ("secrets_not_encoded", f"{CLIENT_SECRET}&{TOKEN_SECRET}"),
        ("secrets_swapped", f"{enc(TOKEN_SECRET)}&{enc(CLIENT_SECRET)}"),
        ("client_secret_only", enc(CLIENT_SECRET)),
        ("token_secret_left_out", f"{enc(CLIENT_SECRET)}&"),
    ],
)
def test_a_plaintext_signature_is_examined_and_never_shown(mistake: str, text: str) -> None:
    diagnosis = examine(plaintext(text))

    assert names(diagnosis) == [mistake]
    assert explain(diagnosis)[-1].title == "PLAINTEXT signature"


def test_a_plaintext_signature_is_made_of_secrets_alone() -> None:
    diagnosis = examine(plaintext("something else"))

    assert diagnosis.verdict == "unexplained"
    # client secret only, not encoded, swapped, without the token's, a line break behind either; and each two of them
    assert diagnosis.tried == 1 + 6 + 15


@pytest.mark.parametrize("method", ["RSA-SHA1", "RSA-SHA256", "RSA-SHA512", "RSA-PSS"])
def test_an_rsa_signature_is_examined_with_the_public_key(method: str) -> None:
    question = Question(public_key=key_pair()[1])
    oauth = {**OAUTH, "oauth_signature_method": method}

    wrong = examine(rsa_signed(Signer(query=[], oauth=oauth)), client_secret=None, question=question)
    right = examine(rsa_signed(Signer(oauth=oauth)), client_secret=None, question=question)

    assert (wrong.verdict, names(wrong), wrong.request_is_correct) == ("explained", ["query_left_out"], False)
    assert (right.verdict, right.request_is_correct) == ("correct", True)


def rsa_signed(signer: Signer) -> Request:
    from valetkey.effects import PrivateKey, Sign

    algorithm = RSA_ALGORITHMS[signer.oauth["oauth_signature_method"]]
    made = rsa_sign(Sign(PrivateKey(Secret(key_pair()[0])), algorithm, signer.base_string().encode()))
    signer.text = lambda _: b64encode(made).decode()
    return signer.request()


def unsigned(**fields: str) -> Request:
    header = ", ".join(f'{name}="{enc(text)}"' for name, text in (OAUTH | fields).items())
    return Request("GET", "https://a.example/", Headers((("Authorization", f"OAuth {header}"),)))


def method(name: str) -> Request:
    return unsigned(oauth_signature="c2ln", oauth_signature_method=name)


@pytest.mark.parametrize(
    ("request_", "given", "reason"),
    [
        (method("HMAC-SHA1"), {"client_secret": None}, "HMAC-SHA1 needs the client secret to compare"),
        (method("PLAINTEXT"), {"client_secret": None}, "PLAINTEXT needs the client secret to compare"),
        (method("RSA-SHA1"), {}, "RSA-SHA1 needs the client's public key (PEM) to compare"),
        (method("RSA-SHA999"), {}, "oauth_signature_method is none that is known"),
        (method("RSA-SHA999"), {"question": Question(public_key=key_pair()[1])}, "none that is known"),
        (method("HMAC-SHA999"), {}, "oauth_signature_method is none that is known"),
        (method("HMAC-"), {}, "oauth_signature_method is none that is known"),
        (method("HMAC-SHA1\0"), {}, "oauth_signature_method is none that is known"),
        (method("hmac-sha1"), {}, "oauth_signature_method is none that is known"),
        (method(""), {}, "oauth_signature_method is none that is known"),
        (unsigned(), {}, "there is no signature to compare with"),
        (unsigned(oauth_signature=""), {"client_secret": None}, "there is no signature to compare with"),
    ],
)
def test_what_is_missing_is_the_last_remark(request_: Request, given: dict[str, Any], reason: str) -> None:
    diagnosis = examine(request_, **given)

    assert (diagnosis.verdict, diagnosis.tried, diagnosis.request_is_correct) == ("incomplete", 0, None)
    assert reason in diagnosis.remarks[-1]
    assert diagnosis.remarks[:-1] == diagnosis.parts.remarks


def test_a_request_whose_signature_is_missing_is_compared_with_what_the_other_side_tells() -> None:
    theirs = Signer(form=[])
    request = Signer().request()
    header = (request.headers.get("Authorization") or "").partition(", oauth_signature=")[0]
    bare = Request(request.method, request.url, request.headers.with_set("Authorization", header), request.body)

    for question in (Question(Secret(theirs.signature())), Question(base_string=theirs.base_string())):
        diagnosis = examine(bare, question=question)
        assert (names(diagnosis), diagnosis.request_is_correct) == (["form_left_out"], None)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"client_secret": Secret("canary\udcff")}, "the client secret is not UTF-8"),
        ({"token_secret": Secret("canary\ud800")}, "the token secret is not UTF-8"),
        ({"question": Question(public_key="canary")}, "BEGIN PUBLIC KEY"),
        ({"question": Question(public_key="-----BEGIN PRIVATE KEY-----\ncanary")}, "BEGIN PUBLIC KEY"),
        ({"question": Question(public_key="-----BEGIN CERTIFICATE-----\ncanary")}, "BEGIN PUBLIC KEY"),
    ],
)
def test_a_secret_that_is_no_text_and_a_key_that_is_none_are_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refused:
        examine(Signer().request(), **given)
    assert "canary" not in str(refused.value)


texts = st.text(max_size=12)


@given(
    st.sampled_from(["HMAC-SHA1", "PLAINTEXT", "RSA-SHA1"]) | texts.map("HMAC-{}".format) | texts,
    *[texts] * 4,
    st.none() | texts.map(Secret),
    texts.map(Secret),
    st.text(st.characters(), max_size=8) | st.just("a&b&c"),
)
def test_any_signed_request_has_a_diagnosis(
    name: str, query: str, body: str, text: str, more: str, secret: Secret | None, theirs: Secret, base: str
) -> None:
    header = f'OAuth oauth_signature_method="{enc(name)}", oauth_signature="{enc(text)}", {enc(more)}'
    fields = [("Authorization", header), ("Content-Type", FORM)]
    request = build_request(
        "POST", f"https://a.example/{enc(query)}?{enc(query)}", fields, body.encode("utf-8", "surrogatepass")
    )

    diagnosis = diagnose(request, client_secret=secret, question=Question(theirs, base))

    assert diagnosis.verdict in ("correct", "explained", "unexplained", "incomplete")
    assert explain(diagnosis)


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

    request = read_curl(command).request

    assert (request.method, request.url, request.body) == ("POST", given.url, BODY.encode())
    assert examine(request).verdict == "correct"


def test_curl_puts_data_into_the_query_where_it_is_told_to() -> None:
    request = read_curl("curl -G https://a.example/x -d a=1 --data-urlencode 'b=2 3'").request

    assert (request.method, request.url, request.body) == ("GET", "https://a.example/x?a=1&b=2+3", b"")


@pytest.mark.parametrize("command", ["wget x", "curl 'x", "curl -H nocolon https://a.example", "curl", "curl x -d @f"])
def test_what_is_no_curl_command_is_refused_with_a_reason(command: str) -> None:
    with pytest.raises(ConfigurationError):
        read_curl(command)


def test_a_form_of_several_parts_that_was_signed_as_a_form_is_explained() -> None:
    signer = small(form=[("status", "a; b")])
    header = signer.request().headers.get("Authorization")
    reading = read_curl(
        f"""curl 'https://API.example.com/V1?a=b%20c' -H 'Authorization: {header}' -F 'status="a; b"' -F p=@photo.png"""
    )

    found = examine(reading.request, body_is_known=reading.body_is_known, fields=reading.fields)

    assert (found.verdict, names(found)) == ("explained", ["body_counted_as_form"])


def test_a_form_that_is_not_there_is_remarked_where_nothing_explains_the_signature() -> None:
    url = "https://API.example.com/V1?a=b%20c"
    lost, sent = small().request(url=url, body=""), small(key="another&secret").request(url=url, body="d=")

    assert examine(lost).verdict == "unexplained"
    twice = replace(lost, headers=lost.headers.with_added("Authorization", "Basic x"))
    assert examine(lost).remarks == (FORM_IS_MISSING,)
    assert examine(twice).remarks == ("there are two Authorization headers: servers refuse that", FORM_IS_MISSING)
    for request in (sent, small(form=[]).request(url=url, body="")):
        assert FORM_IS_MISSING not in examine(request).remarks


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
