"""AWS credentials as boto3 finds them, where it is installed and VALETKEY_AWS_CREDENTIALS=boto3 asks for it.

It knows what this package does not (single sign-on, roles of profiles, programs, instance metadata), and costs a cold
start a quarter of a second. The one rule: it is never asked unless somebody said so, and then nobody else is. It reads
the process's own environment, and may block a thread while it asks the network: not for event loops under load.
"""

from __future__ import annotations

from valetkey.clouds.aws_sigv4 import AwsCredentials
from valetkey.errors import ConfigurationError, StoreError
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Boto3Credentials:
    """Asks boto3's session once, and its credentials object, which renews itself, each time."""

    def __init__(self) -> None:
        self._found: Any = None

    def current(self) -> AwsCredentials:
        """Credentials to sign with now. Raises ConfigurationError where there are none, StoreError on failure."""
        try:
            from boto3 import Session
            from botocore.exceptions import BotoCoreError
        except ImportError:
            message = "VALETKEY_AWS_CREDENTIALS=boto3 needs boto3: install it or unset the variable"
            raise ConfigurationError(message) from None
        try:
            if self._found is None:
                self._found = Session().get_credentials()
            frozen = None if self._found is None else self._found.get_frozen_credentials()
        except BotoCoreError as error:  # its text may quote files and answers
            message = f"boto3 gave no AWS credentials ({type(error).__name__}): try `aws sts get-caller-identity`"
            raise StoreError(message) from None
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            message = "boto3 found no AWS credentials: try `aws sts get-caller-identity`"
            raise ConfigurationError(message)
        token = Secret(frozen.token) if frozen.token else None
        return AwsCredentials(frozen.access_key, Secret(frozen.secret_key), token)

    def forget(self) -> None:
        """Ask the session anew next time."""
        self._found = None
