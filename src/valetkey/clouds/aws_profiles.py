"""Keys in the files that AWS's tools share on people's machines: `~/.aws/credentials`, then `~/.aws/config`.

    AWS_PROFILE (or AWS_DEFAULT_PROFILE)                    which profile; `default` where it is not set
    AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE            the files, where they are elsewhere

The one rule: only keys that are written there are read. A profile that has a role, single sign-on or a program is for
boto3: set VALETKEY_AWS_CREDENTIALS=boto3.
"""

from __future__ import annotations

from valetkey.clouds.aws_sigv4 import AwsCredentials, can_sign
from valetkey.errors import ConfigurationError
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FILE_CHARACTERS = 1_000_000
DEFAULT = "default"


def profile_credentials(environ: Mapping[str, str]) -> AwsCredentials | None:
    """The profile's keys; None where nobody named a profile and the default one has none.

    Raises ConfigurationError for a named profile that is not there or has no keys, and for files that cannot be read.
    """
    named = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or ""
    profile = named or DEFAULT
    found = False
    for file, sections in (
        (_path(environ, "AWS_SHARED_CREDENTIALS_FILE", "credentials"), (profile,)),
        (_path(environ, "AWS_CONFIG_FILE", "config"), _config_sections(profile)),
    ):
        for section in sections:
            fields = _read_section(file, section)
            found = found or fields is not None
            credentials = _credentials(fields or {}, profile)
            if credentials is not None:
                return credentials
    if not named:
        return None
    if found:
        message = (
            f"AWS profile {profile!r} has no keys of its own: roles, single sign-on and programs are for boto3,"
            " set VALETKEY_AWS_CREDENTIALS=boto3"
        )
    else:
        message = f"AWS profile {profile!r} is in neither of the shared files: correct AWS_PROFILE or unset it"
    raise ConfigurationError(message)


def _config_sections(profile: str) -> tuple[str, ...]:
    return (DEFAULT, f"profile {DEFAULT}") if profile == DEFAULT else (f"profile {profile}",)


def _credentials(fields: Mapping[str, str], profile: str) -> AwsCredentials | None:
    identifier, secret = fields.get("aws_access_key_id", ""), fields.get("aws_secret_access_key", "")
    if not identifier and not secret:
        return None
    if not identifier or not secret:
        message = f"AWS profile {profile!r} has one of aws_access_key_id and aws_secret_access_key: it needs both"
        raise ConfigurationError(message)
    token = fields.get("aws_session_token", "")
    found = AwsCredentials(identifier, Secret(secret), Secret(token) if token else None)
    if not can_sign(found):
        message = f"AWS profile {profile!r} has keys with a character that none has: write them anew"
        raise ConfigurationError(message)
    return found


def _path(environ: Mapping[str, str], variable: str, name: str) -> str:
    chosen = environ.get(variable, "")
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    if chosen.startswith("~/"):
        return home + chosen[1:]
    return chosen or (f"{home}/.aws/{name}" if home else "")


def _read_section(path: str, section: str) -> Mapping[str, str] | None:
    """The section's fields, None where the file or the section is not there."""
    text, message = "", ""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a cold start more
            text = file.read(MAX_FILE_CHARACTERS)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        message = f"AWS's shared file {path} cannot be read: check its permissions"
    from configparser import Error, RawConfigParser

    parser = RawConfigParser(default_section="", strict=False)
    try:
        parser.read_string(text)
    except Error:
        message = f"AWS's shared file {path} is not in the form of [profile] sections with `name = text` lines"
    if message:  # not while an error is handled that holds lines of the file
        raise ConfigurationError(message)
    return dict(parser.items(section)) if parser.has_section(section) else None
