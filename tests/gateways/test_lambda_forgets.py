"""A function that forgets everything: each request is served by a new process under the real runtime client.

What is known afterwards stands in the SQLite file or in the browser's cookies; the processes are killed, not closed.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tests.gateways import events
from tests.gateways.test_aws import cookies_set, header
from tests.gateways.test_lambda_runtime import Function, deployed

from valetkey.http import FORM, Headers, Request, write_form
from valetkey.keys.local import generate_key
from valetkey.sandbox import Sandbox, approve, demo_clients, serve
from valetkey.sandbox.visitor import read_forms
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APIS = {"sandbox-oauth1": "/oauth1/me", "sandbox-oauth2": "/oauth2/me"}
BASE_URL = "https://app.example/oauth"
SHORT_SECONDS = 2
CODE = """
    import os

    from valetkey.gateways.aws import lambda_handler
    from valetkey.vault import Vault

    with open("processes", "a") as processes:
        processes.write(f"{os.getpid()}\\n")
    vault = Vault.from_env()
    pages = lambda_handler(vault, resource_owner=lambda request: "alice")
    apis = {"sandbox-oauth1": "/oauth1/me", "sandbox-oauth2": "/oauth2/me"}

    def handler(event, context):
        name = event["rawPath"].removeprefix("/report/")
        if name not in apis:
            return pages(event, context)
        with vault.invocation(context):
            answer = vault.session(name, "alice").get(os.environ["VALETKEY_SANDBOX_BASE_URL"] + apis[name])
        return {"statusCode": answer.status, "body": answer.text}
"""


class Application:
    """A function, of which every environment serves one request, and the browser that asks."""

    def __init__(self, directory: Path, sandbox: Sandbox) -> None:
        self.directory, self.sandbox = directory, sandbox
        self.variables = {
            "VALETKEY_STORE": f"sqlite://{directory}/connections.db?ephemeral=accepted",
            "VALETKEY_KEY": generate_key(os.urandom),
            "VALETKEY_BASE_URL": BASE_URL,
            "VALETKEY_SANDBOX_BASE_URL": sandbox.base_url,
        }
        for name, client in zip(APIS, sandbox.clients, strict=False):
            assert client.secret is not None
            prefix = f"VALETKEY_{name.upper().replace('-', '_')}"
            self.variables[f"{prefix}_CLIENT_ID"] = client.client_id
            self.variables[f"{prefix}_CLIENT_SECRET"] = client.secret.reveal()
        self.jar: dict[str, str] = {}

    def processes(self) -> list[str]:
        """Every process that there was."""
        return (self.directory / "processes").read_text().splitlines()

    def environment(self) -> Any:
        return deployed(self.directory, CODE, **self.variables)

    def event(self, method: str, target: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        cookies = "; ".join(f"{name}={text}" for name, text in self.jar.items())
        pairs = (("cookie", cookies),) if cookies else ()
        body = b"" if form is None else write_form(form.items()).encode()
        if form is not None:
            pairs = (*pairs, ("content-type", FORM))
        return events.http(Request(method, target, Headers(pairs), body))

    def ask(self, method: str, target: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        """One request, in a process that has seen no other and is killed after it."""
        with self.environment() as function:
            answer: dict[str, Any] = function.invoke(self.event(method, target, form))
        for cookie in cookies_set(answer):
            name, _, text = cookie.partition(";")[0].partition("=")
            self.jar[name] = text
        return answer

    def connect(self, name: str) -> dict[str, Any]:
        """The page, its form without any help of the browser's headers, the provider, and the way back."""
        shown = self.ask("GET", f"/oauth/connect/{name}")
        [form] = read_forms(shown["body"])
        going = self.ask("POST", form.action.removeprefix("https://app.example"), form.fields)
        callback = approve(self.sandbox.base_url, header(going, "location"))
        return self.ask("GET", callback.removeprefix("https://app.example"))


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    clients = demo_clients(
        redirect_uris=(f"{BASE_URL}/callback/sandbox-oauth2",), callbacks=(f"{BASE_URL}/callback/sandbox-oauth1",)
    )
    with serve(Sandbox(now=time.time, random=os.urandom, clients=clients)) as server:
        yield Application(tmp_path, server.sandbox)


@pytest.mark.parametrize("name", APIS)
def test_a_connection_is_made_and_used_by_processes_that_know_nothing_of_each_other(
    application: Application, name: str
) -> None:
    finished = application.connect(name)
    report = application.ask("GET", f"/report/{name}")

    assert (finished["statusCode"], header(finished, "location")) == (303, f"{BASE_URL}/connections?connected={name}")
    assert (report["statusCode"], json.loads(report["body"])["account"]) == (200, "alice")
    assert len(set(application.processes())) == 4
    assert application.sandbox.seen.count("token") + application.sandbox.seen.count("oauth1_token") == 1


def test_a_callback_that_another_process_finished_shows_success_again(application: Application) -> None:
    name = "sandbox-oauth2"
    going = application.ask("POST", f"/oauth/connect/{name}", own_form(application, name))
    callback = approve(application.sandbox.base_url, header(going, "location")).removeprefix("https://app.example")

    first, second = application.ask("GET", callback), application.ask("GET", callback)

    assert [header(answer, "location") for answer in (first, second)] == [
        f"{BASE_URL}/connections?connected={name}"
    ] * 2
    assert application.sandbox.seen.count("token") == 1


def test_processes_that_start_together_refresh_an_expired_token_once(application: Application) -> None:
    for client in application.sandbox.clients:
        application.sandbox.register(replace(client, access_token_seconds=SHORT_SECONDS))
    application.connect("sandbox-oauth2")
    for client in application.sandbox.clients:
        application.sandbox.register(replace(client, access_token_seconds=3600))
    connected_at = application.sandbox.seen.entries("token")[-1].at

    with ExitStack() as environments, ThreadPoolExecutor(4) as threads:
        functions: list[Function] = [environments.enter_context(application.environment()) for _ in range(4)]
        time.sleep(max(0.0, connected_at + SHORT_SECONDS - time.time()))
        event = application.event("GET", "/report/sandbox-oauth2")
        reports = list(threads.map(lambda function: function.invoke(event), functions))

    assert [report["statusCode"] for report in reports] == [200] * 4
    assert application.sandbox.seen.count("token", grant_type="refresh_token") == 1


def own_form(application: Application, name: str) -> dict[str, str]:
    """The hidden fields of the connect page."""
    [form] = read_forms(application.ask("GET", f"/oauth/connect/{name}")["body"])
    return form.fields
