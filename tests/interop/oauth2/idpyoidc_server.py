"""An authorization server made of idpyoidc, in a process of its own: it has the server's side of token exchange.

    python idpyoidc_server.py

It signs everybody in as alice and wants PKCE. `front` is the application that is connected, `back` the API that it calls: both may
exchange what they hold. The first line on standard output is the issuer, in JSON. It ends when its standard input does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from idpyoidc.message.oauth2 import ResponseMessage
from idpyoidc.server import Server
from idpyoidc.server.client_authn import verify_client
from idpyoidc.server.configure import ASConfiguration
from idpyoidc.server.user_authn.authn_context import INTERNETPROTOCOLPASSWORD

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"
SCOPES = ["read", "write", "offline_access"]
POLICY = "idpyoidc.server.oauth2.token_helper.validate_token_exchange_policy"
OCT = [{"type": "oct", "bytes": 24, "use": ["enc"], "kid": "code"}]
EXCHANGE = {
    "subject_token_types_supported": [ACCESS_TOKEN],
    "requested_token_types_supported": [ACCESS_TOKEN],
    "default_requested_token_type": ACCESS_TOKEN,
    "policy": {"": {"function": POLICY, "kwargs": {"scope": SCOPES, "audience": ["https://back.example"]}}},
}


def endpoint(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "class": f"idpyoidc.server.oauth2.{name}", "kwargs": more}


def configuration(issuer: str) -> dict[str, Any]:
    methods = {"client_authn_method": ["client_secret_basic", "client_secret_post"]}
    minting = {"supports_minting": ["access_token", "refresh_token"]}
    rules = {
        "authorization_code": {**minting, "max_usage": 1},
        "access_token": {"supports_minting": ["access_token"], "expires_in": 600},
        "refresh_token": {**minting, "expires_in": 86400},
    }
    crypt = {"kwargs": {"keys": {"key_defs": OCT}}}
    return {
        "issuer": issuer,
        "preference": {"subject_types_supported": ["public"]},
        "keys": {"uri_path": "jwks.json", "key_defs": [{"type": "EC", "crv": "P-256", "use": ["sig"]}]},
        "endpoint": {
            "authorization": endpoint("authorization.Authorization", "authorization"),
            "token": endpoint("token.Token", "token", **methods),
            "introspection": endpoint("introspection.Introspection", "introspection", **methods),
            "revocation": endpoint("token_revocation.TokenRevocation", "revocation", **methods),
        },
        "authentication": {
            "anon": {
                "acr": INTERNETPROTOCOLPASSWORD,
                "class": "idpyoidc.server.user_authn.user.NoAuthn",
                "kwargs": {"user": "alice"},
            }
        },
        "userinfo": {"class": "idpyoidc.server.user_info.UserInfo", "kwargs": {"db": {"alice": {}}}},
        "client_authn": verify_client,
        "scopes_to_claims": {scope: [] for scope in SCOPES},
        "authz": {
            "class": "idpyoidc.server.authz.AuthzHandling",
            "kwargs": {"grant_config": {"usage_rules": rules, "expires_in": 86400}},
        },
        "add_ons": {
            "pkce": {
                "function": "idpyoidc.server.oauth2.add_on.pkce.add_support",
                "kwargs": {"essential": True, "code_challenge_method": "S256"},
            }
        },
        "token_handler_args": {
            "key_conf": {"key_defs": OCT},
            "code": {"lifetime": 600, "kwargs": {"crypt_conf": crypt}},
            "token": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": 3600}},
            "refresh": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": 86400}},
        },
        "session_params": {"encrypter": crypt},
    }


def client(secret: str) -> dict[str, Any]:
    return {
        "client_secret": secret,
        "redirect_uris": [("https://app.example/oauth/callback/front", None)],
        "client_salt": "salt",
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types_supported": ["authorization_code", "refresh_token", TOKEN_EXCHANGE],
        "response_types_supported": ["code"],
        "allowed_scopes": SCOPES,
        "token_exchange": EXCHANGE,
    }


def answer(server: Any, handler: BaseHTTPRequestHandler) -> tuple[int, list[tuple[str, str]], str]:
    parts = urlsplit(handler.path)
    names = {"/authorization": "authorization", "/token": "token", "/introspection": "introspection"}
    asked = server.get_endpoint(names.get(parts.path, "token_revocation"))
    body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
    fields = dict(parse_qsl(body or parts.query))
    headers = {name.lower(): text for name, text in handler.headers.items()}
    http_info = {"headers": headers, "method": handler.command, "url": f"{server.context.issuer}{handler.path}"}
    parsed = asked.parse_request(fields, http_info=http_info)
    if isinstance(parsed, ResponseMessage) and "error" in parsed:
        return 400, [("Content-Type", "application/json")], parsed.to_json()
    done = asked.process_request(parsed, http_info=http_info)
    if isinstance(done, ResponseMessage) and "error" in done:
        return 400, [("Content-Type", "application/json")], done.to_json()
    said = asked.do_response(request=parsed, **done)
    if (said.get("response_placement") or asked.response_placement) == "url":
        return 303, [("Location", without_scope(said["response"]))], ""
    return 200, [("Content-Type", "application/json")], said["response"]


def without_scope(location: str) -> str:
    """RFC 6749 section 3.1 has every parameter once; idpyoidc writes one `scope` for each word. Its own would be refused."""
    address, _, query = location.partition("?")
    return f"{address}?{urlencode([pair for pair in parse_qsl(query) if pair[0] != 'scope'])}"


class Handler(BaseHTTPRequestHandler):
    server_of_idpyoidc: Any

    def do_GET(self) -> None:
        status, headers, text = answer(self.server_of_idpyoidc, self)
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(text.encode())))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = f"http://127.0.0.1:{listening.server_address[1]}"
    with tempfile.TemporaryDirectory() as folder:
        server = Server(ASConfiguration(conf=configuration(issuer), base_path=folder), cwd=folder)
        server.context.map_supported_to_preferred()
        server.context.cdb |= {"front": client("front-secret"), "back": client("back-secret")}
        Handler.server_of_idpyoidc = server
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        print(json.dumps(issuer), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
