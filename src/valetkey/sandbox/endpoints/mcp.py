"""An MCP server, as much of it as one tool takes: for connecting something by nothing but its URL."""

from __future__ import annotations

from valetkey.oauth2.strict_json import read_json_object
from valetkey.sandbox.answers import empty_answer, json_answer
from valetkey.sandbox.exchange import MAX_BODY, Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange

PATH = "/mcp"
TOOL = "whoami"


def answer(exchange: Exchange) -> Response:
    """The answer to one JSON-RPC message."""
    try:
        message = read_json_object(exchange.request.body, limit=MAX_BODY)
    except ValueError:
        raise Refusal("invalid_request", "The body is not a JSON object.") from None
    exchange.notes["account"] = exchange.account.name
    if "id" not in message:  # a notification
        return empty_answer(202)
    result = _result(message.get("method"), exchange.account.name)
    error = {"code": -32601, "message": "Method not found"}
    said = {"error": error} if result is None else {"result": result}
    return json_answer({"jsonrpc": "2.0", "id": message["id"], **said})


def _result(method: object, account: str) -> dict[str, object] | None:
    if method == "initialize":
        about = {"name": "valetkey-sandbox", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}
    if method == "tools/list":
        return {"tools": [{"name": TOOL, "description": "Whose account it is", "inputSchema": {"type": "object"}}]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": account}]}
    return {} if method == "ping" else None
