"""SQLite: many processes, processes that die, and files that cannot be used."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.stores.bench import row

from valetkey.effects import LOST, WON, Key
from valetkey.errors import ConfigurationError, StoreError
from valetkey.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = Key("ab", "github")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "rows.db")


@pytest.fixture
def store(path: str) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    store.close()


def claim(path: str, ready: object, number: int) -> str:
    store = SqliteStore(path)
    try:
        ready.wait()  # type: ignore[attr-defined]
        return store.swap(KEY, None, row(KEY, {"writer": number}))
    finally:
        store.close()


def claim_into(path: str, ready: object, number: int, answers: object) -> None:
    answers.put((number, claim(path, ready, number)))  # type: ignore[attr-defined]


def test_of_eight_processes_exactly_one_wins(path: str, store: SqliteStore) -> None:
    context = multiprocessing.get_context("spawn")
    ready, answers = context.Barrier(8), context.Queue()
    processes = [context.Process(target=claim_into, args=(path, ready, number, answers)) for number in range(8)]

    for process in processes:
        process.start()
    outcomes = dict(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)

    assert sorted(outcomes.values()) == [LOST] * 7 + [WON]
    found = store.load(KEY)
    assert found is not None
    assert outcomes[found.clear["writer"]] == WON


def test_eight_processes_that_open_a_new_file_at_once_agree_on_it(path: str) -> None:
    script = "import sys; from valetkey.stores.sqlite import SqliteStore; SqliteStore(sys.argv[1]).close()"

    processes = [subprocess.Popen([sys.executable, "-W", "error", "-c", script, path]) for _ in range(8)]

    assert [process.wait(60) for process in processes] == [0] * 8


WRITER = """
import os, sys
from valetkey.effects import Key, Row
from valetkey.stores.sqlite import SqliteStore

store = SqliteStore(sys.argv[1])
key = Key("ab", "github")
found = store.load(key)
version, count = (None, 0) if found is None else (found.version, found.clear["count"])
while True:
    new = Row(key, os.urandom(16), {"count": count + 1}, os.urandom(60_000))
    assert store.swap(key, version, new) == "won"
    version, count = new.version, count + 1
    print(count, flush=True)
"""


def test_a_process_killed_while_it_writes_leaves_a_usable_file_and_no_write_undone(path: str) -> None:
    committed = 0
    for life in range(5):
        process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(3 + life):
            committed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.stdout.close()
        process.wait(10)
        committed = int(rest[-1]) if rest else committed

        store = SqliteStore(path)
        found = store.load(KEY)
        store.close()

        assert found is not None
        # what it reported is there; the one that it was at may be there too
        assert found.clear["count"] in (committed, committed + 1)
        assert len(found.sealed) == 60_000
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


FORKING = """
import os, sys
from valetkey.effects import Key, Row
from valetkey.stores.sqlite import SqliteStore

store = SqliteStore(sys.argv[1])
mine, theirs = (Row(Key("ab", name), os.urandom(16), {"who": name}) for name in ("parent", "child"))
assert store.swap(mine.key, None, mine) == "won"
child = os.fork()
if child == 0:
    assert store.load(mine.key) == mine
    assert store.swap(theirs.key, None, theirs) == "won"
    store.close()
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert store.load(theirs.key) == theirs
assert store.swap(mine.key, mine.version, None) == "won"
store.close()
"""


def test_a_store_opened_before_a_fork_works_in_both_processes(path: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING, path], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


FAILING_DISK = """
import os, resource, sys
from valetkey.effects import Key, Row
from valetkey.stores.sqlite import SqliteStore

store = SqliteStore(sys.argv[1])
key = Key("ab", "github")
old, new = (Row(key, os.urandom(16), {"n": n}, os.urandom(60_000)) for n in (1, 2))
assert store.swap(key, None, old) == "won"
size = os.path.getsize(sys.argv[1] + "-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
print(store.swap(key, old.version, new))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.load(key) == old)
print(store.swap(key, old.version, new), store.load(key) == new)
store.close()
"""


def test_a_commit_that_the_disk_breaks_off_is_unknown_and_reading_settles_it(path: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FAILING_DISK, path], capture_output=True, text=True, check=False
    )

    assert done.stdout.split("\n") == ["unknown", "True", "won True", ""], done.stderr


def test_the_file_is_readable_by_its_owner_only(path: str, store: SqliteStore) -> None:
    store.swap(KEY, None, row(KEY))

    for suffix in ("", "-wal", "-shm"):
        assert stat.S_IMODE(Path(path + suffix).stat().st_mode) == 0o600


def test_every_commit_is_on_the_disk_before_it_is_answered(store: SqliteStore) -> None:
    with store._connection() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_connections_that_are_idle_are_bounded_and_closed(store: SqliteStore) -> None:
    barrier = threading.Barrier(20)

    def hold() -> None:
        with store._connection():
            barrier.wait()

    threads = [threading.Thread(target=hold) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 0 < len(store._idle) <= 9
    store.close()
    assert not store._idle
    assert store.load(KEY) is None  # and it opens again when asked


def test_expired_rows_are_swept_by_later_writes_and_others_are_kept(path: str) -> None:
    clock = [1_000_000.0]
    store = SqliteStore(path, now=lambda: clock[0])
    expiring, lasting = row(Key("ab", "old"), expires_at=1_000_030), row(Key("ab", "kept"))
    later = row(Key("ab", "later"), expires_at=1_000_500)
    for each in (expiring, lasting, later):
        assert store.swap(each.key, None, each) == WON

    clock[0] += 61
    store.swap(Key("ab", "any"), os.urandom(16), None)

    assert store.load(expiring.key) is None
    assert store.load(lasting.key) == lasting
    assert store.load(later.key) == later
    store.close()


def test_a_sweep_costs_a_bounded_number_of_rows(path: str) -> None:
    clock = [1_000.0]
    store = SqliteStore(path, now=lambda: clock[0])
    for number in range(250):
        key = Key("ab", f"{number:03}")
        store.swap(key, None, row(key, expires_at=1_010))

    clock[0] = 1_100.0
    store.swap(KEY, os.urandom(16), None)

    assert len(store.list("ab", "").rows) == 50
    store.close()


def test_a_lock_held_too_long_is_an_error_that_says_for_how_long(path: str) -> None:
    store = SqliteStore(path, busy_seconds=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(
        StoreError, match=r"rows\.db: cannot write a row: SQLITE_BUSY: another process kept it locked for 0\.05 s"
    ):
        store.swap(KEY, None, row(KEY))

    assert store.load(KEY) is None  # readers do not wait
    other.execute("ROLLBACK")
    other.close()
    assert store.swap(KEY, None, row(KEY)) == WON
    store.close()


def test_a_writer_waits_for_a_lock_that_is_given_back(path: str, store: SqliteStore) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def give_back() -> None:
        time.sleep(0.1)
        other.execute("ROLLBACK")

    thread = threading.Thread(target=give_back)
    thread.start()

    assert store.swap(KEY, None, row(KEY)) == WON
    thread.join()
    other.close()


def test_a_full_disk_is_an_error_and_what_was_stored_is_untouched(store: SqliteStore) -> None:
    kept = row(KEY, {"n": 1})
    store.swap(KEY, None, kept)
    with store._connection() as connection:  # the engine itself refuses to grow, as it does on a full disk
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}").close()

    with pytest.raises(StoreError, match=r"rows\.db: cannot write a row: SQLITE_FULL: the disk is full"):
        store.swap(KEY, kept.version, row(KEY, {"n": 2}, sealed=bytes(60_000)))

    assert store.load(KEY) == kept


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere/rows\.db: its directory does not exist"):
        SqliteStore(str(tmp_path / "nowhere" / "rows.db"))


def test_a_directory_is_not_a_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a directory"):
        SqliteStore(str(tmp_path))


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: str) -> None:
    Path(path).write_bytes(b"a letter to my aunt" * 500)

    with pytest.raises(ConfigurationError, match=r"rows\.db: is not a SQLite database"):
        SqliteStore(path)

    assert Path(path).read_bytes() == b"a letter to my aunt" * 500


def test_a_database_of_another_application_is_refused_and_left_alone(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()

    with pytest.raises(ConfigurationError, match="another application"):
        SqliteStore(path)

    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_another_application_that_numbers_its_schema_is_refused_too(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 7")
    connection.close()

    with pytest.raises(ConfigurationError, match="another application"):
        SqliteStore(path)


def test_a_table_of_the_same_name_in_an_unmarked_file_is_not_taken_over(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE rows (id INTEGER)")
    connection.close()

    with pytest.raises((ConfigurationError, StoreError)):
        SqliteStore(path)

    connection = sqlite3.connect(path)
    assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == [("CREATE TABLE rows (id INTEGER)",)]
    connection.close()


def test_a_newer_schema_asks_for_a_newer_valetkey(path: str, store: SqliteStore) -> None:
    with store._connection() as connection:
        connection.execute("PRAGMA user_version = 2").close()

    with pytest.raises(StoreError, match=r"newer valetkey \(schema 2, this one knows 1\): upgrade"):
        SqliteStore(path)


def test_a_read_only_file_says_so_at_once(path: str, store: SqliteStore) -> None:
    store.close()
    Path(path).chmod(0o400)
    Path(path).parent.chmod(0o755)
    script = (
        "import os, sys\n"
        "from valetkey.errors import ConfigurationError\n"
        "from valetkey.stores.sqlite import SqliteStore\n"
        "os.geteuid() or os.setuid(65534)\n"  # root writes anywhere
        "try:\n    SqliteStore(sys.argv[1])\n"
        "except ConfigurationError as error:\n    print(error)\n"
    )
    outer = Path(path).parent
    while outer != outer.parent and outer.stat().st_uid == os.geteuid() and outer != Path("/tmp"):
        outer.chmod(outer.stat().st_mode | 0o055)
        outer = outer.parent

    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)

    assert "rows.db: cannot be opened for writing (Permission denied)" in done.stdout, done.stderr


def test_a_database_that_turned_read_only_fails_without_losing_anything(store: SqliteStore) -> None:
    kept = row(KEY)
    store.swap(KEY, None, kept)
    with store._connection() as connection:
        connection.execute("PRAGMA query_only = ON").close()

    with pytest.raises(StoreError, match="read-only"):
        store.swap(KEY, kept.version, None)

    assert store.load(KEY) == kept


def test_damaged_clear_columns_are_an_error_with_a_name(path: str, store: SqliteStore) -> None:
    store.swap(KEY, None, row(KEY, {"n": 1}))
    with store._connection() as connection:
        connection.execute("UPDATE rows SET clear = '[1]'").close()

    with pytest.raises(StoreError, match="damaged"):
        store.load(KEY)


def test_a_relative_path_stays_where_it_was_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteStore("rows.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.close()

    assert store.swap(KEY, None, row(KEY)) == WON

    assert store.description == f"sqlite:{tmp_path / 'rows.db'}"
    assert not (tmp_path / "elsewhere" / "rows.db").exists()
    store.close()
