"""The doctor's reading of a curl command against what curl itself sends."""

from __future__ import annotations

import re
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from tests.machine import unavailable

from valetkey.oauth1.doctor.curl import read_curl
from valetkey.oauth1.doctor.curl_options import LETTERS, SWITCHES, TAKE_A_VALUE

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 30


class Recorder(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        assert isinstance(self.server, Recorder)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, self.headers.get("Content-Type") or "", body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def curl() -> str:
    found = shutil.which("curl")
    if found is None:
        unavailable("what curl sends can only be seen with curl, which is not on this machine")
    return found


COMMANDS = [
    "curl URL/a?b=c",
    "curl URL",
    "curl URL/a -d ''",
    "curl URL/a -d b=c -d ''",
    "curl URL/a -d b=c --data-raw @d --data-binary e",
    "curl URL/a --data-urlencode 'b=c d&e' --data-urlencode '=f g' --data-urlencode 'h i' --data-urlencode 'j=k=@l'",
    "curl URL/a --data-urlencode 'b=~-._*\N{EURO SIGN}'",
    "curl -G URL/a -d b=c --data-urlencode 'd= '",
    "curl -G URL/a?x=y -d b=c",
    "curl 'URL/a?x=y#z' -G -d b=c",
    "curl 'URL/a?' -G -d b=c",
    "curl URL/a?x=y --url-query 'b=c d' --url-query '+e=f%20g' --url-query 'h&i'",
    "curl URL/a --json '[1' --json ']'",
    "curl URL/a --json '{}' -H 'Content-Type: text/plain'",
    "curl -sXPUT URL/a -d b=c",
    "curl -X DELETE -X PATCH URL/a",
    "curl -sI URL/a",
    "curl -GI URL/a -d b=c",
    "curl URL/a -d b=c -H 'Content-Type:'",
    "curl URL/a -d b=c -H 'Content-Type;'",
    "curl URL/a/./b/../c",
    "curl URL/a/b/..",
    "curl URL/a/b/. -d c=d",
    "curl URL/../a",
    "curl URL/a/./b --path-as-is",
    "curl -g 'URL/{a,b}/[1-2]'",
    "curl URL/a --max-redirs 3 -D /dev/null --retry 0 -m 20",
    "curl -L --compressed --no-keepalive -A b -e http://x.example/ -b c=d URL/a",
    "curl --request POST --url URL/a --header 'Accept: */*'",
    "curl -- URL/a",
    "curl $'URL/a' --data-raw $'{\"a\":\"it\\'s\\\\n\\\\u0021\"}' -H 'Content-Type: application/json'",
    'curl "URL/a" -d "b=\\"c\\" \\\\d" \\\n  -d e=f',
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_read_is_what_curl_sends(curl: str, recorder: Recorder, command: str) -> None:
    command = command.replace("URL", recorder.url)
    bash = shutil.which("bash")
    if bash is None:
        unavailable("a curl command is run by bash, which is not on this machine")
    recorder.seen.clear()
    done = subprocess.run(
        [bash, "-c", f'curl() {{ {curl} -q -s -o /dev/null --noproxy "*" "$@"; }}; {command}'],
        capture_output=True, text=True, timeout=SECONDS, check=False, env={"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if "is unknown" in done.stderr:
        unavailable(f"this curl is too old: {done.stderr[:80]}")
    ((method, target, kind, body),) = recorder.seen

    request = read_curl(command).request

    path = request.url.removeprefix(recorder.url).partition("#")[0]
    assert (method, target, body) == (request.method, path if path.startswith("/") else f"/{path}", request.body)
    assert kind == (request.headers.get("Content-Type") or "")


def test_a_file_and_a_form_of_several_parts_are_sent_by_the_method_and_to_the_path_that_is_read(
    curl: str, recorder: Recorder
) -> None:
    commands = ("curl URL/a -F b=c", "curl -T /dev/null URL/a", "curl -T /dev/null URL/a/", "curl -T /dev/null URL?b=c")
    for command in [command.replace("URL", recorder.url) for command in commands]:
        recorder.seen.clear()
        arguments = command.split()[1:]
        _ = subprocess.run([curl, "-q", "-s", "--noproxy", "*", *arguments], timeout=SECONDS, check=True)
        ((method, target, kind, _),) = recorder.seen

        request = read_curl(command).request

        assert (method, target) == (request.method, request.url.removeprefix(recorder.url))
        assert kind.partition(";")[0] == (request.headers.get("Content-Type") or "")


def test_every_option_that_this_curl_has_is_known_with_whether_it_takes_a_value(curl: str) -> None:
    listed = subprocess.run([curl, "--help", "all"], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    seen = 0
    for line in listed.splitlines():
        found = re.match(r"\s*(?:-(\S), )?\s*--(\S+) ?(.*)", line)
        if found is None:
            continue
        letter, name, rest = found.groups()
        seen += 1
        base = name.removeprefix("no-") if name not in TAKE_A_VALUE | SWITCHES else name
        takes = rest[:1] in ("<", "[") or name == "help"
        assert base in (TAKE_A_VALUE if takes else SWITCHES), line
        assert letter is None or LETTERS[letter] == base, line
    assert seen > 200
