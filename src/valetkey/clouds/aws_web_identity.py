"""Credentials for a token of another identity provider: AssumeRoleWithWebIdentity of AWS's STS (EKS, GitHub, Vercel).

    AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_SESSION_NAME        which role, by which token, under what name
    AWS_REGION or AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_STS                  where STS is asked

The one rule: STS answers in XML, and of it one element is read, strictly, by a pattern; no XML parser sees what came
over the network. The request is not signed: the token in it is the proof.
"""

from __future__ import annotations

from valetkey.clouds.aws_sigv4 import AwsCredentials, can_sign
from valetkey.clouds.service import error_code, read_endpoint
from valetkey.clouds.tokens import answer_of
from valetkey.dates import read_time
from valetkey.effects import CONFIGURED
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import FORM, Headers, Request, write_form
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.effects import WireOp
    from valetkey.http import Response

REQUEST_SECONDS = 5.0
MAX_ANSWER_OCTETS = 65_536
MAX_TOKEN_OCTETS = 20_000  # STS takes no longer one
PASSING = frozenset({"IDPCommunicationError", "Throttling", "ThrottlingException"})
FIELDS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
ADVICE = {
    "AccessDenied": "access denied: let the role's trust policy name this identity provider and this subject",
    "ExpiredTokenException": "the token has expired: look at why its file is not renewed",
    "InvalidIdentityToken": "AWS does not trust the token: register its identity provider in IAM",
    "IDPRejectedClaim": "the identity provider refused the token: look at its audience",
    "IDPCommunicationError": "AWS cannot reach the identity provider: try again",
}


def assume_role_with_web_identity(environ: Mapping[str, str]) -> WireOp[AwsCredentials]:
    """Credentials of the role. Raises ConfigurationError, StoreError."""
    arn, path = environ.get("AWS_ROLE_ARN", ""), environ.get("AWS_WEB_IDENTITY_TOKEN_FILE", "")
    if not arn or not path:
        message = "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE belong together: set both"
        raise ConfigurationError(message)
    fields = (
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", arn),
        ("RoleSessionName", environ.get("AWS_ROLE_SESSION_NAME") or "valetkey"),
        ("WebIdentityToken", _read_token(path)),
    )
    headers = Headers((("Content-Type", FORM), ("Accept", "text/xml")))
    request = Request("POST", _endpoint(environ), headers, write_form(fields).encode())
    answer = yield from answer_of(
        request, CONFIGURED, passing=lambda refused: _read_code(refused) in PASSING, seconds=REQUEST_SECONDS
    )
    if answer is not None and answer.response.status == 200:
        return read_credentials(answer.response)
    code = "no answer" if answer is None else _read_code(answer.response)
    message = f"AWS STS gave no credentials for the role in AWS_ROLE_ARN: {ADVICE.get(code, code)}"
    raise StoreError(message)


def read_credentials(response: Response) -> AwsCredentials:
    """The credentials in the answer. Raises StoreError where it is anything else."""
    found = None
    try:
        inside = _element(_text(response), "Credentials")
        key_id, secret, token, expiration = (_element(inside, name) for name in FIELDS)
        if not any("<" in text or "&" in text for text in (key_id, secret, token)):
            found = AwsCredentials(key_id, Secret(secret), Secret(token), read_time(expiration))
    except ValueError:  # which may hold the answer
        pass
    if found is None or not can_sign(found):
        message = "AWS STS answered with something that is not credentials"
        raise StoreError(message)
    return found


def _read_code(response: Response) -> str:
    try:
        code = _element(_element(_text(response), "Error"), "Code")
    except ValueError:
        return f"status {response.status}"
    return error_code(code)


def _text(response: Response) -> str:
    if len(response.body) > MAX_ANSWER_OCTETS or b"<!" in response.body:  # no comments, CDATA and document types
        raise ValueError
    return response.body.decode()


def _element(text: str, name: str) -> str:
    """What stands in the one element of that name. Raises ValueError where there is none or another one."""
    _, opened, rest = text.partition(f"<{name}>")
    inside, closed, after = rest.partition(f"</{name}>")
    if not opened or not closed or f"<{name}>" in inside or f"<{name}>" in after:
        raise ValueError(name)
    return inside.strip()


def _read_token(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123 - pathlib costs a cold start more
            token = file.read(MAX_TOKEN_OCTETS + 1).strip()  # read each time: the platform renews it
    except (OSError, ValueError):
        token = ""
    if not token or len(token) > MAX_TOKEN_OCTETS:
        message = "AWS_WEB_IDENTITY_TOKEN_FILE names a file that cannot be read as a token"
        raise StoreError(message)
    return token


def _endpoint(environ: Mapping[str, str]) -> str:
    chosen = environ.get("AWS_ENDPOINT_URL_STS") or environ.get("AWS_ENDPOINT_URL") or ""
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
    if not chosen:
        if not region:
            return "https://sts.amazonaws.com/"
        if not region.isascii() or not region.replace("-", "").isalnum():
            message = "AWS_REGION is the name of a region, such as eu-central-1"
            raise ConfigurationError(message)
        return f"https://sts.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}/"
    return read_endpoint(chosen, what="the endpoint of AWS STS") + "/"
