"""Pages: templates filled with values, and the headers that every answer carries.

The one rule: jinja2 escapes everything, and only our own style sheet and scripts are inserted as they are, named by
their hashes in the Content-Security-Policy. A page has a script only where a callback may have a fragment
(`fragments`); no external resources. Templates are files in `templates/`, shipped in the wheel.
"""

from __future__ import annotations

from valetkey.http import Headers, Response, is_loopback, read_url
from valetkey.web.reasons import REASONS, reason_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from valetkey.connections.connection import Connection
    from valetkey.connections.settings import Settings
    from valetkey.http import Pairs
    from valetkey.providers.registration import Registration
    from valetkey.web.refusals import Refusal

__all__ = ["PROTECTIVE", "REASONS", "redirect", "render", "render_refusal", "shown_connection", "shown_text"]

MAX_SHOWN = 200
PROTECTIVE: Pairs = (
    ("Cache-Control", "no-store"),
    ("Vary", "Cookie"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
NO_CONTENT_POLICY = "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
HTML = "text/html; charset=utf-8"

# Direction marks, embeddings, overrides and isolates (Unicode UAX 9): a name may not reorder a page.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
STATE_WORDS = {
    "active": ("Connected", "good"),
    "refreshing": ("Connected", "good"),
    "in_doubt": ("Connected", "good"),
    "needs_reauthorization": ("Please connect again", "warn"),
    "revoking": ("Being disconnected", "wait"),
}
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_made: list[Any] = []  # the environment, once per process
_inserts: dict[str, tuple[Any, str]] = {}  # style sheet and scripts, with their hashes: made of our own files


def render(
    settings: Settings,
    template: str,
    *,
    status: int = 200,
    form_action: str = "'none'",
    script: str = "",
    **fields: object,
) -> Response:
    """The page as a response.

    form_action: what the page's forms may lead to, as sources of the policy. script: the name of its only script.
    """
    environment = _environment()
    style, style_source = _inserted("style.css")
    code, script_source = _inserted(f"{script}.js") if script else ("", "")
    text = environment.get_template(f"{template}.html").render(
        application=shown_text(settings.application), base=settings.base_url, style=style, script=code, **fields
    )
    policy = (
        f"default-src 'none'; style-src {style_source}; form-action {form_action}; "
        "frame-ancestors 'none'; base-uri 'none'"
    ) + (f"; script-src {script_source}" if script else "")
    headers = Headers((("Content-Type", HTML), ("Content-Security-Policy", policy), *PROTECTIVE))
    return Response(status, headers, text.encode())


def render_refusal(
    settings: Settings,
    refusal: Refusal,
    *,
    registration: str = "",
    script: str = "",
    server: bool = False,
    form: Mapping[str, str] | None = None,
) -> Response:
    """The page for a reason, with a way to start again where that helps.

    script: see `render`; what it posts comes to our own origin. server: whether a person was naming one by its URL.
    form: what the form for that is filled with, where the page is to have one.
    """
    reason = reason_for(refusal.word)
    known = settings.registrations.get(registration)
    response = render(
        settings,
        "refusal",
        status=refusal.status,
        form_action=form_actions(settings, ()) if form else "'self'" if script else "'none'",
        script=script,
        reason=reason,
        code=refusal.code,
        means=refusal.means,
        restart=settings.connect_page(registration)
        if known
        else f"{settings.base_url}/{'mcp' if server else 'connections'}",
        server=server,
        again=form,
        provider=title(settings, registration) if known else "",
    )
    headers = response.headers
    if refusal.retry_after:
        headers = headers.with_added("Retry-After", str(refusal.retry_after))
    return Response(response.status, headers, response.body)


def redirect(location: str, set_cookies: Iterable[str] = (), *, concluded: str = "") -> Response:
    """303 See Other: the browser goes on with GET and without the body (RFC 9700 section 4.12).

    concluded: see `Response`.
    """
    cookies = tuple(("Set-Cookie", cookie) for cookie in set_cookies)
    policy = ("Content-Security-Policy", NO_CONTENT_POLICY)
    headers = Headers((("Location", location), ("Content-Type", HTML), policy, *PROTECTIVE, *cookies))
    return Response(303, headers, concluded=concluded)


def form_actions(settings: Settings, authorization_endpoints: Iterable[str]) -> str:
    """What a form that connects may lead to: our origin, the providers, and where those send a browser on its way.

    Chromium holds every redirect after a form's post against form-action, to the very end: the provider's own sign-in
    and company pages, our callback, the page that the application goes on with. Only the scheme of those is known.
    """
    sources = ["'self'", "https:"]
    plain = {read_url(url).origin for url in authorization_endpoints if url.startswith("http://")}
    sources += sorted(plain)
    if is_loopback(read_url(settings.base_url).host):
        sources += ["http://localhost:*", "http://127.0.0.1:*"]
    return " ".join(sources)


def title(settings: Settings, registration: str) -> str:
    """The provider's name as people know it."""
    known = settings.registrations.get(registration)
    return shown_text(known.provider.title if known else registration)


def own_title(registration: Registration) -> str:
    """The same of a registration that is at hand."""
    return shown_text(registration.provider.title)


def shown_connection(settings: Settings, connection: Connection) -> dict[str, object]:
    """What a person is told of a connection."""
    words, kind = STATE_WORDS.get(connection.state, ("Unknown", "warn"))
    if connection.problem:
        words, kind = "Cannot be read at the moment", "warn"
    return {
        "registration": connection.registration,
        "title": title(settings, connection.registration),
        "account": connection.account,
        "account_shown": shown_text(connection.account),
        "words": words,
        "kind": kind,
        "again": connection.state == "needs_reauthorization" and connection.registration in settings.registrations,
        "configured": connection.registration in settings.registrations,
        "since": shown_date(connection.created_at),
        "scope": [shown_text(scope) for scope in connection.scope],
    }


def shown_text(text: str) -> str:
    """The text without control and bidi characters, at most 200 characters; escaping is the template's."""
    kept = "".join(
        character for character in text[: 4 * MAX_SHOWN] if character.isprintable() and character not in BIDI
    )
    return kept if len(kept) <= MAX_SHOWN else kept[: MAX_SHOWN - 1] + "…"


def typed_text(text: str, *, most: int) -> str:
    """What a person typed, for a field that shows it again: without control and bidi characters, but whole."""
    return "".join(character for character in text[:most] if character.isprintable() and character not in BIDI)


def shown_date(seconds: int) -> str:
    """The day in UTC, such as `22 November 2026`; empty for 0 (days to civil date, proleptic Gregorian)."""
    if seconds <= 0:
        return ""
    shifted = seconds // 86400 + 719468  # days since 1 March of the year 0
    era, day_of_era = divmod(shifted, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = (month_from_march + 2) % 12
    return f"{day} {MONTHS[month]} {year_of_era + era * 400 + (month < 2)}"


def _environment() -> Any:
    if not _made:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("valetkey.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        _made[:] = [environment]
    return _made[0]


def _inserted(name: str) -> tuple[Any, str]:
    """The file as it goes into a page, and the source that the policy allows."""
    if name not in _inserts:
        from base64 import b64encode
        from hashlib import sha256

        from markupsafe import Markup

        source = _environment().get_template(name).render()
        digest = b64encode(sha256(source.encode()).digest()).decode()
        _inserts[name] = (Markup(source), f"'sha256-{digest}'")  # noqa: S704 - our own file
    return _inserts[name]
