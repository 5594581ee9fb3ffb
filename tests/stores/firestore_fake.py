"""A fake of Firestore's REST API: Google's own emulator is not on every machine, and cannot be made to misbehave.

It is a model of the documented contract (the REST v1 reference of `projects.databases.documents`, of `Precondition`,
`Document`, `Value` and `StructuredQuery`, and "Quotas and limits"), written for these tests; it is not Google's code
and was never compared with the service. The suite of all stores runs against the emulator too, where that is. What it
enforces: the names and limits of documents and fields, one type for each value, preconditions by existence and by
update time, atomic commits, update times that only grow (and stay where a write changes nothing), results in order of
names, cursors, and the shapes of answers and errors. What it does not know, it refuses. It has no transactions, because
none are used.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from valetkey.clouds.google_credentials import GoogleTokenSource

if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.secret import Secret

STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
DATABASE = "projects/demo-valetkey/databases/(default)"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
RESERVED = re.compile(r"__.*__", re.DOTALL)
RECOVERY = "pointInTimeRecoveryEnablement"


class NoTokens(GoogleTokenSource):
    """An emulator is asked without credentials."""

    def __init__(self) -> None:
        super().__init__({}, scope=())

    def current(self) -> WireOp[Secret]:
        raise AssertionError("an emulator is given no credentials")


class Refused(Exception):
    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


def demand(holds: object, message: str, status: str = "INVALID_ARGUMENT") -> None:
    if not holds:
        raise Refused(status, message)


def only(content: Any, *names: str) -> None:
    demand(isinstance(content, dict), "an object is wanted")
    demand(set(content) <= set(names), f"unknown field among {sorted(content)}")


class Database:
    """The documents of one database."""

    def __init__(self, *, token: str = "owner") -> None:
        self.token = token
        self.documents: dict[str, dict[str, Any]] = {}
        self.fields: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, Any] = {RECOVERY: "POINT_IN_TIME_RECOVERY_DISABLED"}
        self.denied: set[str] = set()
        self.microseconds = 1_700_000_000_000_000
        self.lock = threading.Lock()

    def answer(self, method: str, path: str, query: str, authorization: str, body: bytes) -> Any:
        demand(authorization == f"Bearer {self.token}", "who are you?", "UNAUTHENTICATED")
        demand(path.startswith("/v1/projects/"), "no such address", "NOT_FOUND")
        demand(path.startswith(f"/v1/{DATABASE}"), "The database does not exist for this project", "NOT_FOUND")
        rest = path.removeprefix(f"/v1/{DATABASE}")
        demand(rest not in self.denied, "Missing or insufficient permissions.", "PERMISSION_DENIED")
        content = json.loads(body) if body else None
        actions = {"/documents:batchGet": self.batch_get, "/documents:commit": self.commit}
        actions |= {"/documents:runQuery": self.run_query}
        with self.lock:
            if method == "POST" and rest in actions:
                return actions[rest](content)
            if rest == "" or rest.startswith("/collectionGroups/"):
                return self.administer(method, rest, query, content)
        raise Refused("UNIMPLEMENTED", "this fake does not know that method")

    def batch_get(self, content: Any) -> Any:
        only(content, "documents")
        for name in content["documents"]:
            self.check_name(name)
        found = [(name, self.documents.get(name)) for name in content["documents"]]
        time = self.time()
        return [
            {"missing": name, "readTime": time} if document is None else {"found": document, "readTime": time}
            for name, document in found
        ]

    def commit(self, content: Any) -> Any:
        only(content, "writes")
        before, results = dict(self.documents), []
        self.microseconds += 1
        try:
            for write in content["writes"]:
                results.append(self.write(write))
        except Refused:
            self.documents = before
            raise
        return {"writeResults": results, "commitTime": self.time()}

    def write(self, write: Any) -> dict[str, str]:
        only(write, "update", "delete", "currentDocument")
        demand(("update" in write) != ("delete" in write), "a write is an update or a delete")
        name = write["update"]["name"] if "update" in write else write["delete"]
        self.check_name(name)
        document = self.documents.get(name)
        self.check_precondition(document, write.get("currentDocument", {}))
        if "delete" in write:
            self.documents.pop(name, None)
            return {}
        only(write["update"], "name", "fields")
        fields = write["update"]["fields"]
        check_fields(fields)
        demand(len(json.dumps(fields)) < 1_048_576 * 4 // 3, "the document is too big")
        if document is not None and document["fields"] == fields:
            return {"updateTime": document["updateTime"]}
        created = self.time() if document is None else document["createTime"]
        self.documents[name] = {"name": name, "fields": fields, "createTime": created, "updateTime": self.time()}
        return {"updateTime": self.time()}

    def check_precondition(self, document: dict[str, Any] | None, condition: Any) -> None:
        only(condition, "exists", "updateTime")
        demand(len(condition) < 2, "exists and updateTime exclude each other")
        if "exists" in condition:
            demand(type(condition["exists"]) is bool, "exists is true or false")
            if condition["exists"]:
                demand(document is not None, "No document to update", "NOT_FOUND")
            else:
                demand(document is None, "Document already exists", "ALREADY_EXISTS")
        if "updateTime" in condition:
            demand(TIMESTAMP.fullmatch(condition["updateTime"]), "not a timestamp")
            stands = document["updateTime"] if document is not None else "0"
            message = "the stored version does not match the required base version"
            demand(stands == condition["updateTime"], message, "FAILED_PRECONDITION")

    def run_query(self, content: Any) -> Any:
        only(content, "structuredQuery")
        query = content["structuredQuery"]
        only(query, "from", "orderBy", "startAt", "endAt", "limit")
        (collection,) = query["from"]
        only(collection, "collectionId")
        demand(query["orderBy"] == [{"field": {"fieldPath": "__name__"}, "direction": "ASCENDING"}], "only by name")
        demand(type(query["limit"]) is int and query["limit"] > 0, "a limit is positive")
        prefix = f"{DATABASE}/documents/{collection['collectionId']}/"
        names = sorted((name for name in self.documents if name.startswith(prefix)), key=str.encode)
        if "startAt" in query:
            position, before = self.read_position(query["startAt"])
            names = [name for name in names if name.encode() > position or (before and name.encode() == position)]
        if "endAt" in query:
            position, before = self.read_position(query["endAt"])
            names = [name for name in names if name.encode() < position or (not before and name.encode() == position)]
        found = [{"document": self.documents[name], "readTime": self.time()} for name in names[: query["limit"]]]
        return found or [{"readTime": self.time()}]

    def read_position(self, cursor: Any) -> tuple[bytes, bool]:
        only(cursor, "values", "before")
        (value,) = cursor["values"]
        only(value, "referenceValue")
        self.check_name(value["referenceValue"])
        return value["referenceValue"].encode(), cursor["before"]

    def administer(self, method: str, rest: str, query: str, content: Any) -> Any:
        stands = self.settings if rest == "" else self.fields.setdefault(rest, {})
        if method == "GET":
            return {"name": DATABASE + rest, **stands}
        demand(method == "PATCH", "no such method", "UNIMPLEMENTED")
        known = {RECOVERY} if rest == "" else {"ttlConfig", "indexConfig"}
        only(content, *known)
        demand(query == f"updateMask={next(iter(content))}", "the mask names what is changed")
        if "ttlConfig" in content:
            only(content["ttlConfig"])
            content = {"ttlConfig": {"state": "CREATING"}}
        stands.update(content)
        return {"name": f"{DATABASE}/operations/1"}

    def check_name(self, name: Any) -> None:
        demand(isinstance(name, str) and name.startswith(f"{DATABASE}/documents/"), "not a document of this database")
        parts = name.removeprefix(f"{DATABASE}/documents/").split("/")
        demand(len(parts) == 2, "a document stands in a collection")
        for part in parts:
            demand(0 < len(part.encode()) <= 1500, "a part of a name has 1 to 1500 octets")
            demand(part not in (".", "..") and not RESERVED.fullmatch(part), "a reserved name")
        demand(len(name.encode()) <= 6144, "a name has at most 6 KiB")

    def time(self) -> str:
        seconds, micro = divmod(self.microseconds, 1_000_000)
        # the seconds need not be a date's: what counts is that the text is a timestamp and grows
        days, second = divmod(seconds, 86_400)
        return f"2024-01-{days % 28 + 1:02}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{micro:06}Z"


def check_fields(fields: Any) -> None:
    demand(isinstance(fields, dict), "fields are an object")
    for name, content in fields.items():
        demand(0 < len(name.encode()) <= 1500 and not RESERVED.fullmatch(name), "a reserved name of a field")
        demand(isinstance(content, dict) and len(content) == 1, "a value has one type")
        ((kind, text),) = content.items()
        demand(isinstance(text, str), "these types are written as texts")
        if kind == "integerValue":
            demand(re.fullmatch(r"-?\d{1,19}", text) and -(2**63) <= int(text) < 2**63, "an integer has 64 bits")
        elif kind == "bytesValue":
            demand(base64.b64encode(base64.b64decode(text)).decode() == text, "bytes are in base64")
        elif kind == "timestampValue":
            demand(TIMESTAMP.fullmatch(text), "not a timestamp")
        else:
            demand(kind == "stringValue", "a type that this fake does not know")


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True


class FirestoreFake:
    """The database behind a server on loopback."""

    def __init__(self, *, token: str = "owner") -> None:
        self.database = database = Database(token=token)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version, sys_version = "firestore-fake", ""
            wbufsize = 1 << 16  # head and body in one segment

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                path, _, query = self.path.partition("?")
                status, answer = 200, None
                try:
                    answer = database.answer(self.command, path, query, self.headers.get("Authorization", ""), body)
                except (Refused, KeyError, ValueError, TypeError) as error:
                    code = error.status if isinstance(error, Refused) else "INVALID_ARGUMENT"
                    status = STATUSES[code]
                    told = {"error": {"code": status, "message": f"canary {error}", "status": code}}
                    answer = [told] if path.endswith((":runQuery", ":batchGet")) else told
                octets = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=UTF-8")
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def do_GET(self) -> None:
                self.respond()

            do_POST = do_PATCH = do_GET  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
