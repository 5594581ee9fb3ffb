"""Mistakes with secrets, hashes and the text of a signature (RFC 5849 section 3.4.2)."""

from __future__ import annotations

from urllib.parse import unquote

from valetkey.oauth1.doctor.making import HMAC_METHODS
from valetkey.oauth1.doctor.mistake import Mistake, setting
from valetkey.secret import Secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.oauth1.doctor.making import Making
    from valetkey.oauth1.doctor.mistake import Change


def keys(right: Making) -> list[Mistake]:
    """In the key: which secrets, how they were joined, which hash (section 3.4.2)."""
    s = "3.4.2"
    found = [
        Mistake(
            "token_secret_left_out",
            s,
            "the token's secret was not part of the key",
            "use it: the temporary one for the token request, the token's own afterwards",
            setting(token_secret=None),
        ),
        Mistake(
            "ampersand_left_out",
            s,
            "the key was the client secret alone, without the &",
            "end the key with & where there is no token secret",
            setting(key="no_ampersand"),
        ),
        Mistake(
            "client_secret_only",
            s,
            "the key was the client secret alone, without & and the token's secret",
            "join both secrets, encoded, by &",
            setting(key="client_only"),
        ),
        Mistake(
            "secrets_not_encoded",
            s,
            "the secrets were joined without percent-encoding them",
            "percent-encode each secret before joining them by &",
            setting(key="unencoded"),
        ),
        Mistake(
            "secrets_swapped",
            s,
            "the token's secret stood before the client's",
            "the client's secret comes first",
            setting(key="swapped"),
        ),
    ]
    for place, whose in (("client_secret", "client's"), ("token_secret", "token's")):
        found += _misread(place, whose)
    if right.signature_method in HMAC_METHODS:
        found += [
            Mistake(
                f"other_hash:{method}",
                "3.4.2",
                f"the signature was made by {method}, not by {right.signature_method}",
                "sign by the method that oauth_signature_method names",
                setting(signature_method=method),
            )
            for method in HMAC_METHODS
            if method != right.signature_method
        ]
    return found


def _misread(place: str, whose: str) -> list[Mistake]:
    """A secret that was configured wrong: with a line break, escaped, as something else."""

    def changed(by: Callable[[str], str]) -> Change:
        def change(making: Making) -> Making:
            secret: Secret | None = getattr(making, place)
            return making if secret is None else replace(making, **{place: Secret(by(secret.reveal()))})

        return change

    return [
        Mistake(
            f"line_break_in_{place}",
            "3.4.2",
            f"the {whose} secret had a line break at its end",
            "remove it: files and consoles add one",
            changed(lambda text: text + "\n"),
        ),
        Mistake(
            f"blanks_in_{place}",
            "3.4.2",
            f"the {whose} secret that was given here has blanks or a line break around it, the one that signed has not",
            "configure it without",
            changed(str.strip),
        ),
        Mistake(
            f"escapes_in_{place}",
            "2.1",
            f"the {whose} secret was used without its escapes undone, or undone twice",
            "decode the answer that brought the secret as a form, once",
            changed(unquote),
        ),
    ]


def outputs() -> list[Mistake]:
    """In how the octets of the signature became text."""
    return [output_mistake(name) for name in ("hex", "base64_of_hex", "base64url", "unpadded")]


OUTPUTS_SAY = {
    "hex": "the signature was written in hexadecimal digits",
    "base64_of_hex": "the signature was written in hexadecimal digits, and those in base64",
    "base64url": "the signature was written in base64 for URLs",
    "base64url_unpadded": "the signature was written in base64 for URLs, without the = at its end",
    "unpadded": "the signature lost the = at its end",
    "loose": "the signature was written in base64 with bits behind its end, which only some read",
}


def output_mistake(name: str) -> Mistake:
    """That the octets were written in this way."""
    advice = "write the octets of the signature in base64 (RFC 2045 section 6.8), with its padding"
    return Mistake(
        f"output_{name}", "3.4.2", OUTPUTS_SAY[name], advice, _unpadded if name == "unpadded" else setting(output=name)
    )


def _unpadded(making: Making) -> Making:
    return replace(making, output="base64url_unpadded" if making.output == "base64url" else "unpadded")
