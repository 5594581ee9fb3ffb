"""Mistakes in how parameters are encoded and sorted (RFC 5849 sections 3.4.1.3.2 and 3.6)."""

from __future__ import annotations

from urllib.parse import unquote

from valetkey.oauth1.doctor.mistake import Mistake, setting
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs


def _raw(text: str) -> Pairs:
    """The pairs of a form without their escapes undone."""
    pairs = [field.partition("=") for field in text.split("&") if field]
    return tuple((name, text) for name, _, text in pairs)


def _plus_kept(text: str) -> Pairs:
    return tuple((unquote(name), unquote(text)) for name, text in _raw(text))


def encoding() -> tuple[Mistake, ...]:
    """Between the parameters as they are meant and as they are written (section 3.6)."""
    s = "3.6"
    return (
        Mistake(
            "escapes_not_decoded",
            "3.4.1.3.1",
            "query and form were taken as they travel, so their escapes were encoded a second time (%20 became %2520)",
            "decode every name and value once before encoding it by section 3.6",
            lambda m: replace(m, query=_raw(m.raw_query), form=_raw(m.raw_form) if m.form else ()),
        ),
        Mistake(
            "encoded_twice",
            s,
            "every parameter was percent-encoded twice before the parts were joined",
            "encode each name and value once, and the joined string once more as a whole",
            setting(encode="twice", encode_protocol="twice"),
        ),
        Mistake(
            "plus_for_space",
            s,
            "a space was encoded as + instead of %20",
            "use percent-encoding, not form encoding: quote(), not quote_plus() or urlencode()",
            setting(encode="plus", encode_protocol="plus"),
        ),
        Mistake(
            "plus_not_decoded",
            "3.4.1.3.1",
            "a + in the query or form was taken as a plus sign, not as a space",
            "decode query and form as application/x-www-form-urlencoded, where + is a space",
            lambda m: replace(m, query=_plus_kept(m.raw_query), form=_plus_kept(m.raw_form) if m.form else ()),
        ),
        Mistake(
            "not_encoded",
            s,
            "the parameters were not encoded before they were joined",
            "encode each name and value, join them, and encode the joined string once more",
            setting(encode="none", encode_protocol="none"),
        ),
        Mistake(
            "protocol_parameters_not_encoded",
            s,
            "the oauth_* parameters were not encoded before they were joined",
            "encode them like all others; for a provider that insists on it, set parameter_encoding = 'unencoded'",
            setting(encode_protocol="none"),
        ),
        Mistake(
            "parts_not_encoded",
            "3.4.1.1",
            "the three parts of the base string were joined without encoding each of them",
            "percent-encode method, address and parameters before joining them with &",
            setting(outer="none"),
        ),
        Mistake(
            "lower_case_escapes",
            s,
            "escapes were written in lower case (%3a)",
            "write hexadecimal digits in upper case (%3A)",
            setting(encode="lower", encode_protocol="lower", outer="lower"),
        ),
        Mistake(
            "marks_not_encoded",
            s,
            "! * ' ( ) were left as they are, as encodeURIComponent does",
            "encode every character but letters, digits and - . _ ~",
            setting(encode="marks", encode_protocol="marks"),
        ),
        Mistake(
            "slash_not_encoded",
            s,
            "the slash was left as it is, as urllib's quote() does unless it is told otherwise",
            "encode the slash too: quote(text, safe='')",
            setting(encode="slash", encode_protocol="slash"),
        ),
        Mistake(
            "tilde_encoded",
            s,
            "~ was encoded as %7E",
            "leave ~ as it is: it is unreserved",
            setting(encode="tilde", encode_protocol="tilde"),
        ),
        Mistake(
            "latin1_not_utf8",
            s,
            "text was encoded from latin-1 octets",
            "encode text as UTF-8 first",
            setting(encode="latin1", encode_protocol="latin1"),
        ),
    )


def sorting() -> tuple[Mistake, ...]:
    """In the order of the parameters (section 3.4.1.3.2)."""
    s = "3.4.1.3.2"
    return (
        Mistake(
            "sorted_before_encoding",
            s,
            "the parameters were sorted before they were encoded",
            "encode first, then sort by the encoded octets",
            setting(order="decoded"),
        ),
        Mistake(
            "sorted_as_joined",
            s,
            "the parameters were sorted as name=value texts",
            "sort by name, and by value where names are equal; then join",
            setting(order="joined"),
        ),
        Mistake(
            "sorted_by_name_only",
            s,
            "parameters of the same name were left in the order of the request",
            "sort those by their values",
            setting(order="name"),
        ),
        Mistake(
            "not_sorted", s, "the parameters were not sorted", "sort them by name, then value", setting(order="none")
        ),
    )
