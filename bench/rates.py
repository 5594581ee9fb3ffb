"""Signatures, verifications and sealed reads in one warm process, timed by pyperf."""

from __future__ import annotations

import os
import time

import pyperf
from authlib.oauth1 import ClientAuth
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from oauthlib.oauth1 import Client

from valetkey import Vault
from valetkey.drivers.drive import drive
from valetkey.effects import Now, PrivateKey, Random, Sign
from valetkey.http import Headers, Request, write_form
from valetkey.keys.signer import LocalSigner
from valetkey.oauth1.credentials import ClientCredentials, TokenCredentials
from valetkey.oauth1.sign import sign, sign_request
from valetkey.secret import Secret

QUERY = "https://api.example.com/1.1/statuses?count=20&include=true&page=3&since=2026-11-22&user=alice"
FORM_URL = "https://api.example.com/1.1/update"
FORM = [(f"field{n}", f"Grüße aus Köln, {n} ☕") for n in range(20)]
BODY = write_form(FORM)
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
PEM = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)

CLIENT = ClientCredentials("ck", Secret("cs"), PrivateKey(Secret(PEM)))
TOKEN = TokenCredentials("tk", Secret("ts"))
GET = Request("GET", QUERY)
POST = Request("POST", FORM_URL, Headers(tuple(FORM_TYPE.items())), BODY.encode())
SIGNER = LocalSigner()


def valetkey_hmac(request: Request) -> Request:
    return sign_request(
        request,
        CLIENT,
        token=TOKEN,
        signature_method="HMAC-SHA1",
        placement="header",
        realm=None,
        timestamp=int(time.time()),
        nonce=os.urandom(12).hex(),
    )


def answer(effect: object) -> object:
    match effect:
        case Now():
            return time.time()
        case Random(octets):
            return os.urandom(octets)
        case Sign(key, algorithm, message):
            return SIGNER.sign(key, algorithm, message)
    raise AssertionError(effect)


def valetkey_rsa() -> Request:
    return drive(sign(GET, CLIENT, token=TOKEN, signature_method="RSA-SHA256"), answer)


oauthlib_client = Client("ck", client_secret="cs", resource_owner_key="tk", resource_owner_secret="ts")
oauthlib_rsa_client = Client("ck", rsa_key=PEM, resource_owner_key="tk", signature_method="RSA-SHA256")
authlib_client = ClientAuth("ck", "cs", token="tk", token_secret="ts")
authlib_rsa_client = ClientAuth("ck", rsa_key=PEM, token="tk", signature_method="RSA-SHA1")


def add_verification(runner: pyperf.Runner) -> None:
    from authlib.oauth1.rfc5849.signature import verify_hmac_sha1
    from authlib.oauth1.rfc5849.wrapper import OAuth1Request
    from oauthlib.common import Request as OauthlibRequest
    from oauthlib.oauth1.rfc5849 import signature as oauthlib_signature
    from oauthlib.oauth1.rfc5849 import utils

    from valetkey.oauth1.verify import Keys, check_signature, read_signed_request

    signed = valetkey_hmac(GET)
    header = signed.headers.get("authorization") or ""
    received = Request("GET", QUERY, Headers((("Authorization", header),)))
    keys = Keys(Secret("cs"), Secret("ts"))

    def by_valetkey() -> None:
        check_signature(read_signed_request(received), keys)

    def by_oauthlib() -> None:
        # what its endpoints do with a request: collect, sort out, compare
        collected = oauthlib_signature.collect_parameters(
            uri_query=QUERY.partition("?")[2], headers={"Authorization": header}, exclude_oauth_signature=False
        )
        request = OauthlibRequest(QUERY, "GET")
        request.params = [pair for pair in collected if pair[0] != "oauth_signature"]
        request.signature = dict(utils.filter_oauth_params(collected))["oauth_signature"]
        assert oauthlib_signature.verify_hmac_sha1(request, "cs", "ts")

    def by_authlib() -> None:
        request = OAuth1Request("GET", QUERY, headers={"Authorization": header})
        request.client, request.credential = Holder(), Holder()
        assert verify_hmac_sha1(request)

    class Holder:
        def get_client_secret(self) -> str:
            return "cs"

        def get_oauth_token_secret(self) -> str:
            return "ts"

    runner.bench_func("verify_valetkey", by_valetkey)
    runner.bench_func("verify_oauthlib", by_oauthlib)
    runner.bench_func("verify_authlib", by_authlib)


def add_sealed(runner: pyperf.Runner) -> None:
    vault = Vault.from_env()
    uncached = __import__("valetkey.value", fromlist=["replace"]).replace(vault.settings, cache=None)
    from valetkey.connections.sign import sign as sign_with

    request = Request("GET", "https://api.trello.com/1/members/me")
    runner.bench_func(
        "sealed_read_and_sign",
        lambda: vault.run(sign_with(uncached, request, registration="trello", resource_owner="alice")),
    )
    runner.bench_func("warm_sign", lambda: vault.sign(request, registration="trello", resource_owner="alice"))
    vault.close()


if __name__ == "__main__":
    runner = pyperf.Runner(processes=5, values=4, warmups=1)
    runner.bench_func("query_valetkey", valetkey_hmac, GET)
    runner.bench_func("query_oauthlib", lambda: oauthlib_client.sign(QUERY, http_method="GET"))
    runner.bench_func("query_authlib", lambda: authlib_client.prepare("GET", QUERY, {}, b""))
    runner.bench_func("form_valetkey", valetkey_hmac, POST)
    runner.bench_func(
        "form_oauthlib", lambda: oauthlib_client.sign(FORM_URL, http_method="POST", body=BODY, headers=FORM_TYPE)
    )
    runner.bench_func("form_authlib", lambda: authlib_client.prepare("POST", FORM_URL, dict(FORM_TYPE), BODY))
    runner.bench_func("rsa_valetkey", valetkey_rsa)
    runner.bench_func("rsa_oauthlib", lambda: oauthlib_rsa_client.sign(QUERY, http_method="GET"))
    runner.bench_func("rsa_authlib", lambda: authlib_rsa_client.prepare("GET", QUERY, {}, b""))
    add_verification(runner)
    add_sealed(runner)
