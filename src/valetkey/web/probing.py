"""The page that only a doctor asks for: cookies as flows set them, and what of a request arrived.

The one rule: without a seal of ours it is the same 404 as any other path.
"""

from __future__ import annotations

from valetkey.errors import RequestRefused
from valetkey.http import Headers, Response
from valetkey.web.pages import PROTECTIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.web.visit import Visit


def show_cookies(visit: Visit) -> Op[Response]:
    """How long the doctor's cookies are that arrived, whether its query did, and two Set-Cookie fields."""
    import json

    from valetkey.connections.cookies import read_cookies
    from valetkey.connections.doctor_gateway import FLOWS, QUERY, shown_cookies
    from valetkey.connections.pending import cookie_name

    cookies = yield from shown_cookies(visit.settings, visit.name)
    if cookies is None:
        raise RequestRefused("not_found", "there is no such page", status=404)
    jar = dict(read_cookies(visit.request.headers))
    told = {
        "cookies": [len(jar.get(cookie_name(visit.settings, flow), "")) for flow, _, _ in FLOWS],
        "query": visit.request.url.partition("?")[2] == QUERY,
    }
    fields = (("Content-Type", "application/json"), *PROTECTIVE, *(("Set-Cookie", text) for text in cookies))
    return Response(200, Headers(fields), json.dumps(told).encode())
