"""Runs every benchmark and writes docs/benchmarks.md: times by pyperf, instructions by callgrind, and their ratios.

make bench              all of it, about twelve minutes
make bench ARGS=--fast  fewer runs, for a first look
make bench ARGS=--stores  only the reads from stores, printed and not written
make bench ARGS=--fleet   only the fleets, written into their section
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import servers
from fleet_report import HEADING, fleet_section
from report import COLD_TARGETS, RATE_TARGETS, STORE_TARGETS, cold_table, rate_table, store_table, targets

HERE = Path(__file__).parent
OUTPUT = HERE.parent / "docs" / "benchmarks.md"
PACKAGES = (
    "valetkey",
    "cryptography",
    "oauthlib",
    "requests-oauthlib",
    "Authlib",
    "requests",
    "httpx",
    "boto3",
    "moto",
)
PACKAGES += ("azure-data-tables", "google-cloud-firestore", "psycopg", "redis", "pyperf")
PASSED_ON = ("VALETKEY_", "BENCH_", "AWS_", "SSL_", "AZURE_", "FIRESTORE_")


def environment(folder: Path) -> dict[str, str]:
    """What a function would have: a sealed connection in SQLite and the key to it."""
    from valetkey.keys.local import generate_key

    return os.environ | {
        "VALETKEY_STORE": f"sqlite://{folder}/bench.db",
        "VALETKEY_KEY": generate_key(os.urandom),
        "VALETKEY_BASE_URL": "https://app.example/oauth",
        "VALETKEY_TRELLO_CLIENT_ID": "key",
        "VALETKEY_TRELLO_CLIENT_SECRET": "secret",
        "VALETKEY_GITHUB_CLIENT_ID": "id",
        "VALETKEY_GITHUB_CLIENT_SECRET": "secret",
    }


PREPARE = """
import os, sqlite3, sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from valetkey import Secret, Vault
from valetkey.connections.connection import Tokens
from valetkey.connections.establish import save_grant
from valetkey.connections.grant import Grant

def prepare(url):
    vault = Vault.from_env({**os.environ, "VALETKEY_STORE": url})
    made = vault._store.create()
    if made is not None:
        vault.run(made)
    grants = {"trello": Tokens(Secret("token"), None, Secret("secret")), "github": Tokens(Secret("token-of-github"))}
    for name, tokens in grants.items():
        vault.run(save_grant(vault.settings, vault.settings.registration(name), Grant(tokens),
                             resource_owner="alice", account="", authorized_by="bench"))
    vault.close()

for url in os.environ["BENCH_STORES"].split():
    prepare(url)
database = sqlite3.connect(os.environ["VALETKEY_STORE"].removeprefix("sqlite://"))
nonce = os.urandom(12)
database.execute("CREATE TABLE IF NOT EXISTS plain (nonce BLOB, sealed BLOB)")
database.execute("INSERT INTO plain VALUES (?, ?)", (nonce, AESGCM(bytes(range(32))).encrypt(nonce, b"a secret", b"place")))
database.commit()
"""


def make_rows(environ: dict[str, str], stores: list[str]) -> None:
    """Two sealed connections in each."""
    environ = environ | {"BENCH_STORES": " ".join(stores)}
    subprocess.run([sys.executable, "-c", PREPARE], check=True, env=environ)


def emulated(environ: dict[str, str]) -> list[str]:
    """The stores whose emulators are running."""
    found = []
    if "BENCH_AZTABLES" in environ:
        endpoint = environ["BENCH_AZTABLES"]
        found.append(f"aztables://{servers.AZURITE_ACCOUNT}/valetkey?endpoint={endpoint}")
    if "FIRESTORE_EMULATOR_HOST" in environ:
        found.append("firestore://demo-valetkey")
    return found


def pyperf_medians(script: str, folder: Path, environ: dict[str, str], *, fast: bool) -> dict[str, float]:
    """Seconds by name."""
    output = folder / f"{script}.json"
    command = [sys.executable, str(HERE / script), "-o", str(output), "--quiet"]
    if fast:
        command += ["--processes", "3"]
    names = [name for name in environ if name.startswith(PASSED_ON)]
    command += ["--inherit-environ", ",".join(["PATH", *names])]
    subprocess.run(command, check=True, env=environ)
    import pyperf

    suite = pyperf.BenchmarkSuite.load(str(output))
    return {benchmark.get_name(): benchmark.median() for benchmark in suite.get_benchmarks()}


def instructions(folder: Path, environ: dict[str, str]) -> dict[str, int]:
    """Instructions of a fresh process by name, where valgrind is installed: they do not depend on the machine's load."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return {}
    found = {}
    for script in sorted((HERE / "cold").glob("*.py")):
        output = folder / "callgrind"
        command = [valgrind, "--tool=callgrind", f"--callgrind-out-file={output}", sys.executable, "-W", "ignore"]
        done = subprocess.run([*command, str(script)], env=environ, capture_output=True, text=True, check=False)
        totals = [line for line in output.read_text().splitlines() if line.startswith(("summary:", "totals:"))]
        if done.returncode == 0 and totals:
            found[script.stem] = int(totals[0].split()[1])
    return found


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def page(
    cold: dict[str, float],
    rates: dict[str, float],
    stores: dict[str, float],
    fleet: dict[str, Any],
    counted: dict[str, int],
) -> str:
    """The whole of docs/benchmarks.md."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Made by `make bench`. Ratios of one run count, not seconds: machines differ and are shared.",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}; {versions}.",
            "",
            "## A fresh process",
            "",
            "Median of fresh processes with bytecode in place, above a bare interpreter. "
            "Instructions are callgrind's, above a bare interpreter too.",
            "",
            *cold_table(cold, counted),
            "",
            *targets(COLD_TARGETS, cold),
            "",
            "## A warm process",
            "",
            *rate_table(rates),
            "",
            *targets(RATE_TARGETS, rates),
            "",
            "## Reads from a store",
            "",
            "One connection's row on loopback, warm, one caller: the raw driver's read of the row, our strong load of it, "
            "and the whole of `access_token` (load, open the seal, decide, answer) without the process's cache. PostgreSQL's raw "
            "read is psycopg's, which prepares the statement; DynamoDB's is boto3's, from moto over TLS; Azure Tables' is "
            "azure-data-tables', from Azurite (Microsoft's emulator) over plain HTTP; Firestore's is google-cloud-firestore's, "
            "from Google's own emulator, which it asks by gRPC and valetkey by REST. SQLite's is three microseconds in process, "
            "about as much as AES-GCM takes alone: no store that gives out rows and opens seals comes near it.",
            "",
            *store_table(stores),
            "",
            *targets(STORE_TARGETS, stores),
            "",
            *fleet_section(fleet),
        ]
    )


def fleets() -> dict[str, Any]:
    """What fleet.py counted."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE / "naive")])}
    found: dict[str, Any] = json.loads(subprocess.check_output([sys.executable, str(HERE / "fleet.py")], env=environ))
    return found


def write_fleets() -> None:
    """Their section anew, the others as they are."""
    before, _, after = OUTPUT.read_text().partition(f"{HEADING}\n")
    following = after.find("\n## ") + 1
    rest = after[following:] if following else ""
    OUTPUT.write_text(before + "\n".join(fleet_section(fleets())) + (f"\n{rest}" if rest else ""))


def main() -> None:
    """Measure, write, and say where."""
    if "--fleet" in sys.argv[1:]:
        write_fleets()
        return
    fast = "--fast" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ExitStack() as running:
            started = [running.enter_context(start(folder)) for start in (servers.redis, servers.postgres)]
            environ = environment(folder) | running.enter_context(servers.dynamodb(folder))
            environ["PYTHONDONTWRITEBYTECODE"] = ""
            environ["BENCH_PARTITION"] = sha256(b"alice").hexdigest()
            started.append(f"dynamodb://valetkey?region=eu-central-1&endpoint={environ['BENCH_DYNAMODB']}")
            make_rows(environ, [environ["VALETKEY_STORE"], *filter(None, started)])
            only_stores = "--stores" in sys.argv[1:]
            cold = {} if only_stores else pyperf_medians("cold.py", folder, environ, fast=fast)
            rates = {} if only_stores else pyperf_medians("rates.py", folder, environ, fast=fast)
            # Only now: a Java machine that warms up beside them is seen in what fresh processes take.
            for start in (servers.azure_tables, servers.firestore):
                environ |= running.enter_context(start(folder))
            make_rows(environ, emulated(environ))
            subprocess.run([sys.executable, str(HERE / "stores.py"), "--warm"], check=True, env=environ)
            stores = pyperf_medians("stores.py", folder, environ, fast=fast)
            if only_stores:
                print("\n".join([*store_table(stores), *targets(STORE_TARGETS, stores)]))
                return
            fleet = fleets()
            counted = {} if fast else instructions(folder, environ)
    OUTPUT.write_text(page(cold, rates, stores, fleet, counted))
    print(f"written: {OUTPUT}")


if __name__ == "__main__":
    main()
