"""Servers that are killed and started again, each on a free port and in a directory of its own."""

from __future__ import annotations

import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.machine import unavailable
from tests.stores.servers import START_SECONDS, node_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Engine:
    """A server process that can be killed and started again on the same port and directory."""

    name = ""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="valetkey-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        raise NotImplementedError

    def start(self) -> Self:
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if self.is_ready():
                return self
            time.sleep(0.02)
        pytest.fail(f"{self.name} did not start", pytrace=False)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def end(self) -> None:
        """Ask it to end, and wait until it has."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # PostgreSQL then waits for nobody
            self.process.wait(20)

    def remove(self) -> None:
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)


class NodeEngine(Engine):
    """A server in Node.js that keeps what it has on disk."""

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            return False
        finally:
            connection.close()
        return True


class Dynalite(NodeEngine):
    name = "dynalite"

    def command(self) -> Sequence[str]:
        place = ("--host", "127.0.0.1", "--port", str(self.port), "--path", str(self.directory))
        return (*node_program("dynalite"), *place, "--createTableMs", "0")


class Azurite(NodeEngine):
    name = "azurite"

    def command(self) -> Sequence[str]:
        place = ("--tableHost", "127.0.0.1", "--tablePort", str(self.port), "--location", str(self.directory))
        return (*node_program("azurite"), *place, "--silent", "--disableTelemetry")


class Redis(Engine):
    name = "redis-server"

    def __init__(self, *arguments: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            unavailable("the Redis tests need redis-server, which is not on this machine")
        super().__init__()
        self.program, self.arguments = program, arguments or ("--appendonly", "yes", "--appendfsync", "always")

    def command(self) -> Sequence[str]:
        place: tuple[str, ...] = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory))
        if "--cluster-enabled" in self.arguments:  # its bus would listen 10,000 ports higher, where there may be none
            place += ("--cluster-port", str(free_port()))
        return (self.program, *place, "--save", "", *self.arguments)

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def url(self, *, port: int = 0, options: str = "") -> str:
        return f"redis://127.0.0.1:{port or self.port}/0{options}"


class Postgres(Engine):
    """A cluster with the superuser `vk` (trusted) and the user `locked` (password `right-canary`)."""

    name = "postgres"

    def __init__(self, settings: Sequence[str] = ()) -> None:
        self.programs = postgres_programs()
        super().__init__()
        self.settings = settings
        self.as_owner: tuple[str, ...] = ()
        self.owner: int | None = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                unavailable("the PostgreSQL tests need the user postgres where they run as root")
            self.owner = user.pw_uid
            self.as_owner = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
            os.chown(self.directory, user.pw_uid, user.pw_gid)

    def initialize(self) -> Self:
        self.run("initdb", "-D", str(self.data), "-A", "trust", "-U", "vk", "--no-sync", "-E", "UTF8", "--locale=C")
        access = "host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        access += "host replication all 127.0.0.1/32 trust\n"
        (self.data / "pg_hba.conf").write_text(access)
        return self

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def run(self, program: str, *arguments: str) -> None:
        command = (*self.as_owner, str(self.programs / program), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=120)
        assert done.returncode == 0, done.stderr

    def command(self) -> Sequence[str]:
        settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=16MB", *self.settings)
        options = [word for setting in settings for word in ("-c", setting)]
        return (*self.as_owner, str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *options)

    def is_ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("vk"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """As a crash: every process of the server at once, so that nothing tidies up."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for process in (self.process.pid, *map(int, children)):
            os.kill(process, 9)
        self.process.wait(10)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        import psycopg

        with psycopg.connect(self.url("vk"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def url(self, user: str = "vk", *, port: int = 0, options: str = "") -> str:
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/postgres{options}"


def postgres_programs() -> Path:
    """Where initdb and postgres are: Debian keeps them out of the path."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found_here = [place for place in candidates if (place / "postgres").exists() and (place / "initdb").exists()]
    if not found_here:
        unavailable("the PostgreSQL tests need initdb and postgres, which are not on this machine")
    return found_here[0]


def postgres_running() -> Iterator[Postgres]:
    """A PostgreSQL of its own, gone at the end."""
    server = Postgres()
    try:
        yield server.initialize().start()
    finally:
        server.remove()


def redis_running() -> Iterator[Redis]:
    """A Redis that appends every write to a file, gone at the end."""
    server = Redis("--appendonly", "yes", "--appendfsync", "no")
    try:
        yield server.start()
    finally:
        server.remove()
