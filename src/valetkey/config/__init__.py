"""Configuration: the environment and `valetkey.toml` become values, once, at start.

    configuration = read_configuration(os.environ)     everything that is wrong comes in one ConfigurationError
    settings(configuration)                             what the programs need of it

| variable | file | |
|---|---|---|
| `VALETKEY_STORE` | `store` | URL of the store |
| `VALETKEY_KEY`, `VALETKEY_KEY_FILE` | `key_file` | the key ring; `valetkey keys generate` makes one |
| `VALETKEY_AWS_CREDENTIALS` | | `boto3`: ask boto3 for AWS credentials, and nobody else |
| `VALETKEY_BASE_URL` | `base_url` | where valetkey's pages are mounted, `https://app.example/oauth` |
| `VALETKEY_APPLICATION` | `application` | the name that pages, and servers that register us, show to people |
| `VALETKEY_ENVIRONMENT` | `environment` | `staging`, `production`: bound into every seal |
| `VALETKEY_RETURN_TO`, `VALETKEY_RETURN_HOSTS` | `return_to`, `return_hosts` | where browsers may be sent afterwards |
| `VALETKEY_COMPLETION_URL` | `completion_url` | the application's page that finishes connect links |
| `VALETKEY_WEBHOOK_URL` | `webhook_url` | where events are sent |
| `VALETKEY_WEBHOOK_SECRET` | | what signs them, `whsec_...`; several are separated by blanks, and all of them sign |
| `VALETKEY_WEBHOOK_EVENTS` | `webhook_events` | which events; all where it is left out |
| `VALETKEY_ON_EVENT`, `VALETKEY_ON_UNSAVED` | `on_event`, `on_unsaved` | functions that are told, `module:function` |
| `VALETKEY_TRACE` | `trace` | `log` or a folder: redacted traces for `valetkey trace` |
| `VALETKEY_PROVIDERS_DIR` | `providers_dir`, `[providers.NAME]` | providers that the catalog does not have |
| `VALETKEY_SANDBOX_BASE_URL` | `sandbox_base_url` | where the sandbox provider listens |
| `VALETKEY_MCP_PAGE` | `mcp_page` | true: there is a page where people may connect any MCP server by its URL |
| `VALETKEY_MCP_ACCEPT_LOOPBACK` | `mcp_accept_loopback` | true: also servers on loopback: for development |
| `VALETKEY_MCP_CLIENT_DOCUMENTS` | `mcp_client_documents` | false: nobody outside can read our pages |
| `VALETKEY_INITIAL_ACCESS_TOKENS` | `initial_access_tokens` | `https://as.example=token`, by issuer |
| `VALETKEY_<NAME>_...` | `[registrations.NAME]` | one registration; see `registrations.py` |
| `VALETKEY_CONFIG` | | the file, if it is not `./valetkey.toml` |

The environment goes before the file. The one rule: a problem names the variable or key that causes it and never shows
a value that could be secret. Not here: opening stores and key rings (`vault`), what a provider is (`providers`).
"""

from __future__ import annotations

from valetkey.config.checks import base_url_problem, platform
from valetkey.config.listeners import read_hooks, read_webhook
from valetkey.config.mcp import read_mcp
from valetkey.config.registrations import read_registrations
from valetkey.config.sources import Sources
from valetkey.connections.settings import NO_MCP, NO_TENANTS, McpSettings, Settings, read_return_to
from valetkey.errors import ConfigurationError, RequestRefused
from valetkey.keys.open import read_key_ring
from valetkey.providers.schema import is_host, is_name, url_problem
from valetkey.secret import Secret
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.connections.webhook import Webhook
    from valetkey.providers.registration import Registration
    from valetkey.providers.tenants import Tenants

__all__ = ["Configuration", "read_configuration", "read_store", "settings"]


NO_HOOKS: Mapping[str, str] = {}
NO_FOLDERS = frozenset({"log", "logs", "true", "false", "on", "off", "yes", "no", "1", "0", "stderr", "stdout", "-"})


@value
class Configuration:
    """A deployment, as its operator wrote it down.

    store: the store's URL, which may hold a password.
    key: the key ring's text, or `file:` and a path; `keys.open.open_key_ring` reads both.
    platform: the serverless platform that this runs on; empty where none was recognized.
    hooks: names of functions that are told of events: `on_event`, `on_unsaved`.
    tenants: registrations at providers whose tenants have hosts of their own.
    trace: where redacted traces go: `log`, or a folder; empty where nothing is traced.
    """

    store: Secret
    key: Secret
    base_url: str
    registrations: Mapping[str, Registration]
    application: str = ""
    environment: str = "default"
    return_to: str = ""
    return_hosts: tuple[str, ...] = ()
    completion_url: str = ""
    platform: str = ""
    webhook: Webhook | None = None
    hooks: Mapping[str, str] = NO_HOOKS
    trace: str = ""
    mcp: McpSettings = NO_MCP
    tenants: Mapping[str, Tenants] = NO_TENANTS


def read_configuration(environ: Mapping[str, str], file: str | None = None) -> Configuration:
    """The configuration, or one ConfigurationError with everything that is wrong with it.

    file: a TOML file; by default the one that VALETKEY_CONFIG names, or valetkey.toml where it exists.
    """
    sources = Sources(environ, file)
    found_platform = platform(environ)
    base_url = _base_url(sources)
    registrations, tenants = read_registrations(sources)
    configuration = Configuration(
        store=_store(sources, environ, found_platform),
        key=_key(sources),
        base_url=base_url,
        registrations=registrations,
        application=sources.text("application"),
        environment=_environment(sources),
        return_to=sources.text("return_to"),
        return_hosts=_return_hosts(sources),
        completion_url=_completion_url(sources),
        platform=found_platform,
        webhook=read_webhook(sources),
        hooks=read_hooks(sources),
        trace=_trace(sources, found_platform),
        mcp=read_mcp(sources, base_url=base_url),
        tenants=tenants,
    )
    _check_return_to(sources, configuration)
    sources.check_unknown()
    if sources.problems:
        raise ConfigurationError(tuple(dict.fromkeys(sources.problems)))
    return configuration


def read_store(environ: Mapping[str, str], file: str | None = None) -> tuple[Secret, str]:
    """The store's URL and the serverless platform, for whoever needs nothing else. Raises ConfigurationError."""
    sources, found_platform = Sources(environ, file), platform(environ)
    url = _store(sources, environ, found_platform)
    if sources.problems:
        raise ConfigurationError(tuple(dict.fromkeys(sources.problems)))
    return url, found_platform


def read_key(environ: Mapping[str, str], file: str | None = None) -> tuple[Secret, str]:
    """The key ring's text and the environment that wrapped keys are bound to. Raises ConfigurationError for these."""
    sources = Sources(environ, file)
    key, environment = _key(sources), _environment(sources)
    if sources.problems:
        raise ConfigurationError(tuple(sources.problems))
    return key, environment


def settings(configuration: Configuration) -> Settings:
    """What the programs need to know of the configuration."""
    return Settings(
        registrations=configuration.registrations,
        base_url=configuration.base_url,
        environment=configuration.environment,
        return_to=configuration.return_to,
        return_hosts=configuration.return_hosts,
        application=configuration.application,
        completion_url=configuration.completion_url,
        webhook=configuration.webhook,
        mcp=configuration.mcp,
        tenants=configuration.tenants,
    )


def _store(sources: Sources, environ: Mapping[str, str], found_platform: str) -> Secret:
    from valetkey.stores.open import check_store_url

    url = sources.required("store", "the URL of the store, such as sqlite:///var/lib/app/valetkey.db")
    if url:
        for problem in check_store_url(url, environ=environ, serverless=found_platform):
            sources.problem("store", problem)
    return Secret(url)


def _key(sources: Sources) -> Secret:
    secret = _key_text(sources)
    if secret:
        try:
            _ = read_key_ring(secret.reveal(), source=sources.label("key"))
        except ConfigurationError as error:
            sources.problems += error.problems
    return secret


def _key_text(sources: Sources) -> Secret:
    path = sources.text("key_file")
    if sources.has("key") and path:
        sources.problem("key", f"it is given twice, here and as {sources.label('key_file')}: remove one")
    if path:
        return Secret(path if path.startswith("file:") else f"file:{path}")
    return Secret(sources.required("key", "the sealing key; make one with: valetkey keys generate"))


def _base_url(sources: Sources) -> str:
    hint = "where valetkey's pages are, such as https://app.example/oauth"
    url = sources.required("base_url", hint).rstrip("/")
    problem = base_url_problem(url) if url else ""
    if problem:
        sources.problem("base_url", problem)
        return ""
    return url


def _environment(sources: Sources) -> str:
    name = sources.text("environment") or "default"
    if not is_name(name):
        sources.problem("environment", "it is a name of a-z, 0-9 and -, such as production")
    return name


def _trace(sources: Sources, found_platform: str) -> str:
    destination = sources.text("trace")
    if destination.lower() in NO_FOLDERS and destination != "log":
        sources.problem("trace", "write log, or a folder such as ./traces")
    elif destination and destination != "log" and found_platform:
        sources.problem("trace", f"a folder is lost on {found_platform}: write log, and keep the function's log")
    return destination


def _return_hosts(sources: Sources) -> tuple[str, ...]:
    hosts = sources.texts("return_hosts")
    if not all(is_host(host) and "*" not in host for host in hosts):
        sources.problem("return_hosts", "it is a list of host names, such as app.example, separated by commas")
    return hosts


def _completion_url(sources: Sources) -> str:
    url = sources.text("completion_url")
    problem = url_problem(url, loopback_allowed=True) if url else ""
    if problem:
        sources.problem("completion_url", problem)
    return url


def _check_return_to(sources: Sources, configuration: Configuration) -> None:
    plain = Settings({}, configuration.base_url, return_hosts=configuration.return_hosts)
    try:
        read_return_to(plain, configuration.return_to)
    except RequestRefused:
        sources.problem("return_to", "it is a path such as /reports, or an https URL of a host of return_hosts")
