"""The steps of the demonstration. Each one does something real and checks what came of it."""

from __future__ import annotations

import subprocess
import sys
import time
from hashlib import sha256

from valetkey.cli.demo.application import APIS, MOUNTED_AT, SESSION
from valetkey.cli.demo.deployment import OAUTH1, OAUTH2
from valetkey.cli.demo.narration import DemoFailed, fingerprint, shown_url
from valetkey.connections.connection import ACTIVE
from valetkey.errors import ReauthorizationRequired
from valetkey.http import Headers, Request, read_form
from valetkey.sandbox.visitor import Visitor, approve, over_http

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.cli.demo.deployment import Deployment
    from valetkey.cli.demo.narration import Narrator

OWNER = "alice"
PROCESSES = 8
PROCESS_SECONDS = 60


def connect_oauth1(deployment: Deployment, narrator: Narrator) -> None:
    """RFC 5849 section 2: temporary credentials, authorization, token credentials."""
    seen, browser = deployment.sandbox.seen, _signed_in_browser(deployment, narrator, OWNER)
    location = _press_connect(deployment, browser, OAUTH1)
    narrator.check(
        seen.count("oauth1_initiate", outcome="ok") == 1,
        "the function signed a request (HMAC-SHA256) and got temporary credentials",
    )
    narrator.check(
        "secret" not in location and location.startswith(f"{deployment.provider_url}/oauth1/authorize?"),
        f"the browser is sent to {shown_url(location)}",
    )
    callback = approve(deployment.provider_url, location, account=OWNER)
    narrator.tell("alice signs in at the provider and allows access")
    narrator.tell(f"the browser comes back to {shown_url(callback)}")
    _finish(deployment, narrator, browser, OAUTH1, callback)
    narrator.check(
        seen.count("oauth1_token", outcome="ok") == 1,
        "the verifier was exchanged for token credentials, once; they are sealed in SQLite",
    )


def call_oauth1(deployment: Deployment, narrator: Narrator) -> None:
    """RFC 5849 section 3: every request is signed."""
    url = f"{deployment.provider_url}{APIS[OAUTH1]}?greeting=hello%20world"
    signed = deployment.vault.sign(Request("GET", url), registration=OAUTH1, resource_owner=OWNER)
    names = [part.partition("=")[0].split()[-1] for part in (signed.headers.get("Authorization") or "").split(",")]
    narrator.tell(f"GET {url}")
    narrator.tell(f"Authorization: OAuth {', '.join(f'{name}=***' for name in names)}")
    answer = deployment.vault.session(OAUTH1, OWNER).get(url)
    narrator.check(
        answer.status == 200 and answer.json()["account"] == OWNER,
        f"the provider verified the signature and answered 200: {answer.text.strip()}",
    )


def connect_oauth2(deployment: Deployment, narrator: Narrator) -> None:
    """RFC 6749 section 4.1 with PKCE (RFC 7636) and the issuer in the answer (RFC 9207)."""
    seen, browser = deployment.sandbox.seen, _signed_in_browser(deployment, narrator, OWNER)
    location = _press_connect(deployment, browser, OAUTH2)
    asked = dict(read_form(location.partition("?")[2]))
    narrator.check(
        asked["code_challenge_method"] == "S256" and asked["code_challenge"] and asked["state"],
        f"the browser is sent to {shown_url(location)}",
    )
    callback = approve(deployment.provider_url, location, account=OWNER)
    answered = dict(read_form(callback.partition("?")[2]))
    narrator.tell("alice signs in at the provider and allows access")
    narrator.check(
        answered["iss"] == deployment.provider_url and answered["state"] == asked["state"],
        f"the browser comes back to {shown_url(callback)}",
    )
    stranger = _signed_in_browser(deployment, narrator, "bob")
    refused = stranger.request("GET", callback)
    narrator.check(
        400 <= refused.status < 500 and not seen.count("token"),
        f"in bob's browser the same URL is refused ({refused.status}), and the code is not sent anywhere",
    )
    _finish(deployment, narrator, browser, OAUTH2, callback)
    narrator.check(
        seen.count("token", grant_type="authorization_code", outcome="ok") == 1,
        "the code was exchanged, once, with the verifier that only alice's browser carried",
    )


def call_oauth2(deployment: Deployment, narrator: Narrator) -> None:
    """RFC 6750 section 2.1: the access token in a header, for the provider's own hosts only."""
    url = deployment.provider_url + APIS[OAUTH2]
    narrator.tell(f"GET {url}")
    narrator.tell("Authorization: Bearer ***")
    answer = deployment.vault.session(OAUTH2, OWNER).get(url)
    narrator.check(
        answer.status == 200 and answer.json()["account"] == OWNER,
        f"the provider took the token and answered 200: {answer.text.strip()}",
    )


def refresh_once(deployment: Deployment, narrator: Narrator) -> None:
    """RFC 6749 section 6, with a provider for which every refresh token works once."""
    seen, vault = deployment.sandbox.seen, deployment.vault
    connection = vault.connection(OAUTH2, OWNER)
    if connection is None:
        message = "the connection is not there any more"
        raise DemoFailed(message)
    refreshes = seen.count("token", grant_type="refresh_token")
    deployment.lengthen_lives()
    narrator.wait(connection.access_expires_at + 1 - time.time(), "waiting until the access token has expired")
    tokens = _ask_from_processes(deployment, narrator)
    requests = seen.entries("token", grant_type="refresh_token")[refreshes:]
    narrator.check(
        len(set(tokens)) == 1, f"all {PROCESSES} processes hold the same new token *** (SHA-256 {tokens[0][:8]})"
    )
    narrator.check(
        [entry.outcome for entry in requests] == ["ok"],
        f"the provider saw exactly 1 refresh request for {PROCESSES} callers",
    )
    token = vault.access_token(OAUTH2, OWNER)
    narrator.check(
        sha256(token.reveal().encode()).hexdigest() == tokens[0]
        and vault.session(OAUTH2, OWNER).get(deployment.provider_url + APIS[OAUTH2]).status == 200,
        "the provider takes it",
    )


def list_connections(deployment: Deployment, narrator: Narrator) -> None:
    """What an operator sees, and what is at rest."""
    page = deployment.vault.connections(OWNER)
    for connection in page.connections:
        narrator.tell(f"{connection.registration:15} {connection.resource_owner}  {connection.state}")
    narrator.check(
        {(item.registration, item.state) for item in page.connections} == {(name, ACTIVE) for name in APIS},
        "both connections are active",
    )
    token = deployment.vault.access_token(OAUTH2, OWNER).reveal().encode()
    at_rest = b"".join(path.read_bytes() for path in deployment.directory.glob("connections.db*"))
    narrator.check(at_rest and token not in at_rest, f"the {len(at_rest)} octets of the database do not hold the token")


def revoke_both(deployment: Deployment, narrator: Narrator) -> None:
    """RFC 7009: what was granted is gone at the provider, too."""
    vault, provider = deployment.vault, deployment.provider_url
    token = vault.access_token(OAUTH2, OWNER)
    signed = vault.sign(Request("GET", provider + APIS[OAUTH1]), registration=OAUTH1, resource_owner=OWNER)
    bearer = Request("GET", provider + APIS[OAUTH2], Headers((("Authorization", f"Bearer {token.reveal()}"),)))
    narrator.tell(f"kept from before: the bearer token {fingerprint(token)} and a signed request")
    for name in APIS:
        outcome = vault.revoke(name, OWNER)
        narrator.check(outcome.at_provider == "revoked", f"{name}: the provider says revoked")
    for name, request in ((OAUTH1, signed), (OAUTH2, bearer)):
        status = over_http(request).status
        narrator.check(status == 401, f"{name}: the provider refuses the old credentials ({status})")
    for name in APIS:
        try:
            _ = vault.session(name, OWNER).get(provider + APIS[name])
        except ReauthorizationRequired as needed:
            narrator.check(needed.connect_url, f"{name}: valetkey says to connect again at {needed.connect_url}")
        else:
            message = f"{name} still answers after it was revoked"
            raise DemoFailed(message)


STEPS = (
    ("Connect an account with OAuth 1.0a", connect_oauth1),
    ("Call a protected resource, signed", call_oauth1),
    ("Connect an account with OAuth 2.0", connect_oauth2),
    ("Call a protected resource with a bearer token", call_oauth2),
    (f"Refresh from {PROCESSES} processes at once, at a provider where a refresh token works once", refresh_once),
    ("Look at what is kept", list_connections),
    ("Revoke both", revoke_both),
)


def _signed_in_browser(deployment: Deployment, narrator: Narrator, person: str) -> Visitor:
    browser = Visitor(over_http)
    _ = browser.request("POST", f"{deployment.base_url}/sign-in", (("person", person),))
    if SESSION not in browser.cookies:
        message = f"the application did not sign {person} in"
        raise DemoFailed(message)
    narrator.tell(f"{person} is signed in to the application, in a browser of their own")
    return browser


def _press_connect(deployment: Deployment, browser: Visitor, registration: str) -> str:
    """Press the button of the connect page; where the browser is sent."""
    page = f"{deployment.base_url}{MOUNTED_AT}/connect/{registration}"
    shown = browser.request("GET", page)
    going = browser.request("POST", page, ())
    location = going.headers.get("Location")
    if shown.status != 200 or going.status != 303 or location is None:
        message = f"the connect page answered {shown.status} and its button {going.status}"
        raise DemoFailed(message)
    return location


def _finish(deployment: Deployment, narrator: Narrator, browser: Visitor, registration: str, callback: str) -> None:
    """Follow the callback to the page that says that it worked."""
    done = browser.request("GET", callback)
    location = done.headers.get("Location") or ""
    narrator.check(
        done.status == 303 and location.startswith(f"{deployment.base_url}{MOUNTED_AT}/connections"),
        "the callback is accepted and leads to a clean URL",
    )
    shown = browser.request("GET", location)
    connection = deployment.vault.connection(registration, OWNER)
    narrator.check(
        shown.status == 200 and connection is not None and connection.state == ACTIVE,
        f"{registration} is connected",
    )


def _ask_from_processes(deployment: Deployment, narrator: Narrator) -> list[str]:
    """Start the processes, let all of them ask at the same moment; the SHA-256 of what each got."""
    command = [sys.executable, "-m", "valetkey.cli.demo.worker", OAUTH2, OWNER]
    workers = [
        subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours
            command, env=deployment.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        for _ in range(PROCESSES)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            if worker.stdout.readline().strip() != "ready":
                message = "a process did not start"
                raise DemoFailed(message)
        narrator.tell(f"{PROCESSES} processes stand ready, each with its own vault, as functions do")
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        told = [worker.communicate(timeout=PROCESS_SECONDS)[0].strip() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            _ = worker.communicate()
    failures = [text for text, worker in zip(told, workers, strict=True) if worker.returncode]
    if failures:
        message = f"{len(failures)} of {PROCESSES} processes got no token: {failures[0]}"
        raise DemoFailed(message)
    return told
