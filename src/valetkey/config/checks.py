"""What a deployment must be like: pages under https, and a store that outlives the function."""

from __future__ import annotations

from valetkey.http import is_loopback, read_form, read_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PLATFORMS = (
    ("AWS_LAMBDA_FUNCTION_NAME", "AWS Lambda"),
    ("K_SERVICE", "Cloud Run"),
    ("FUNCTION_TARGET", "Google Cloud Functions"),
    ("FUNCTIONS_WORKER_RUNTIME", "Azure Functions"),
    ("WEBSITE_INSTANCE_ID", "Azure App Service"),
    ("VERCEL", "Vercel"),
)
LOST_WITH_THE_MACHINE = ("memory", "sqlite")


def platform(environ: Mapping[str, str]) -> str:
    """The serverless platform that the environment's variables tell of; empty where none does."""
    return next((name for variable, name in PLATFORMS if environ.get(variable)), "")


def store_problem(url: str, found_platform: str) -> str:
    """Why this store would lose connections here; empty where it would not.

    Only the scheme and the query are looked at: what a store's URL may be is the business of `stores`.
    """
    scheme = url.partition(":")[0].lower()
    if not found_platform or scheme not in LOST_WITH_THE_MACHINE:
        return ""
    try:
        query = read_form(url.partition("?")[2])
    except ValueError:
        query = ()
    if ("ephemeral", "accepted") in query:
        return ""
    return (
        f"on {found_platform} each instance has its own memory and files and loses them when it stops: connections "
        f"would vanish and tokens be refreshed twice. Use a shared store, or add ?ephemeral=accepted to the URL"
    )


def base_url_problem(url: str) -> str:
    """Why browsers cannot be sent to pages under this URL; empty where they can."""
    try:
        parts = read_url(url)
    except ValueError as problem:
        return str(problem)
    if parts.scheme == "http" and not is_loopback(parts.host):
        return "it must start with https:// (http only on localhost): cookies and codes travel under it"
    if "?" in url:
        return "it must not have a query"
    if "//" in parts.path or any(segment in (".", "..") for segment in parts.path.split("/")):
        return "its path must be written without empty and dotted segments"
    return ""
