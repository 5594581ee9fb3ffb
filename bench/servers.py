"""Servers on loopback for the benchmarks: DynamoDB by moto behind TLS, PostgreSQL, Redis; what is not there is left out."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


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
    subprocess.run([*as_user, *initdb], check=True, **quiet)  # type: ignore[call-overload]
    settings = [f"-p{port}", "-clisten_addresses=127.0.0.1", "-cunix_socket_directories="]
    server = [*as_user, str(POSTGRES[-1] / "postgres"), "-D", str(directory), *settings]
    process = subprocess.Popen(server, **quiet)  # type: ignore[call-overload]
    try:
        wait_for(port)
        yield f"postgresql://vk@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*as_user, "kill", "-INT", (directory / "postmaster.pid").read_text().split()[0]], check=False)
        process.wait(20)
