"""`valetkey doctor oauth1`: a request that is refused, and the mistake that makes its signature.

The one rule: secrets come from variables, files or a prompt, never from the command line, and only their fingerprints
are printed.
"""

from __future__ import annotations

import os
import sys

import click

from valetkey.cli.output import json_option, print_json, print_table, say
from valetkey.errors import ConfigurationError
from valetkey.oauth1.doctor.curl import read_curl
from valetkey.oauth1.doctor.diagnose import Question, diagnose
from valetkey.oauth1.doctor.reading import BYTE_ORDER_MARK, Reading, build_request, read_har, with_remarks
from valetkey.oauth1.doctor.wording import explain, fingerprint
from valetkey.oauth1.signature import RSA_ALGORITHMS
from valetkey.secret import Secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.oauth1.doctor.diagnose import Diagnosis
    from valetkey.oauth1.doctor.mistake import Mistake

MAX_FILE_OCTETS = 20_000_000
CLOCK_SECONDS = 300
CLIENT_SECRET = "VALETKEY_DOCTOR_CLIENT_SECRET"  # noqa: S105 - the name of a variable
TOKEN_SECRET = "VALETKEY_DOCTOR_TOKEN_SECRET"  # noqa: S105 - as above
VERDICTS = {
    "correct": "The {whose} is exactly what RFC 5849 says for this request and these secrets.",
    "wrong_body_hash": "The {whose} is right, but oauth_body_hash in it is not that of the body.",
    "explained": "The {whose} comes about by a known mistake.",
    "unexplained": "None of the {tried} combinations of known mistakes makes the {whose}.",
    "incomplete": "There is too little to tell: see the remarks.",
}
# What a signature cannot show, for a request that is signed rightly and refused all the same.
ELSEWHERE = (
    "the timestamp is too far from the server's clock, or the nonce was used before (section 3.3)",
    "the client or token identifier is unknown there, revoked, or of another environment (sandbox, production)",
    "the server has another secret: it was rotated, or belongs to another application",
    "the server sees another request: a proxy changed address, scheme, query or body on the way",
    "the signature method or the place of the parameters is one that the server does not take",
    "the server wants oauth_body_hash for a body that is no form, or takes only another hash in it",
)


@click.command()
@click.option("--curl", metavar="FILE", default="", help="A file with a curl command; - reads standard input.")
@click.option("--har", metavar="FILE", default="", help="A HAR file, or one entry of it.")
@click.option("--entry", type=int, default=None, help="Which entry of the HAR file, from 0.")
@click.option("--method", default="", help="The request's method, where it is given in fields.")
@click.option("--url", default="", help="The request's URL as the client wrote it.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; can be repeated.")
@click.option("--body-file", metavar="FILE", default="", help="The body, octet by octet; also where curl reads a file.")
@click.option("--their-signature", default="", help="The signature that the other side computed, if it says so.")
@click.option(
    "--their-base-string-file", metavar="FILE", default="", help="The base string that the other side signed."
)
@click.option("--client-secret-env", metavar="NAME", default=CLIENT_SECRET, show_default=True)
@click.option("--client-secret-file", metavar="FILE", default="")
@click.option("--token-secret-env", metavar="NAME", default=TOKEN_SECRET, show_default=True)
@click.option("--token-secret-file", metavar="FILE", default="")
@click.option("--public-key-file", metavar="FILE", default="", help="PEM, for RSA: public key, certificate or key.")
@json_option
def oauth1(*, as_json: bool, **given: object) -> None:
    """Find the mistake in a signature of OAuth 1.0a that the other side refuses.

    The request is a curl command, an entry of a HAR file, or --method, --url, --header and --body-file, with the
    signature that it was sent with. What is searched is how the request's own signature came about, or, where the
    other side tells one, its signature or base string.

    Secrets are read from variables or files, or asked for; they are never printed.

    The status is 0 where the signature is right and 1 where it is not.
    """
    options = {name: text for name, text in given.items() if isinstance(text, str)}
    reading = _request(options, given)
    question = Question(
        Secret(options["their_signature"]),
        _read(options["their_base_string_file"]).removeprefix(BYTE_ORDER_MARK).strip(),
        _read(options["public_key_file"]),
    )
    ask = sys.stdin.isatty() and not as_json and not question.public_key
    secrets = [_secret(options, name, ask=ask) for name in ("client_secret", "token_secret")]
    try:
        diagnosis = diagnose(
            reading.request,
            client_secret=secrets[0],
            token_secret=secrets[1],
            question=question,
            body_is_known=reading.body_is_known,
            fields=reading.fields,
        )
    except ConfigurationError as wrong:
        raise with_remarks(wrong, reading.remarks) from None
    remarks = [*reading.remarks, *_remarks(diagnosis)]
    _print_json(diagnosis, remarks) if as_json else _print(diagnosis, remarks)
    if diagnosis.verdict != "correct":
        sys.exit(1)


def _request(options: dict[str, str], given: dict[str, object]) -> Reading:
    ways = [name for name in ("curl", "har", "url") if options[name]]
    if len(ways) != 1:
        message = "give the request in one way: --curl, --har, or --url with --method, --header and --body-file"
        raise ConfigurationError(message)
    body = _read_octets(options["body_file"]) if options["body_file"] else None
    if options["curl"]:
        return read_curl(_read(options["curl"]), body=body)
    if options["har"]:
        entry = given["entry"]
        request = read_har(_read(options["har"]), entry=entry if isinstance(entry, int) else None)
        return Reading(request if body is None else replace(request, body=body))
    headers = given["headers"]
    lines = [str(line).partition(":") for line in (headers if isinstance(headers, tuple) else ())]
    pairs = [(name.strip(), text.strip()) for name, _, text in lines]
    return Reading(build_request(options["method"] or ("POST" if body else "GET"), options["url"], pairs, body or b""))


def _read(path: str) -> str:
    try:
        return _read_octets(path).decode() if path else ""
    except UnicodeDecodeError:
        message = "a file that an option names cannot be read as UTF-8 text"
        raise ConfigurationError(message) from None


def _read_octets(path: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read(MAX_FILE_OCTETS)
        with open(path, "rb") as file:  # noqa: PTH123 - as everywhere in this room
            return file.read(MAX_FILE_OCTETS)
    except OSError:
        message = "a file that an option names cannot be read"
        raise ConfigurationError(message) from None


def _secret(options: dict[str, str], name: str, *, ask: bool) -> Secret | None:
    if options[f"{name}_file"]:
        return Secret(_read(options[f"{name}_file"]).rstrip("\r\n"))
    text = os.environ.get(options[f"{name}_env"])
    if text is None and ask:
        words = name.replace("_", " ").capitalize()
        text = click.prompt(f"{words} (not shown; empty if there is none)", default="", hide_input=True, err=True)
    return None if text is None or (not text and name == "client_secret") else Secret(text)


def _remarks(diagnosis: Diagnosis) -> list[str]:
    import time

    remarks = list(diagnosis.remarks)
    stamp = diagnosis.parts.parameter("oauth_timestamp")
    if stamp.isascii() and stamp.isdigit() and len(stamp) <= 12:
        away = int(time.time()) - int(stamp)
        if abs(away) > CLOCK_SECONDS:
            when = "ago" if away > 0 else "ahead"
            remarks.append(f"the request was signed {abs(away)} seconds {when}: most servers take five minutes (3.3)")
    return remarks


def _whose(diagnosis: Diagnosis, what: str) -> str:
    return f"{what} of the {diagnosis.whose}"


def _verdict(diagnosis: Diagnosis) -> str:
    what = "signature" if not diagnosis.differences else "base string"
    return VERDICTS[diagnosis.verdict].format(whose=_whose(diagnosis, what), tried=diagnosis.tried)


def _print(diagnosis: Diagnosis, remarks: list[str]) -> None:
    print_table(
        ("section", "of the right signature", ""),
        ((piece.section, piece.title, piece.text) for piece in explain(diagnosis)),
    )
    say("")
    for remark in remarks:
        say(f"Remark: {remark}.")
    for difference in diagnosis.differences:
        say(f"Difference: {difference}.")
    say(_verdict(diagnosis), style="bold")
    for place, finding in enumerate(diagnosis.findings):
        say("Or:" if place else "Found:" if len(finding) == 1 else "Found, together:")
        _print_mistakes(finding)
    if diagnosis.body_hash:
        say("In oauth_body_hash:")
        _print_mistakes(diagnosis.body_hash)
    if diagnosis.verdict == "unexplained" and diagnosis.parts.making.signature_method not in RSA_ALGORITHMS:
        say("A wrong secret looks like this. Compare the fingerprints above with the other side's secrets.")
    if diagnosis.verdict == "correct":
        say("If it is refused all the same, it is for another reason:")
        for reason in ELSEWHERE:
            say(f"  - {reason}")


def _print_mistakes(mistakes: tuple[Mistake, ...]) -> None:
    for mistake in mistakes:
        say(f"  {mistake.says} (section {mistake.section}).")
        say(f"  What to do: {mistake.advice}.")


def _as_json(mistakes: tuple[Mistake, ...]) -> list[dict[str, str]]:
    return [{"name": one.name, "section": one.section, "says": one.says, "advice": one.advice} for one in mistakes]


def _print_json(diagnosis: Diagnosis, remarks: list[str]) -> None:
    making = diagnosis.parts.making
    print_json(
        {
            "verdict": diagnosis.verdict,
            "says": _verdict(diagnosis),
            "whose": diagnosis.whose,
            "request_is_correct": diagnosis.request_is_correct,
            "tried": diagnosis.tried,
            "findings": [_as_json(finding) for finding in diagnosis.findings],
            "body_hash": _as_json(diagnosis.body_hash),
            "differences": list(diagnosis.differences),
            "remarks": remarks,
            "pieces": [
                {"section": piece.section, "title": piece.title, "text": piece.text} for piece in explain(diagnosis)
            ],
            "fingerprints": {
                "client_secret": fingerprint(making.client_secret),
                "token_secret": fingerprint(making.token_secret),
            },
        }
    )
