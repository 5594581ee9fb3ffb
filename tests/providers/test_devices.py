"""Device authorization of real providers: GitHub's answers as its page shows them, Google's in its older spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.oauth2.peer import NOW, Peer, answer, form_of

from valetkey.errors import ProviderError
from valetkey.oauth2.client import Client
from valetkey.oauth2.device import device_token, request_device_codes
from valetkey.providers.catalog import load_provider
from valetkey.secret import Secret

CLIENT = Client("ours", Secret("canary"), "https://app.example/callback/x")
GITHUB = {
    "device_code": "3584d83530557fdd1f46af8289938c8ef79f9dc5",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://github.com/login/device",
    "expires_in": 900,
    "interval": 5,
}
GOOGLE = {
    "device_code": "4/4-x",
    "user_code": "ABCD-EFGH",
    "verification_url": "https://www.google.com/device",
    "expires_in": 1800,
    "interval": 5,
}
ENDPOINTS = {
    "github": ("https://github.com/login/device/code", GITHUB),
    "google": ("https://oauth2.googleapis.com/device/code", GOOGLE),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_codes_are_asked_for_where_the_provider_says_and_read_as_it_says_them(name: str) -> None:
    endpoint, said = ENDPOINTS[name]
    server: Any = load_provider(name).server
    peer = Peer(answer(json.dumps(said)))

    codes = peer.run(request_device_codes(server, CLIENT, scope=("a", "b"), not_after=NOW))

    assert peer.request.url == endpoint
    assert form_of(peer.request)["scope"] == "a b"
    assert codes.user_code == said["user_code"]
    assert codes.verification_uri.endswith("/device")


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("authorization_pending", "authorization_pending"),
        ("slow_down", "slow_down"),
        ("expired_token", "expired_token"),
        ("token_expired", "expired_token"),
        ("access_denied", "access_denied"),
    ],
)
def test_github_says_with_status_200_how_it_stands(said: str, means: str) -> None:
    server: Any = load_provider("github").server
    peer = Peer(answer(json.dumps({"error": said})))

    with pytest.raises(ProviderError) as caught:
        peer.run(device_token(server, CLIENT, device_code=Secret("d"), not_after=NOW))

    assert caught.value.error == means
