"""Every known mistake that could have been made with a request.

The one rule: a mistake changes how a signature is made and nothing else, so that two of them can be put together.
To add one: a row in one of the three files says what it changes, what happened and what to do.
"""

from __future__ import annotations

from valetkey.oauth1.doctor import mistakes_of_encoding, mistakes_of_keys, mistakes_of_requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.oauth1.doctor.making import Making
    from valetkey.oauth1.doctor.mistake import Mistake


def mistakes_for(right: Making, content_type: str) -> tuple[Mistake, ...]:
    """The mistakes, the likelier ones first."""
    return (
        *mistakes_of_encoding.encoding(),
        *mistakes_of_encoding.sorting(),
        *mistakes_of_requests.parameters(right, content_type),
        *mistakes_of_requests.addresses(),
        *mistakes_of_requests.methods(right),
        *mistakes_of_keys.keys(right),
        *mistakes_of_keys.outputs(),
        *mistakes_of_requests.left_out(right),
    )
