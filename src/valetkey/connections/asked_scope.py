"""Scope as a caller names it.

The one rule: words that no request could carry as they are end here, in every verb alike: a text that is taken for its
letters asks the provider for `r e a d`.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.oauth2.requested import is_scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Asked = TypeVar("Asked", bound=tuple[str, ...] | None)


def asked_scope(scope: Asked) -> Asked:
    """The scope that a caller asks for; None leaves it to the registration.

    Raises ConfigurationError for what is no scope.
    """
    if scope is not None and not (isinstance(scope, tuple) and all(map(is_scope, scope))):
        message = "scope is a tuple of words such as ('read', 'write'), each without blanks, quotes and backslashes"
        raise ConfigurationError(message)
    return scope
