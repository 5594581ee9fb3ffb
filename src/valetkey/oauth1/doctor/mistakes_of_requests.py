"""Mistakes in what of a request is signed: parameters, address, method (RFC 5849 section 3.4.1)."""

from __future__ import annotations

from urllib.parse import unquote

from valetkey.oauth1.doctor.making import DEFAULT_PORTS
from valetkey.oauth1.doctor.mistake import Mistake, setting
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.oauth1.doctor.making import Making
    from valetkey.oauth1.doctor.mistake import Change

MAX_LEFT_OUT = 40  # parameters that are tried as missing, one by one
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")


def parameters(right: Making, content_type: str) -> list[Mistake]:
    """Which parameters were signed (section 3.4.1.3.1)."""
    s = "3.4.1.3.1"
    found = [
        Mistake(
            "query_left_out",
            s,
            "the parameters of the query were left out",
            "sign them: a proxy may also have removed the query on the way",
            setting(query=()),
        ),
        Mistake(
            "query_in_address",
            "3.4.1.2",
            "the address was signed with its query, whose parameters were signed as well",
            "cut the address at the question mark",
            lambda m: replace(m, uri_query=f"?{m.raw_query}" if m.raw_query else ""),
        ),
        Mistake(
            "query_in_address_only",
            "3.4.1.2",
            "the query stayed in the address instead of among the parameters",
            "cut the address at the question mark, and sign the query's parameters with the others",
            lambda m: replace(m, query=(), uri_query=f"?{m.raw_query}" if m.raw_query else ""),
        ),
        Mistake(
            "empty_values_left_out",
            s,
            "parameters without a value were left out",
            "sign them with the empty value: parse_qsl(..., keep_blank_values=True)",
            lambda m: replace(
                m,
                query=tuple(pair for pair in m.query if pair[1]),
                form=tuple(pair for pair in m.form if pair[1]),
                protocol=tuple(pair for pair in m.protocol if pair[1]),
            ),
        ),
        Mistake(
            "repeated_names_collapsed",
            s,
            "of parameters with the same name only the last was signed",
            "keep parameters in a list of pairs, not in a dictionary",
            lambda m: replace(m, query=tuple(dict(m.query).items()), form=tuple(dict(m.form).items())),
        ),
        Mistake(
            "realm_included",
            s,
            "the realm of the Authorization header was signed as a parameter",
            "leave realm out: it is the only parameter of the header that is not signed",
            lambda m: m if m.realm is None else replace(m, protocol=(*m.protocol, ("realm", m.realm))),
        ),
        Mistake(
            "empty_signature_included",
            s,
            "an empty oauth_signature was signed as a parameter",
            "leave oauth_signature out until the signature is made",
            lambda m: replace(m, protocol=(*m.protocol, ("oauth_signature", ""))),
        ),
        Mistake(
            "empty_token_added",
            "3.1",
            "an empty oauth_token was signed that the request does not carry",
            "leave oauth_token out where there is no token, or send it",
            lambda m: _added(m, "oauth_token", ""),
        ),
        Mistake(
            "version_added",
            "3.1",
            "oauth_version was signed though the request does not carry it",
            "send every parameter that is signed",
            lambda m: _added(m, "oauth_version", "1.0"),
        ),
        Mistake(
            "body_counted_as_form",
            s,
            "the body was signed as a form, though its Content-Type is not application/x-www-form-urlencoded",
            "sign only forms; leave any other body out, or cover it with oauth_body_hash",
            lambda m: m if m.form else replace(m, form=m.body_form),
        ),
    ]
    if right.form:
        charset = ";" in content_type
        found.append(
            Mistake(
                "charset_in_content_type" if charset else "form_left_out",
                s,
                "the form was left out because its Content-Type has a charset behind it"
                if charset
                else "the parameters of the form were left out",
                "compare the media type only, up to the semicolon; until then send the Content-Type without charset"
                if charset
                else "sign the parameters of a form, or check that the Content-Type of the form arrives unchanged",
                setting(form=()),
            )
        )
    return found


def _added(making: Making, name: str, text: str) -> Making:
    if name in dict(making.protocol):
        return making
    return replace(making, protocol=(*making.protocol, (name, text)))


def left_out(right: Making) -> list[Mistake]:
    """Each parameter, as if it had been forgotten or added later."""
    names = dict.fromkeys(name for name, _ in (*right.protocol, *right.query, *right.form))
    return [
        Mistake(
            f"parameter_left_out:{name}",
            "3.4.1.3.1",
            f"the parameter {name} was left out",
            "sign every parameter of the header, the query and the form, but oauth_signature and realm; "
            "one that was added after signing must be added before",
            _without(name),
        )
        for name in list(names)[:MAX_LEFT_OUT]
    ]


def _without(name: str) -> Change:
    def change(making: Making) -> Making:
        kept = {
            place: tuple(pair for pair in getattr(making, place) if pair[0] != name)
            for place in ("protocol", "query", "form")
        }
        return replace(making, **kept)

    return change


def addresses() -> tuple[Mistake, ...]:
    """In the base string URI (section 3.4.1.2)."""
    s = "3.4.1.2"
    return (
        Mistake(
            "default_port_kept",
            s,
            "the scheme's own port was signed as part of the address",
            "leave :80 out for http and :443 for https",
            lambda m: replace(m, port=m.port or DEFAULT_PORTS[m.scheme]),
        ),
        Mistake(
            "port_left_out",
            s,
            "a port that is not the scheme's own was left out",
            "keep it in the address; behind a proxy, rebuild the address from what the client sees",
            setting(port=""),
        ),
        Mistake(
            "host_case_kept",
            s,
            "the host was signed with its capital letters",
            "write scheme and host in lower case",
            lambda m: replace(m, host=m.written_host),
        ),
        Mistake(
            "scheme",
            s,
            "the address was signed with the other scheme: http for https, or the reverse",
            "a proxy that ends TLS hides the scheme: rebuild the address as the client wrote it (X-Forwarded-Proto)",
            _other_scheme,
        ),
        Mistake(
            "trailing_slash_added",
            s,
            "a slash was added at the end of the path",
            "sign the path as it is requested",
            lambda m: m if m.path.endswith("/") else replace(m, path=f"{m.path}/"),
        ),
        Mistake(
            "trailing_slash_removed",
            s,
            "the slash at the end of the path was left out",
            "sign the path as it is requested; an empty path is /",
            lambda m: replace(m, path=m.path.rstrip("/")),
        ),
        Mistake(
            "path_decoded",
            s,
            "the escapes of the path were undone",
            "sign the path as it travels; frameworks that decode it keep the raw one elsewhere",
            lambda m: replace(m, path=unquote(m.path)),
        ),
        Mistake(
            "path_lower_case",
            s,
            "the path was written in lower case",
            "leave the path as it is: only scheme and host are lowered",
            lambda m: replace(m, path=m.path.lower()),
        ),
    )


def _other_scheme(making: Making) -> Making:
    scheme = "http" if making.scheme == "https" else "https"
    port = "" if making.written_port == DEFAULT_PORTS[scheme] else making.port
    return replace(making, scheme=scheme, port=port)


def methods(right: Making) -> list[Mistake]:
    """In the method (section 3.4.1.1)."""
    found = [
        Mistake(
            "method_not_in_capitals",
            "3.4.1.1",
            "the method was signed in small letters",
            "write it in capitals: GET",
            lambda m: replace(m, method=m.method.lower()),
        ),
        Mistake(
            "method_as_title",
            "3.4.1.1",
            "the method was signed as a word (Get)",
            "write it in capitals: GET",
            lambda m: replace(m, method=m.method.capitalize()),
        ),
    ]
    found += [
        Mistake(
            f"other_method:{method}",
            "3.4.1.1",
            f"the request was signed as {method}",
            "sign the method that is sent; look for a redirect or a method override on the way",
            setting(method=method),
        )
        for method in METHODS
        if method != right.method
    ]
    return found
