"""Signatures by a private key whose own signer may be anybody's code: one way to ask it, for both protocols.

The one rule: what an application's signer raises or answers may hold anything, so nothing of it is shown but its kind.
"""

from __future__ import annotations

from valetkey.effects import Sign
from valetkey.errors import ConfigurationError, StoreError, ValetkeyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import PrivateKey, SignatureAlgorithm, WireOp


def signed(key: PrivateKey, algorithm: SignatureAlgorithm, message: bytes) -> WireOp[bytes]:
    """The raw signature.

    Raises ConfigurationError for a wrong key or an answer that is no signature, StoreError where the signer failed.
    """
    try:
        octets: object = yield from Sign(key, algorithm, message)
    except ValetkeyError:
        raise
    except Exception as error:  # noqa: BLE001 - code of the application's
        what = f"failed with {type(error).__name__}"
        raise StoreError(f"the signer of the private key {what}: look at its key service") from None
    if isinstance(octets, bytes) and octets:
        return octets
    close = getattr(octets, "close", None)
    if close is not None:
        close()  # a coroutine that nobody awaits
    what = "nothing" if octets == b"" else type(octets).__name__
    raise ConfigurationError(
        f"the request cannot be signed: the private key's signer answered {what}, and must answer bytes; an async one "
        "needs an AsyncVault"
    )
