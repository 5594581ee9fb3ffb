"""Servers that speak DynamoDB's, Azure's and Firestore's protocols, started once for a test run, stopped at its end."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.machine import CACHE, install_npm_packages, node_or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NODE = CACHE / "node"
PACKAGE = Path(__file__).parent / "node" / "package.json"
START_SECONDS = 60
EMULATOR = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
FIRESTORE_JARS = [root / EMULATOR for root in (Path("/usr/lib/google-cloud-sdk"), Path("/usr/share/google-cloud-sdk"))]
if shutil.which("gcloud"):
    FIRESTORE_JARS.append(Path(shutil.which("gcloud") or "").resolve().parents[1] / EMULATOR)


# moto looks at a condition and writes in two steps, on one thread for each request: of several writers more than one
# would win now and then. Its requests are answered one after the other, as a conditional write of DynamoDB's is atomic.
MOTO = """
import sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

moto, one_at_a_time = DomainDispatcherApplication(create_backend_app), threading.Lock()

def app(environ, start_response):
    with one_at_a_time:
        return list(moto(environ, start_response))

run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
"""


def moto() -> Iterator[str]:
    yield from _serve([sys.executable, "-c", MOTO, "{port}"])


SCRIPTS = {"dynalite": ("cli.js",), "azurite": ("dist", "src", "table", "main.js")}


def node_program(name: str) -> tuple[str, str]:
    """How dynalite or azurite is started, installed where it is not yet."""
    node = node_or_skip(name)
    _install()
    return node, str((NODE / "node_modules" / name).joinpath(*SCRIPTS[name]))


def dynalite() -> Iterator[str]:
    options = ["--host", "127.0.0.1", "--port", "{port}", "--createTableMs", "0"]
    yield from _serve([*node_program("dynalite"), *options])


def azurite() -> Iterator[str]:
    """Azure's own emulator of Table Storage, which verifies signatures."""
    options = ["--inMemoryPersistence", "--silent", "--disableTelemetry"]
    yield from _serve([*node_program("azurite"), "--tableHost", "127.0.0.1", "--tablePort", "{port}", *options])


def firestore_emulator_command() -> list[str]:
    """How Google's own emulator is started; empty where it, or Java, is not on this machine.

    It comes with Google's command line, from Google's packages alone, and so cannot be asked of every machine.
    """
    java, jar = shutil.which("java"), next((path for path in FIRESTORE_JARS if path.is_file()), None)
    if java is None or jar is None:
        return []
    name = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
    return [java, "-Duser.language=en", "-cp", str(jar), name, "start", "--host=127.0.0.1", "--port={port}"]


def firestore_emulator() -> Iterator[str]:
    """Google's own emulator."""
    yield from _serve(firestore_emulator_command())


def _install() -> None:
    install_npm_packages(PACKAGE, NODE, what="dynalite and azurite")


def _serve(command: Sequence[str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [argument.replace("{port}", str(port)) for argument in command]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    pytest.fail("a test server did not start", pytrace=False)
