"""The README is true: every block in it runs, in the order of the page, in a copy of the checkout."""

from __future__ import annotations

import ast
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from valetkey.sandbox import approve

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


# The page is typed with its ports changed to free ones: somebody may be trying it out on this machine right now.
PORTS = {"8300": str(free_port()), "8301": str(free_port()), "8400": str(free_port())}
STARTED_AT = {"valetkey sandbox": PORTS["8400"], "valetkey serve": PORTS["8300"]}
TYPED = re.sub(r"\b(8300|8400)\b", lambda port: PORTS[port[0]], PAGE)
for command, port in STARTED_AT.items():
    TYPED = re.sub(rf"^{command} ", f"{command} --port {port} ", TYPED, flags=re.MULTILINE)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TYPED, re.MULTILINE | re.DOTALL)
BASH = [text for language, text in BLOCKS if language == "bash"]
PYTHON = [text for language, text in BLOCKS if language == "python"]
FILES = {text.split(".py", 1)[0].removeprefix("# ") + ".py": text for text in PYTHON if text.startswith("# ")}
APPLICATION, PROVIDER = f"localhost:{PORTS['8300']}", f"http://127.0.0.1:{PORTS['8400']}"


class Shell:
    """One bash in which the page's commands are typed, one block after the other."""

    def __init__(self, folder: Path) -> None:
        environ = {name: text for name, text in os.environ.items() if not name.startswith("VALETKEY_")}
        self.process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environ | {"PYTHONUNBUFFERED": "1", "VALETKEY_SANDBOX_BASE_URL": PROVIDER},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def type(self, block: str) -> str:
        """What the block prints; it must end with status 0."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{block}\necho __ended:$?\n")
        self.process.stdin.flush()
        printed: list[str] = []
        for line in self.process.stdout:
            if "__ended:" in line:
                assert line.rstrip().endswith("__ended:0"), "".join(printed)
                return "".join(printed)
            printed.append(line)
        pytest.fail("bash ended: " + "".join(printed))

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("kill $(jobs -p) 2>/dev/null; wait; exit\n")
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    checkout = tmp_path_factory.mktemp("checkout") / "valetkey"
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, checkout / name)
    for name, text in FILES.items():
        (checkout / name).write_text(text)
    opened = Shell(checkout)
    yield opened
    opened.close()


def test_the_two_commands_are_targets_of_make() -> None:
    commands = [line.partition("#")[0].strip() for line in BASH[0].splitlines()]

    assert commands == ["make demo", "make test"]
    for command in commands:
        done = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_ports_of_the_page_are_those_that_the_commands_take_by_themselves() -> None:
    assert all(TYPED.count(f"{command} --port {port} ") == 1 for command, port in STARTED_AT.items())
    for name, port in (("sandbox", "8400"), ("serve", "8300")):
        command = getattr(import_module(f"valetkey.cli.{name}"), name)
        (option,) = [one for one in command.params if one.name == "port"]
        assert str(option.default) == port


def test_the_page_starts_with_what_it_is_for() -> None:
    assert PAGE.startswith("# valetkey\n\n**OAuth for functions that forget everything.**")


def test_every_block_is_of_a_kind_that_runs_here() -> None:
    assert {language for language, _ in BLOCKS} == {"bash", "python"}
    assert len(BASH) == 5
    assert len(PYTHON) == len(FILES) + 1


def connect(registration: str) -> None:
    """What a person does on the connections page and at the provider."""
    connection = http.client.HTTPConnection(APPLICATION, timeout=20)
    fields = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"/oauth/connect/{registration}", b"", fields)
    begun = connection.getresponse()
    begun.read()
    assert begun.status == 303
    location, cookie = begun.headers["Location"], begun.headers["Set-Cookie"].partition(";")[0]
    back = approve(PROVIDER, location)
    connection.request("GET", back.removeprefix(f"http://{APPLICATION}"), headers={"Cookie": cookie})
    finished = connection.getresponse()
    finished.read()
    connection.close()
    assert finished.status == 303


def wait_for(*addresses: str) -> None:
    end = time.monotonic() + 20
    for address in addresses:
        while True:
            connection = http.client.HTTPConnection(address, timeout=2)
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
                break
            except OSError:
                assert time.monotonic() < end, f"nothing answers at {address}"
                time.sleep(0.1)
            finally:
                connection.close()


def test_the_quick_start_works_as_it_is_written(shell: Shell) -> None:
    _, install, configure, start, use = BASH
    shell.type(install)
    shell.type(configure)

    shell.type(start)
    wait_for(APPLICATION, PROVIDER.removeprefix("http://"))
    connect("sandbox-oauth1")
    connect("sandbox-oauth2")
    printed = shell.type(use)

    accounts = [answer["account"] for answer in ast.literal_eval(next(x for x in printed.splitlines() if x[:1] == "["))]
    assert accounts == ["alice", "alice"]
    assert printed.count("active") == 2


def test_the_first_block_is_the_handler_of_the_quick_start(shell: Shell) -> None:
    (fragment,) = [text for text in PYTHON if not text.startswith("# ")]
    program = f"from valetkey import Vault\nvault = Vault.from_env()\n{fragment}\nprint(handler(dict(), None))\n"

    printed = shell.type(f"python - <<'END'\n{program}\nEND")

    assert printed.count("'account': 'alice'") == 2


def test_the_other_gateways_serve_the_same_pages(shell: Shell) -> None:
    shell.type("pip install --quiet --disable-pip-version-check uvicorn")

    shell.type(f"uvicorn asgi:app --port {PORTS['8301']} --log-level warning &")
    wait_for(f"localhost:{PORTS['8301']}")
    with urllib.request.urlopen(f"http://localhost:{PORTS['8301']}/oauth/connections", timeout=10) as page:
        assert b"sandbox-oauth1" in page.read()
    printed = shell.type(
        'python -c "\nfrom wsgiref.util import setup_testing_defaults\nimport wsgi\n'
        "environ = dict(PATH_INFO='/oauth/connections'); setup_testing_defaults(environ)\n"
        "print(b''.join(wsgi.app(environ, lambda status, headers: print(status))).decode().count('sandbox-oauth2'))\""
    )
    assert printed.splitlines()[0] == "200 OK"
    assert int(printed.splitlines()[1]) >= 1


def test_the_other_examples_do_what_they_say(shell: Shell) -> None:
    shell.type("pip install --quiet --disable-pip-version-check requests")

    assert shell.type("python with_requests.py").strip() == "alice"
    said = shell.type("python reconnect.py").strip()
    assert said == FILES["reconnect.py"].rsplit("#", 1)[1].strip()


def test_every_document_that_the_page_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        if not target.startswith("http"):
            assert (ROOT / target).is_file(), target


def test_every_document_is_found_from_the_page() -> None:
    named = set(re.findall(r"\]\(docs/([^)#]+)", PAGE))

    assert {path.name for path in (ROOT / "docs").glob("*.md")} - named == set()


def test_the_verbs_are_those_of_the_vault() -> None:
    from valetkey import Vault

    table = PAGE.partition("## The verbs")[2].partition("\n\nA missing")[0]
    named = set(re.findall(r"`(\w+)\(", table))

    assert named <= {name for name in dir(Vault) if not name.startswith("_")}
    assert json.dumps(sorted(named)).count('"') >= 18
    assert sys.version_info >= (3, 11)


def test_every_store_of_the_table_is_opened_by_its_url() -> None:
    from valetkey.stores.open import check_store_url

    table = PAGE.partition("| `VALETKEY_STORE` |")[2].partition("\n\n")[0]
    urls = re.findall(r"^\| `([a-z]+://[^`]+)` \|", table, re.MULTILINE)

    assert len(urls) == 5
    for url in urls:
        check_store_url(url, environ={"AZURE_STORAGE_KEY": "a2V5"}, serverless="AWS Lambda")
