"""The sandbox on a loopback port, for clients that this project did not write."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from valetkey.sandbox import Sandbox, SandboxClient, serve
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.sandbox.server import Server

REDIRECT_URI = "https://app.example/callback"


@pytest.fixture(scope="session")
def rsa_pems() -> tuple[str, str]:
    """A private key and its public half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@pytest.fixture
def server(rsa_pems: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A sandbox with a client of every kind that the libraries can be."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    secret = Secret("s3cret+/= é")
    clients = (
        SandboxClient("app", secret, redirect_uris=(REDIRECT_URI,), callbacks=(REDIRECT_URI, "oob")),
        SandboxClient("rsa", None, callbacks=(REDIRECT_URI,), rsa_public_key=rsa_pems[1]),
        SandboxClient("public", redirect_uris=(REDIRECT_URI,), authentication="none", rotation="strict_family"),
        SandboxClient(
            "post", secret, redirect_uris=(REDIRECT_URI,), authentication="client_secret_post", rotation="none"
        ),
    )
    with serve(Sandbox(now=time.time, random=os.urandom, clients=clients)) as running:
        yield running
