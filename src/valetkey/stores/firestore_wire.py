"""How requests to Firestore's REST API are addressed, authorized and understood.

    https://firestore.googleapis.com/v1/projects/<project>/databases/<database>/documents:commit

The one rule: documents are named in bodies only, so that a database that is not there (404) is never mistaken for a
document that is not. An emulator is one on loopback, and gets no credentials. Sending and repeating is in `http_wire`.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Request, is_loopback, read_url, with_query
from valetkey.stores.http_wire import HttpWire
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.clouds.google_credentials import GoogleTokenSource
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Response

SERVICE = "https://firestore.googleapis.com"
SCOPE = ("https://www.googleapis.com/auth/datastore",)
NOT_FOUND = "NOT_FOUND"
EXISTS = "ALREADY_EXISTS"
CONDITION_FAILED = "FAILED_PRECONDITION"
DENIED = "PERMISSION_DENIED"
AGAIN = "Google failed: try again, and look at Google Cloud's status page if it stays"
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class FirestoreWire(HttpWire):
    """Sends requests to one database."""

    # ABORTED: contention; the commit was not applied and may be repeated
    throttled = frozenset({"RESOURCE_EXHAUSTED", "ABORTED"})
    stale = frozenset({"UNAUTHENTICATED"})
    advice: Mapping[str, str] = {
        NOT_FOUND: "there is no such database: make it with `gcloud firestore databases create`, or name another",
        DENIED: "access denied: give the service's account `Cloud Datastore User`, and enable the Firestore API",
        CONDITION_FAILED: "the database cannot be used so: name one in Native mode",
        "UNAUTHENTICATED": "Google refused the token: check the credentials and this machine's clock",
        "INVALID_ARGUMENT": "Google did not understand the request: check project, database and collection",
        "UNIMPLEMENTED": "it is not known there: check what FIRESTORE_EMULATOR_HOST names, or what stands between",
        "RESOURCE_EXHAUSTED": "throttled, or a quota is used up: ask less often, or raise it in the console",
        "ABORTED": "others keep writing the row: try again",
        **dict.fromkeys(("UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "UNKNOWN", "CANCELLED"), AGAIN),
        "DATA_LOSS": "Google lost data: look at Google Cloud's status page, and restore from a backup",
    }
    otherwise = "look it up among Google's canonical error codes; check project and database in the console"

    def __init__(
        self, description: str, *, project: str, database: str, tokens: GoogleTokenSource, emulator: str
    ) -> None:
        """emulator: `host:port` on loopback, or empty."""
        super().__init__(description)
        if not 1 <= len(project) <= 64 or not NAME_CHARACTERS.issuperset(project.replace(":", "").replace(".", "")):
            message = f"{description}: name the project by its id: write firestore://project/database"
            raise ConfigurationError(message)
        if database != "(default)" and not (database and NAME_CHARACTERS.issuperset(database)):
            message = f"{description}: a database's name is (default), or a-z, 0-9 and hyphens"
            raise ConfigurationError(message)
        self.database = f"projects/{project}/databases/{database}"
        self._tokens = tokens
        self._base = _emulator(emulator) if emulator else SERVICE
        self.emulated = bool(emulator)

    def request(self, path: str, content: object = None, *, method: str = "POST", query: Pairs = ()) -> Request:
        """A request to what stands under the database, such as `/documents:commit`; not yet authorized."""
        from json import dumps

        url = with_query(f"{self._base}/v1/{self.database}{path}", query)
        if content is None:
            return Request(method, url, Headers((("Accept", "application/json"),)))
        headers = Headers((("Accept", "application/json"), ("Content-Type", "application/json")))
        return Request(method, url, headers, dumps(content, ensure_ascii=False).encode())

    def authorize(self, request: Request) -> WireOp[Request]:
        """The request with a token; an emulator takes `owner`, which passes its security rules."""
        token = "owner" if self.emulated else (yield from self._tokens.current()).reveal()
        return replace(request, headers=request.headers.with_set("Authorization", f"Bearer {token}"))

    def forget(self) -> None:
        """Ask for another token next time."""
        self._tokens.forget()

    def read_error(self, _: Response, content: Any, /) -> str:
        """The canonical code of a Google error; streamed answers wrap it in an array."""
        if isinstance(content, list) and content:
            content = content[0]
        error = content.get("error") if isinstance(content, dict) else None
        code = error.get("status") if isinstance(error, dict) else None
        return code if isinstance(code, str) else ""


def _emulator(host: str) -> str:
    try:
        url = read_url(f"http://{host}")
        good = is_loopback(url.host) and url.path == "/" and not url.query
    except ValueError:
        good = False
    if not good:
        message = "FIRESTORE_EMULATOR_HOST is host:port on loopback: unset it to use Firestore itself"
        raise ConfigurationError(message)
    return f"http://{host}"
