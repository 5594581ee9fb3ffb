"""The pages: sign-in, consent, the verifier to type in, what was refused, and the front page.

The one rule: everything is escaped by the template engine, and the Content-Security-Policy allows one style sheet by
its hash, on the page that posts itself one line of script by its hash, and nothing else. The template engine is
imported when a page is rendered.
"""

from __future__ import annotations

from valetkey.http import Headers, Response, is_loopback, read_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from jinja2 import Environment

    from valetkey.sandbox.sandbox import Sandbox

POST_AT_ONCE = "document.forms[0].submit()"
_environment: list[Environment] = []
_style: list[tuple[str, str]] = []


def _templates() -> Environment:
    if not _environment:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        _environment.append(
            Environment(
                loader=PackageLoader("valetkey.sandbox", "templates"),
                autoescape=True,
                undefined=StrictUndefined,
                trim_blocks=True,
                lstrip_blocks=True,
            )
        )
    return _environment[0]


def _style_sheet() -> tuple[str, str]:
    """The style sheet and its hash for the policy."""
    if not _style:
        text = _templates().get_template("style.css").render()
        _style.append((text, _hash(text)))
    return _style[0]


def _hash(text: str) -> str:
    from binascii import b2a_base64
    from hashlib import sha256

    return f"'sha256-{b2a_base64(sha256(text.encode()).digest(), newline=False).decode()}'"


def render(
    sandbox: Sandbox,
    template: str,
    *,
    title: str,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
    leads_to: str = "",
    posts_itself: bool = False,
    **fields: Any,
) -> Response:
    """The page. leads_to: where its form's answer may redirect to, which browsers hold against `form-action`.

    posts_itself: its form is sent without a click, where scripts may run.
    """
    style, digest = _style_sheet()
    known = {"title": title, "style": style, "base_url": sandbox.base_url, "script": POST_AT_ONCE}
    body = _templates().get_template(template).render(**known, **fields)
    script = f" script-src {_hash(POST_AT_ONCE)};" if posts_itself else ""
    policy = (
        f"default-src 'none'; style-src {digest};{script} form-action {_form_targets(sandbox, leads_to)}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return Response(
        status,
        Headers(
            (
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Security-Policy", policy),
                ("X-Frame-Options", "DENY"),
                ("X-Content-Type-Options", "nosniff"),
                ("Referrer-Policy", "same-origin"),
                ("Cache-Control", "no-store"),
                *headers,
            )
        ),
        body.encode(),
    )


def _form_targets(sandbox: Sandbox, leads_to: str) -> str:
    """`'self'`, the client's origin, and on loopback every other port: the client may redirect once more from there."""
    targets = ["'self'"]
    scheme, separator, _ = leads_to.partition("://")
    if separator and scheme in ("http", "https"):
        targets.append(read_url(leads_to).origin)
    elif ":" in leads_to:
        targets.append(leads_to.partition(":")[0] + ":")
    if is_loopback(read_url(sandbox.base_url).host):
        targets += ["http://localhost:*", "http://127.0.0.1:*"]
    return " ".join(targets)
