"""How the errors of every store read: the store, what was asked of it, what the engine said, what to do next.

    dynamodb:valetkey in eu-west-1: cannot load a row: AccessDeniedException: access denied: allow GetItem, ...

The one rule: of what was sent and received only the engine's code is told, never a key, a row or an owner. What raises
inside an operation says the last two parts; the operation puts the first two before them.
"""

from __future__ import annotations

from valetkey.clouds.service import NO_CODE
from valetkey.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ANSWER = "no answer"
NOT_JSON = "an answer that is not JSON"
NO_TIME = "no time left to ask: raise the function's timeout"
ADVICE = {
    NO_ANSWER: "check the address and that this network reaches it, then try again",
    NO_CODE: "something between may have answered, such as a proxy: look there, then try again",
    NOT_JSON: "something between may have answered, such as a proxy: look there, then try again",
}


class Operation:
    """One thing that is asked of one store. A StoreError that is raised within it then begins with both."""

    __slots__ = ("_told",)

    def __init__(self, description: str, doing: str) -> None:
        """doing: what is asked, as it follows `cannot`."""
        self._told = f"{description}: cannot {doing}"

    def __enter__(self) -> None:
        """Nothing begins: one operation serves any number of callers at once."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Name store and operation where it failed."""
        if isinstance(error, StoreError):
            error.args = (f"{self._told}: {error}",)


class Operations:
    """What can be asked of one store. They are not nested: an error is told once."""

    __slots__ = ("check", "create", "list", "load", "open", "swap")

    def __init__(self, description: str) -> None:
        """description: how errors name the store."""
        self.open = Operation(description, "be opened")
        self.load = Operation(description, "load a row")
        self.swap = Operation(description, "write a row")
        self.list = Operation(description, "list rows")
        self.create = Operation(description, "be created")
        self.check = Operation(description, "be checked")


def explain(code: str, advice: Mapping[str, str], *, otherwise: str) -> str:
    """What the engine said and what to do about it. otherwise: what to do about a code that nobody foresaw."""
    return f"{code}: {advice.get(code) or ADVICE.get(code) or otherwise}"
