"""What the operator says of MCP servers that are connected by their URL."""

from __future__ import annotations

import os

import pytest

from valetkey.config import read_configuration, settings
from valetkey.errors import ConfigurationError
from valetkey.keys.local import generate_key
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

SOUND = {
    "VALETKEY_STORE": "sqlite:///tmp/valetkey.db",
    "VALETKEY_KEY": generate_key(os.urandom, key_id="k1"),
    "VALETKEY_BASE_URL": "https://app.example/oauth",
}
LOCAL = {"VALETKEY_BASE_URL": "http://localhost:8000/oauth"}


@pytest.fixture(autouse=True)
def _an_empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems_of(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(SOUND | environ)
    return str(caught.value)


def test_nothing_is_opened_unless_it_is_said() -> None:
    github = {"VALETKEY_GITHUB_CLIENT_ID": "a", "VALETKEY_GITHUB_CLIENT_SECRET": "b"}

    mcp = settings(read_configuration(SOUND | github)).mcp

    assert (mcp.page, mcp.accept_loopback, mcp.client_documents, mcp.initial_access_tokens) == (False, False, True, ())


def test_a_deployment_may_register_everything_at_run_time() -> None:
    mcp = settings(read_configuration(SOUND | {"VALETKEY_MCP_PAGE": "true"})).mcp

    assert mcp.page


def test_our_documents_can_be_switched_off() -> None:
    assert not settings(read_configuration(SOUND | {"VALETKEY_MCP_CLIENT_DOCUMENTS": "false"})).mcp.client_documents


def test_loopback_is_for_a_deployment_on_loopback() -> None:
    accepted = {"VALETKEY_MCP_ACCEPT_LOOPBACK": "true"}

    assert settings(read_configuration(SOUND | LOCAL | accepted)).mcp.accept_loopback
    assert "VALETKEY_MCP_ACCEPT_LOOPBACK" in problems_of(**accepted)


def test_initial_access_tokens_belong_to_an_issuer() -> None:
    text = "https://as.example=canary=1 https://other.example/t=canary2"
    tokens = settings(
        read_configuration(SOUND | {"VALETKEY_MCP_PAGE": "true", "VALETKEY_INITIAL_ACCESS_TOKENS": text})
    ).mcp.initial_access_tokens

    assert tokens == (("https://as.example", Secret("canary=1")), ("https://other.example/t", Secret("canary2")))


@pytest.mark.parametrize("text", ["canary", "http://as.example=canary", "https://as.example=", "=canary"])
def test_an_initial_access_token_without_an_issuer_is_a_problem_that_does_not_show_it(text: str) -> None:
    problems = problems_of(VALETKEY_MCP_PAGE="true", VALETKEY_INITIAL_ACCESS_TOKENS=text)

    assert "VALETKEY_INITIAL_ACCESS_TOKENS" in problems
    assert "canary" not in problems


@pytest.mark.parametrize("name", ["VALETKEY_MCP_PAGE", "VALETKEY_MCP_ACCEPT_LOOPBACK", "VALETKEY_MCP_CLIENT_DOCUMENTS"])
def test_a_flag_is_true_or_false(name: str) -> None:
    assert "true or false" in problems_of(**{"VALETKEY_MCP_PAGE": "true", name: "yes"})


def test_the_file_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "valetkey.toml").write_text('mcp_page = true\ninitial_access_tokens = ["https://as.example=canary"]\n')

    mcp = settings(read_configuration(SOUND)).mcp

    assert mcp.page
    assert mcp.initial_access_tokens == (("https://as.example", Secret("canary")),)
