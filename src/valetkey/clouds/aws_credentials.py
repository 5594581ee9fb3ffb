"""Where AWS puts an application's credentials, in the order that AWS's own tools look.

    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN     the environment (Lambda)
    AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE                       web identity (EKS's IRSA): `aws_web_identity`
    AWS_PROFILE                                                     a person's shared files: `aws_profiles`
    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI                          ECS, at 169.254.170.2
    AWS_CONTAINER_CREDENTIALS_FULL_URI                              EKS pod identity, SnapStart: https, loopback or the
                                                                    platform's own addresses
    AWS_CONTAINER_AUTHORIZATION_TOKEN or ..._TOKEN_FILE             sent with either of the two
    VALETKEY_AWS_CREDENTIALS=boto3                                  boto3's own chain instead of all these: `aws_boto3`

The one rule: credentials that expire are renewed before they do, and good ones are never thrown away because a renewal
failed. Not here: EC2's instance metadata, roles and single sign-on of profiles, which boto3 knows.
"""

from __future__ import annotations

from valetkey.clouds.aws_sigv4 import AwsCredentials, can_sign
from valetkey.dates import read_time
from valetkey.effects import CONFIGURED, PLATFORM, Now
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Headers, Request, is_loopback, read_url
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.clouds.aws_boto3 import Boto3Credentials
    from valetkey.effects import Reach, WireOp
    from valetkey.http import Response

CONTAINER = "http://169.254.170.2"
PLATFORM_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
RENEW_SECONDS = 300  # before they expire
REQUEST_SECONDS = 2.0
TOO_MANY = 429
BOTO3 = "VALETKEY_AWS_CREDENTIALS"
NO_CREDENTIALS = (
    "no AWS credentials: give the function a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
)


class AwsCredentialSource:
    """Finds credentials once and keeps them until shortly before they expire."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """environ: the environment's variables, read when credentials are asked for."""
        self._environ = environ
        self._kept: AwsCredentials | None = None
        self._boto3: Boto3Credentials | None = None

    def current(self) -> WireOp[AwsCredentials]:
        """Credentials to sign with now. Raises ConfigurationError where there are none, StoreError on failure."""
        if self._environ.get(BOTO3):
            return self._from_boto3()
        from_environment = self._from_environment()
        if from_environment is not None:
            return from_environment
        now = yield from Now()
        kept = self._kept
        if kept is not None and (not kept.expires_at or now < kept.expires_at - RENEW_SECONDS):
            return kept
        found = None
        try:
            found = yield from self._find()
        except UnicodeEncodeError:  # which holds what could not be written, so that it ends here
            pass
        except StoreError:
            if kept is None or (kept.expires_at and now >= kept.expires_at):
                raise
            return kept
        if found is None:
            from valetkey.clouds.tokens import NOT_TEXT

            raise ConfigurationError(NOT_TEXT)
        self._kept = found
        return found

    def forget(self) -> None:
        """Ask anew next time: the service said that these had expired."""
        self._kept = None
        if self._boto3 is not None:
            self._boto3.forget()

    def __repr__(self) -> str:
        return "AwsCredentialSource()"

    def _from_environment(self) -> AwsCredentials | None:
        identifier, secret = self._environ.get("AWS_ACCESS_KEY_ID"), self._environ.get("AWS_SECRET_ACCESS_KEY")
        if not identifier and not secret:
            return None
        if not identifier or not secret:
            message = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both"
            raise ConfigurationError(message)
        token = self._environ.get("AWS_SESSION_TOKEN")
        found = AwsCredentials(identifier, Secret(secret), Secret(token) if token else None)
        if not can_sign(found):
            message = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN holds a character that none has,"
            raise ConfigurationError(f"{message} such as a line break: set them anew")
        return found

    def _from_boto3(self) -> AwsCredentials:
        if self._environ[BOTO3] != "boto3":
            message = f"{BOTO3} has one value: boto3"
            raise ConfigurationError(message)
        if self._boto3 is None:
            from valetkey.clouds.aws_boto3 import Boto3Credentials

            self._boto3 = Boto3Credentials()
        return self._boto3.current()

    def _find(self) -> WireOp[AwsCredentials]:
        """From the first of the other places that has any."""
        if self._environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            from valetkey.clouds.aws_web_identity import assume_role_with_web_identity

            return (yield from assume_role_with_web_identity(self._environ))
        from valetkey.clouds.aws_profiles import profile_credentials

        return profile_credentials(self._environ) or (yield from self._from_container())

    def _from_container(self) -> WireOp[AwsCredentials]:
        from valetkey.clouds.tokens import answer_of

        url, reach = self._endpoint()
        request = Request("GET", url, self._headers())
        answer = yield from answer_of(
            request, reach, passing=lambda refused: refused.status == TOO_MANY, seconds=REQUEST_SECONDS
        )
        if answer is not None and answer.response.status == 200:
            return _read_credentials(answer.response)
        message = "the container's credential endpoint gave no AWS credentials: check the task's or pod's role"
        raise StoreError(message)

    def _endpoint(self) -> tuple[str, Reach]:
        relative = self._environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        full = self._environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if relative:
            if not relative.startswith("/"):
                message = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI starts with a slash"
                raise ConfigurationError(message)
            return CONTAINER + relative, PLATFORM
        if not full:
            raise ConfigurationError(NO_CREDENTIALS)
        try:
            url = read_url(full)
        except ValueError as error:
            message = f"AWS_CONTAINER_CREDENTIALS_FULL_URI: {error}"
            raise ConfigurationError(message) from None
        if url.host in PLATFORM_HOSTS:
            return full, PLATFORM
        if url.scheme == "https" or is_loopback(url.host):
            return full, CONFIGURED
        message = "AWS_CONTAINER_CREDENTIALS_FULL_URI is https, loopback, or one of the platform's own addresses"
        raise ConfigurationError(message)

    def _headers(self) -> Headers:
        variable = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
        path, token = self._environ.get(variable), self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if path:  # read each time: the platform renews it
            from valetkey.clouds.tokens import read_file

            token = read_file(path, variable)
        try:
            return Headers((("Accept", "application/json"), *((("Authorization", token),) if token else ())))
        except ValueError:
            message = "the container's authorization token holds characters that no header may hold"
            raise ConfigurationError(message) from None


def _read_credentials(response: Response) -> AwsCredentials:
    from valetkey.clouds.service import read_json

    try:
        answer = read_json(response.body)
        texts = [answer[name] for name in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")]
        if not all(isinstance(text, str) and text for text in texts):
            raise ValueError  # noqa: TRY301 - one message for all that is not an answer
        found = AwsCredentials(texts[0], Secret(texts[1]), Secret(texts[2]), read_time(texts[3]))
    except (ValueError, KeyError, TypeError):
        found = None
    if found is None or not can_sign(found):
        message = "the container's credential endpoint answered with something that is not credentials"
        raise StoreError(message)
    return found
