"""Where a deployment runs, and what it must be like: pages under https."""

from __future__ import annotations

from valetkey.http import is_loopback, read_url

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


def platform(environ: Mapping[str, str]) -> str:
    """The serverless platform that the environment's variables tell of; empty where none does."""
    return next((name for variable, name in PLATFORMS if environ.get(variable)), "")


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
