"""What a Firestore database needs around the rows: a TTL policy, no indexes, backups; made and checked.

    collectionGroups/<collection>/fields/expires_at    ttlConfig (`projects.databases.collectionGroups.fields.patch`)
    collectionGroups/<collection>/fields/*             indexConfig without indexes: rows are found by name only
    (the database)                                     pointInTimeRecoveryEnablement

The one rule: only the collection's own settings and the database's recovery are changed, and a database is never made:
where it lies cannot be changed later, so a person chooses. Only `valetkey store` comes here.
"""

from __future__ import annotations

from valetkey.clouds.service import NO_CODE
from valetkey.errors import StoreError
from valetkey.stores.firestore_wire import CONDITION_FAILED, DENIED, NOT_FOUND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.stores.firestore_wire import FirestoreWire

RECOVERY = "pointInTimeRecoveryEnablement"
RECOVERY_ON = "POINT_IN_TIME_RECOVERY_ENABLED"
TTL_ON = ("ACTIVE", "CREATING")
UNKNOWN_TO_EMULATORS = frozenset({"UNIMPLEMENTED", NOT_FOUND, NO_CODE})  # they have no settings
PROBE = "kvaletkey-check none"


def create_policies(wire: FirestoreWire, collection: str) -> WireOp[None]:
    """Let expired rows lapse, leave the collection out of indexes, keep backups. Raises StoreError."""
    fields = f"/collectionGroups/{collection}/fields"
    changes: tuple[tuple[str, str, object], ...] = (
        (f"{fields}/expires_at", "ttlConfig", {"ttlConfig": {}}),
        (f"{fields}/*", "indexConfig", {"indexConfig": {"indexes": []}}),
        ("", RECOVERY, {RECOVERY: RECOVERY_ON}),
    )
    for path, mask, content in changes:
        answer = yield from wire.ask(wire.request(path, content, method="PATCH", query=(("updateMask", mask),)))
        if not answer.error or (wire.emulated and answer.error in UNKNOWN_TO_EMULATORS):
            continue
        if mask == RECOVERY and answer.error not in (DENIED, NOT_FOUND):
            message = f"point-in-time recovery cannot be switched on ({answer.error}): see billing"
            raise StoreError(message)
        raise wire.failure(answer)


def check_database(wire: FirestoreWire, collection: str) -> WireOp[tuple[str, ...]]:
    """What is missing or unsafe, in sentences. Raises StoreError where the database cannot be asked."""
    problems = yield from _check_rows(wire, collection)
    if problems or wire.emulated:
        return tuple(problems)
    field = f"/collectionGroups/{collection}/fields/expires_at"
    settings = (
        (field, "ttlConfig", "expired rows are not removed: run `valetkey store create`"),
        ("", RECOVERY, "there is no point-in-time recovery: run `valetkey store create`"),
    )
    for path, setting, otherwise in settings:
        answer = yield from wire.ask(wire.request(path, method="GET"))
        if answer.error == DENIED:
            permission = "datastore.indexes.get" if path else "datastore.databases.getMetadata"
            problems.append(f"{wire.description}: {setting} cannot be seen: allow {permission}, or look in the console")
        elif not _is_on(wire.content(answer), setting):
            problems.append(f"{wire.description}: {otherwise}")
    return tuple(problems)


def _check_rows(wire: FirestoreWire, collection: str) -> WireOp[list[str]]:
    """Whether documents may be read and written: by a read, and by a delete whose condition never holds."""
    name = f"{wire.database}/documents/{collection}/{PROBE}"
    probes = (
        ("/documents:batchGet", {"documents": [name]}),
        ("/documents:commit", {"writes": [{"delete": name, "currentDocument": {"exists": True}}]}),
    )
    for path, content in probes:
        answer = yield from wire.ask(wire.request(path, content))
        reading = path == probes[0][0]
        if answer.error == DENIED or (reading and answer.error in (NOT_FOUND, CONDITION_FAILED)):
            return [f"{wire.description}: {wire.failure(answer)}"]
        if answer.error and (reading or answer.error not in (NOT_FOUND, CONDITION_FAILED)):
            raise wire.failure(answer)
    return []


def _is_on(content: object, setting: str) -> bool:
    found = content.get(setting) if isinstance(content, dict) else None
    return found == RECOVERY_ON or (isinstance(found, dict) and found.get("state") in TTL_ON)
