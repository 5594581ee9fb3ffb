"""The two places where configuration stands, and the problems found in them so far."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "VALETKEY_"
USUAL_FILE = "valetkey.toml"
MAX_FILE_CHARACTERS = 1_000_000
GENERAL = (
    "store", "key", "key_file", "base_url", "application", "environment", "return_to", "return_hosts",
    "completion_url", "providers_dir", "sandbox_base_url", "webhook_url", "webhook_secret", "webhook_events",
    "on_event", "on_unsaved", "trace",
    "mcp_page", "mcp_accept_loopback", "mcp_client_documents", "initial_access_tokens",
)  # fmt: skip
# Longest first: CLIENT_SECRET_FILE is not a registration called "...-client-secret" with a FILE.
OF_REGISTRATIONS = (
    "tls_client_certificate_bound_access_tokens", "require_pushed_authorization_requests",
    "authorization_signed_response_alg", "request_object_signing_alg",
    "client_certificate_pkcs12_file", "client_certificate_key_file", "initial_access_token_file",
    "client_certificate_password", "token_endpoint_auth_method", "dpop_bound_access_tokens",
    "client_certificate_file", "authorization_parameters", "client_certificate_key", "accept_missing_verifier",
    "private_key_pkcs12_file", "software_statement_file", "authorization_details", "initial_access_token",
    "client_registration", "software_statement", "client_certificate",
    "private_key_password", "private_key_signer", "client_secret_file", "private_key_file", "signature_method",
    "accept_password_grant", "accept_implicit_grant",
    "client_secret_expires", "private_key_id", "public_client", "client_secret", "accept_xauth", "grant_types",
    "private_key",
    "response_mode", "response_type", "client_id", "resources", "api_hosts", "base_url", "issuer", "provider",
    "scope", "tenants",
)  # fmt: skip

# Read where they are needed, and no registration's.
ELSEWHERE = ("aws_credentials", "doctor_client_secret", "doctor_token_secret")
OF_ENTRIES = (
    "; it is a key of the provider's entry, [providers.<name>.server] in the file; an ISSUER's metadata names it too"
)

PEM_KEYS = ("private_key", "client_certificate")  # a PEM text ends with a line break


class Sources:
    """The environment first, then the file. Reading collects `problems` and answers something usable meanwhile."""

    def __init__(self, environ: Mapping[str, str], file: str | None) -> None:
        self.problems: list[str] = []
        self._environ = environ
        self.file, self.table = self._read_file(file)
        self.problems += [
            f"{self.file}: {key} is not a known key{near(key, (*GENERAL, 'registrations', 'providers'))}"
            for key in self.table
            if key not in (*GENERAL, "registrations", "providers")
        ]

    def variable(self, key: str, registration: str = "") -> str:
        """How the environment calls it."""
        middle = registration.upper().replace("-", "_") + "_" if registration else ""
        return f"{PREFIX}{middle}{key.upper()}"

    def label(self, key: str, registration: str = "") -> str:
        """Where it is written, or should be: the variable, unless the file has it."""
        variable = self.variable(key, registration)
        if variable not in self._environ and key in self._table(registration):
            return f"{self.file}: {f'registrations.{registration}.' if registration else ''}{key}"
        return variable

    def problem(self, key: str, problem: str, registration: str = "") -> None:
        """Take note of what is wrong with it."""
        self.problems.append(f"{self.label(key, registration)}: {problem}")

    def has(self, key: str, registration: str = "") -> bool:
        """Whether it is written anywhere."""
        return self.variable(key, registration) in self._environ or key in self._table(registration)

    def text(self, key: str, registration: str = "") -> str:
        """The text; empty where there is none. An empty one, or one with blanks around it, is a problem."""
        found = self.found(key, registration)
        if found is None:
            return ""
        if not isinstance(found, str):
            self.problem(key, "it must be a text", registration)
            return ""
        if not found.strip():
            self.problem(key, "it is empty: give it a value or remove it", registration)
        elif found != found.strip() and not key.startswith(PEM_KEYS):
            self.problem(key, "it begins or ends with a blank or a line break: remove that", registration)
        return found.strip()

    def required(self, key: str, hint: str) -> str:
        """The text; that there is none is a problem."""
        if not self.has(key):
            self.problems.append(f"{self.variable(key)} is missing: {hint}")
        return self.text(key)

    def texts(self, key: str, registration: str = "") -> tuple[str, ...]:
        """The list; in the environment its items are separated by commas or blanks."""
        found = self.found(key, registration)
        if isinstance(found, list):
            if not all(isinstance(item, str) and item for item in found):
                self.problem(key, "it must be a list of texts", registration)
            return tuple(str(item) for item in found)
        return tuple(self.text(key, registration).replace(",", " ").split())

    def flag(self, key: str, registration: str) -> bool:
        """Whether it is true; true or false are read, and nothing else that people write for these."""
        found = self.found(key, registration)
        if found is not None and not isinstance(found, bool) and found not in ("true", "false"):
            self.problem(key, "it must be true or false", registration)
        return found is True or found == "true"

    def found(self, key: str, registration: str = "") -> object:
        """What is written, unread; None where nothing is."""
        variable = self.variable(key, registration)
        return self._environ[variable] if variable in self._environ else self._table(registration).get(key)

    def registration_names(self) -> tuple[str, ...]:
        """Every name that anything is said of, sorted."""
        names = set(self._tables("registrations"))
        for variable in self._environ:
            key = variable.removeprefix(PREFIX).lower()
            if key == variable.lower() or key in (*GENERAL, *ELSEWHERE, "config"):
                continue
            suffix = next((word for word in OF_REGISTRATIONS if key.endswith(f"_{word}")), "")
            if suffix and key != f"_{suffix}":
                names.add(key.removesuffix(f"_{suffix}").replace("_", "-"))
        return tuple(sorted(names))

    def provider_table(self, name: str) -> Mapping[str, object] | None:
        """The file's own description of a provider."""
        table = self._tables("providers").get(name)
        return {"name": name, **table} if isinstance(table, dict) else None

    def _tables(self, key: str) -> Mapping[str, object]:
        found = self.table.get(key, {})
        if not isinstance(found, dict):
            self.problem(key, "it must hold tables, one for each name")
            return {}
        return found

    def _table(self, registration: str) -> Mapping[str, object]:
        if not registration:
            return self.table
        registrations = self.table.get("registrations")
        found = registrations.get(registration) if isinstance(registrations, dict) else None
        return found if isinstance(found, dict) else {}

    def check_unknown(self) -> None:
        """Take note of every key of a registration that is none, and of variables that look like a slip of the pen.

        What is said of a registration and not understood could be what its operator relies on.
        """
        names = self.registration_names()
        known = [self.variable(key) for key in (*GENERAL, *ELSEWHERE, "config")]
        known += [self.variable(key, name) for name in names for key in OF_REGISTRATIONS]
        prefixes = sorted((self.variable("", name) for name in names), key=len, reverse=True)
        for variable in self._environ:
            if not variable.startswith(PREFIX) or variable in known:
                continue
            owner = next((prefix for prefix in prefixes if variable.startswith(prefix)), "")
            hint = (owner and _elsewhere(variable.removeprefix(owner).lower())) or near(variable, known)
            if hint or owner:
                self.problems.append(f"{variable} is not a known variable{hint}")
        for name, table in self._tables("registrations").items():
            for key in table if isinstance(table, dict) else ():
                if key not in OF_REGISTRATIONS:
                    where = f"{self.file}: registrations.{name}.{key}"
                    self.problems.append(f"{where} is not a known key{_elsewhere(key) or near(key, OF_REGISTRATIONS)}")

    def _read_file(self, file: str | None) -> tuple[str, Mapping[str, object]]:
        path = file or self._environ.get(f"{PREFIX}CONFIG", "") or USUAL_FILE
        try:
            with open(path, encoding="utf-8") as opened:  # noqa: PTH123 - pathlib costs a cold start
                text = opened.read(MAX_FILE_CHARACTERS)
        except FileNotFoundError:
            if path != USUAL_FILE:
                self.problems.append(f"{path}: there is no such file")
            return path, {}
        except (OSError, ValueError):
            self.problems.append(f"{path}: it cannot be read as UTF-8 text")
            return path, {}
        import tomllib

        try:
            return path, tomllib.loads(text)
        except RecursionError:
            self.problems.append(f"{path}: not TOML that can be read: it is nested too deep")
            return path, {}
        except tomllib.TOMLDecodeError as problem:
            # The parser's message tells the place; it quotes at most one character.
            self.problems.append(f"{path}: not TOML: {problem}")
            return path, {}


def _elsewhere(key: str) -> str:
    """Where a registration's key belongs that is one of its provider's; empty where it belongs nowhere."""
    from valetkey.providers.schema import OAUTH1, OAUTH2

    return OF_ENTRIES if key in OAUTH1 or key in OAUTH2 else ""


def near(word: str, words: tuple[str, ...] | list[str]) -> str:
    """`; did you mean ...?`, or nothing where no word is near."""
    from difflib import get_close_matches

    close = get_close_matches(word, words, n=1, cutoff=0.8)
    return f"; did you mean {close[0]}?" if close else ""
