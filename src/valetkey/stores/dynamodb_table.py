"""The DynamoDB table itself: made on demand, and checked.

The one rule: nothing here reads or writes a row of a connection. Permissions are tried with requests that cannot
change anything: their condition never holds.
"""

from __future__ import annotations

from valetkey.effects import Sleep
from valetkey.errors import StoreError
from valetkey.stores.dynamodb_wire import is_region

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.effects import WireOp
    from valetkey.stores.dynamodb_wire import DynamoDBWire

NO_SUCH_TABLE = "ResourceNotFoundException"
TABLE_EXISTS = "ResourceInUseException"
NO_SUCH_OPERATION = "UnknownOperationException"  # some test servers do not know an operation at all
ENABLED_ALREADY = "ValidationException"
BACKUPS_NOT_YET = "ContinuousBackupsUnavailableException"  # for some seconds after a table was made
ACCESS_DENIED = "AccessDeniedException"
MAX_TABLE_POLLS = 60
TABLE_POLL_SECONDS = 1.0
PROBE = {"partition": {"S": "valetkey-store-check"}, "name": {"S": "no row has this key"}}


def create_table(wire: DynamoDBWire, table: str) -> WireOp[None]:
    """Make the table where it is not there, paid per request, with TTL and point-in-time recovery."""
    answer = yield from wire.ask("CreateTable", table_description(table))
    if answer.error and answer.error != TABLE_EXISTS:
        raise wire.failure(answer)
    yield from _wait_until_active(wire, table)
    lapse = {"AttributeName": "expires_at", "Enabled": True}
    answer = yield from wire.ask("UpdateTimeToLive", {"TableName": table, "TimeToLiveSpecification": lapse})
    if answer.error not in ("", ENABLED_ALREADY, NO_SUCH_OPERATION):
        raise wire.failure(answer)
    yield from _keep_backups(wire, table)


def check_table(wire: DynamoDBWire, table: str) -> WireOp[tuple[str, ...]]:
    """A sentence for each thing that is missing: table, keys, regions, permissions, TTL, point-in-time recovery."""
    answer = yield from wire.ask("DescribeTable", {"TableName": table})
    if answer.error == NO_SUCH_TABLE:
        return (f"{wire.description}: there is no such table: make it with `valetkey store create`",)
    problems = []
    if answer.error == ACCESS_DENIED:
        problems.append(_denied(wire, "DescribeTable"))
    else:
        description = _part(wire.content(answer), "Table")
        if description.get("KeySchema") != table_description(table)["KeySchema"]:
            return (f"{wire.description}: the table has other keys: give valetkey a table of its own",)
        if description.get("TableStatus") not in ("ACTIVE", "UPDATING"):
            return (f"{wire.description}: the table is not active: wait, or look at it in the console",)
        problems += _check_regions(wire, description)
    problems += yield from _check_permissions(wire, table)
    problems += yield from _check_setting(
        wire, table, ("DescribeTimeToLive", "TimeToLiveDescription", '"ENABLED"'), "expired rows are never deleted"
    )
    problems += yield from _check_setting(
        wire,
        table,
        ("DescribeContinuousBackups", "PointInTimeRecoveryDescription", '"ENABLED"'),
        "there is no point-in-time recovery, so that rows deleted by mistake are gone",
    )
    return tuple(problems)


def table_description(table: str) -> dict[str, object]:
    """What CreateTable is asked for."""
    names = (("partition", "HASH"), ("name", "RANGE"))
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name, _ in names],
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in names],
    }


def _wait_until_active(wire: DynamoDBWire, table: str) -> WireOp[None]:
    for _ in range(MAX_TABLE_POLLS):
        answer = yield from wire.ask("DescribeTable", {"TableName": table})
        # a table that was just made may not be seen yet
        found = {} if answer.error == NO_SUCH_TABLE else _part(wire.content(answer), "Table")
        if found.get("TableStatus") == "ACTIVE":
            if found.get("KeySchema") != table_description(table)["KeySchema"]:
                message = "the table has other keys: give valetkey a table of its own"
                raise StoreError(message)
            return
        yield from Sleep(TABLE_POLL_SECONDS)
    message = "the table is still not active: look at it in the console, then try again"
    raise StoreError(message)


def _keep_backups(wire: DynamoDBWire, table: str) -> WireOp[None]:
    wanted = {"TableName": table, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    for _ in range(MAX_TABLE_POLLS):
        answer = yield from wire.ask("UpdateContinuousBackups", wanted)
        if answer.error in ("", NO_SUCH_OPERATION):
            return
        if answer.error != BACKUPS_NOT_YET:
            raise wire.failure(answer)
        yield from Sleep(TABLE_POLL_SECONDS)
    message = "point-in-time recovery cannot be switched on yet: try again in a minute"
    raise StoreError(message)


def _check_regions(wire: DynamoDBWire, description: Mapping[str, Any]) -> list[str]:
    """A global table's regions read and compare alone, unless its consistency between them is strong (MRSC)."""
    replicas = description.get("Replicas")
    if not replicas or description.get("MultiRegionConsistency") == "STRONG":
        return []
    names = [_part({"": each}, "").get("RegionName") for each in replicas] if isinstance(replicas, list) else []
    regions = [name for name in names if isinstance(name, str) and is_region(name)]
    told = (
        f"it is a global table without strong consistency, with replicas in {', '.join(regions) or 'other regions'}:"
        " callers in two regions could use one refresh token: let those of one region alone use it and keep the others"
        " for disasters, or make a table with multi-region strong consistency"
    )
    return [f"{wire.description}: {told}"]


def _check_permissions(wire: DynamoDBWire, table: str) -> WireOp[list[str]]:
    problems = []
    for operation, request in _probes(table):
        answer = yield from wire.ask(operation, request)
        if answer.error == ACCESS_DENIED:
            problems.append(_denied(wire, operation))
        elif answer.error not in ("", "ConditionalCheckFailedException"):
            raise wire.failure(answer)
    return problems


def _probes(table: str) -> tuple[tuple[str, dict[str, object]], ...]:
    names = {"#p": "partition"}
    never = {"ConditionExpression": "attribute_exists(#p)", "ExpressionAttributeNames": names}
    within = {"KeyConditionExpression": "#p = :p", "ExpressionAttributeNames": names}
    values = {"ExpressionAttributeValues": {":p": PROBE["partition"]}}
    return (
        ("GetItem", {"TableName": table, "Key": PROBE, "ConsistentRead": True}),
        ("PutItem", {"TableName": table, "Item": PROBE, **never}),
        ("DeleteItem", {"TableName": table, "Key": PROBE, **never}),
        ("Query", {"TableName": table, "ConsistentRead": True, "Limit": 1, **within, **values}),
        ("Scan", {"TableName": table, "ConsistentRead": True, "Limit": 1}),
    )


def _check_setting(wire: DynamoDBWire, table: str, setting: tuple[str, str, str], otherwise: str) -> WireOp[list[str]]:
    """A sentence where the operation's answer does not say of that part that it is enabled."""
    from json import dumps

    operation, part, enabled = setting
    answer = yield from wire.ask(operation, {"TableName": table})
    if answer.error == ACCESS_DENIED:
        return [_denied(wire, operation)]
    if answer.error == NO_SUCH_OPERATION:
        return [f"{wire.description}: {operation} is not known to this server: {otherwise}"]
    found = wire.content(answer)
    found = _part(found, "ContinuousBackupsDescription") or found
    if enabled in dumps(_part(found, part)):
        return []
    return [f"{wire.description}: {otherwise}: `valetkey store create` switches it on"]


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _denied(wire: DynamoDBWire, operation: str) -> str:
    return f"{wire.description}: {operation} is not allowed: allow dynamodb:{operation} on the table"
