"""A deployment that traces, used by a person in Chromium: no secret of the browser's is in the files, and it replays them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.browser.deployment import APIS, GATEWAYS, NAMES, OAUTH2, Deployment
from tests.browser.person import Person

from valetkey.http import read_form
from valetkey.trace.har import conclusion, traces, write_har
from valetkey.trace.lines import read_lines

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from valetkey.trace.har import Trace

pytestmark = pytest.mark.browser


def traces_in(folder: Path) -> tuple[Trace, ...]:
    lines = (folder / f"{os.getpid()}.vktrace").read_text().splitlines()
    records = list(read_lines(lines))
    assert None not in records
    return traces(record for record in records if record is not None)


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_flow_is_one_file_and_nothing_secret_of_the_browser_is_in_it(
    chromium: Browser, tmp_path: Path, gateway: str
) -> None:
    folder = tmp_path / "traces"
    with (
        Deployment(tmp_path, gateway=gateway, VALETKEY_TRACE=str(folder)) as deployment,
        Person(chromium, deployment, owner="alice-of-the-canaries") as person,
    ):
        for name in NAMES:
            person.connect(name, account="alice")
            assert deployment.account_of("alice-of-the-canaries", name) == "alice"
        cookies = [cookie["value"] for cookie in person.context.cookies()]
        visited = [pair for url in person.visited for pair in read_form(url.partition("?")[2])]

    found = traces_in(folder)
    text = json.dumps([write_har(one, version="test") for one in found])
    assert [(one.kind, one.registration, len(one.runs)) for one in found] == [("flow", name, 3) for name in NAMES]
    for one in found:
        assert [conclusion(run) for run in one.runs][:2] == ["sent the browser to the provider", "connected"]
    names = ("code", "state", "oauth_token", "oauth_verifier", "code_challenge", "client_id")
    secrets = {value for name, value in visited if name in names} | {value for value in cookies if len(value) > 8}
    assert len(secrets) >= 8
    assert [secret for secret in secrets if secret in text] == []
    assert "canaries" not in text


def test_chromium_replays_a_trace(chromium: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    with Deployment(tmp_path, VALETKEY_TRACE=str(folder)) as deployment:
        with Person(chromium, deployment) as person:
            person.connect(OAUTH2)
            _ = deployment.account_of("alice", OAUTH2)
        url = deployment.provider_url + APIS[OAUTH2]
    (one,) = traces_in(folder)
    file = tmp_path / one.file_name
    har = write_har(one, version="test")
    file.write_text(json.dumps(har))
    (written,) = [entry["response"] for entry in har["log"]["entries"] if entry["request"]["url"] == url]

    context = chromium.new_context()
    context.route_from_har(file)  # whatever is not in the file is aborted; the provider is gone
    page = context.new_page()
    answer = page.goto(url)

    assert answer is not None
    assert answer.status == written["status"] == 200
    assert answer.text() == written["content"]["text"]
    shown = answer.json()
    assert len(shown) >= 2
    assert "alice" not in answer.text()
    assert all(str(member).startswith("fp-") for member in shown.values())
    context.close()
