"""Servers on loopback for the benchmarks; what is not there is left out.

DynamoDB by moto behind TLS, PostgreSQL, Redis, Azure Tables by Azurite (Microsoft's, needs Node.js), Firestore by
Google's own emulator, which comes with its command line (`google-cloud-cli-firestore-emulator`) and needs Java.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
ROOT = Path(__file__).parent.parent
NODE = ROOT / ".cache" / "node"
AZURITE = NODE / "node_modules" / "azurite" / "dist" / "src" / "table" / "main.js"
AZURITE_ACCOUNT = "devstoreaccount1"  # it and its key are Azurite's, the same everywhere
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
FIRESTORE = "google-cloud-sdk/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
FIRESTORE_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


@contextmanager
def dynamodb(folder: Path) -> Iterator[dict[str, str]]:
    """Where it is, and whom to trust."""
    import trustme

    authority, port = trustme.CA(), free_port()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(folder / "cert.pem"), append=True)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    command += ["-s", "-c", str(folder / "cert.pem"), "-k", str(folder / "key.pem")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield {
            "BENCH_DYNAMODB": f"https://localhost:{port}",
            "SSL_CERT_FILE": str(folder / "ca.pem"),
            "AWS_CA_BUNDLE": str(folder / "ca.pem"),
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def redis(folder: Path) -> Iterator[str | None]:
    """Its URL, or None where it is not installed."""
    server = shutil.which("redis-server")
    if server is None:
        yield None
        return
    port = free_port()
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def postgres(folder: Path) -> Iterator[str | None]:
    """Its URL, or None where it is not installed."""
    if not POSTGRES:
        yield None
        return
    port, database = free_port(), folder / "postgres"
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    database.mkdir()
    if as_user:
        for parent in (folder, database):
            parent.chmod(0o777)
    directory = database / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    initdb = [str(POSTGRES[-1] / "initdb"), "-D", str(directory), "-A", "trust", "-U", "vk", "--no-sync"]
    subprocess.run([*as_user, *initdb], check=True, **quiet)
    settings = [f"-p{port}", "-clisten_addresses=127.0.0.1", "-cunix_socket_directories="]
    server = [*as_user, str(POSTGRES[-1] / "postgres"), "-D", str(directory), *settings]
    process = subprocess.Popen(server, **quiet)
    try:
        wait_for(port)
        yield f"postgresql://vk@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*as_user, "kill", "-INT", (directory / "postmaster.pid").read_text().split()[0]], check=False)
        process.wait(20)


@contextmanager
def azure_tables(folder: Path) -> Iterator[dict[str, str]]:
    """Where it is, and the account's key; nothing where Node.js is not there, or npm could not install it."""
    del folder  # it keeps its rows in memory
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and not AZURITE.is_file():
        NODE.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / "stores" / "node" / "package.json", NODE)
        options = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        subprocess.run([npm, "install", *options], cwd=NODE, check=False, **QUIET)
    if not node or not AZURITE.is_file():
        yield {}
        return
    port = free_port()
    command = [node, str(AZURITE), "--tableHost", "127.0.0.1", "--tablePort", str(port)]
    command += ["--inMemoryPersistence", "--silent", "--disableTelemetry"]
    process = subprocess.Popen(command, **QUIET)
    try:
        wait_for(port)
        endpoint = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
        yield {"BENCH_AZTABLES": endpoint, "AZURE_STORAGE_KEY": AZURITE_KEY}
    finally:
        process.terminate()
        process.wait(10)


def firestore_emulator() -> str:
    """Where its jar is; empty where it or Java is not."""
    java, found = shutil.which("java"), shutil.which("gcloud")
    root = Path(found).resolve().parent.parent.parent if found else Path("/usr/lib")
    jar = root / FIRESTORE
    return str(jar) if java and jar.is_file() else ""


@contextmanager
def firestore(folder: Path) -> Iterator[dict[str, str]]:
    """Where it is, as every client of Firestore reads it; nothing where it is not installed."""
    jar = firestore_emulator()
    if not jar:
        yield {}
        return
    port = free_port()
    command = ["java", "-Duser.language=en", "-cp", jar, FIRESTORE_CLASS, "start", "--host=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen(command, cwd=folder, **QUIET)
    try:
        wait_for(port)
        yield {"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{port}"}
    finally:
        process.terminate()
        process.wait(20)
