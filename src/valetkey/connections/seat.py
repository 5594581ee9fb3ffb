"""Where a server that somebody else named takes codes, tokens and secrets; its metadata may say otherwise any day.

    answers carry `iss`         no seat: each code says whose it is (RFC 9207), wherever the endpoints lie
    all on one host             that origin is the seat
    on several, without `iss`   refused: the consent of an honest server, the token endpoint of another

Anybody can register our redirect URI at a server that registers everybody: of two servers that pretend to be one, it
tells nothing. The one rule: what was granted at one seat never goes to another, whatever the metadata says by then.
"""

from __future__ import annotations

from valetkey.http import read_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.oauth2.metadata import Metadata


def seat_of(metadata: Metadata) -> str:
    """The origin of everything that people and credentials are sent to, empty where answers carry `iss`.

    Raises ValueError where it lies on several hosts and no `iss` would show a mix-up (RFC 9700 section 4.4).
    """
    if metadata.authorization_response_iss_parameter_supported:
        return ""
    found = _origins(metadata)
    if len(found) > 1:
        message = (
            "it sends people to one host and takes codes or tokens at another, and does not say that its answers carry "
            "`iss` (RFC 9207): nobody could tell whose they are"
        )
        raise ValueError(message)
    return found.pop()


def is_seated(metadata: Metadata, seat: str) -> bool:
    """Whether what was granted at that seat may still be sent where the metadata says now."""
    if not seat:
        return metadata.authorization_response_iss_parameter_supported
    return _origins(metadata) == {seat}


def _origins(metadata: Metadata) -> set[str]:
    """Of the endpoints but the one that registers, which is sent nothing of anybody's."""
    names: tuple[str, ...] = type(metadata).__match_args__
    urls = [getattr(metadata, name) for name in names if name.endswith("_endpoint") and name != "registration_endpoint"]
    return {read_url(url).origin for url in urls if url}
