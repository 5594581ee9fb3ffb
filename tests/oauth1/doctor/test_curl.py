"""What a curl command sends, read as curl reads it."""

from __future__ import annotations

import shlex
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.curl import read_curl
from valetkey.oauth1.doctor.curl_options import LETTERS, SWITCHES, TAKE_A_VALUE
from valetkey.oauth1.doctor.diagnose import diagnose
from valetkey.secret import Secret

URL = "https://api.example/photos?size=original"
JSON = "application/json"
MATTER = {
    "data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "json", "form", "form-string", "upload-file",
    "url", "url-query", "header", "request", "config", "variable", "request-target", "proto-default",
}  # fmt: skip


def read(command: str) -> Request:
    """The request of a command of which all was understood."""
    reading = read_curl(command)
    assert (reading.remarks, reading.body_is_known) == ((), True)
    return reading.request


def remark(command: str, *, body: bytes | None = None) -> str:
    (only,) = read_curl(command, body=body).remarks
    return only


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
values = (
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
    .map(str.strip)
    .filter(bool)
)
names = st.from_regex(r"[A-Za-z][A-Za-z-]{0,15}", fullmatch=True)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.lists(st.tuples(names, values), max_size=4),
    texts,
    st.sampled_from(["-d", "--data", "--data-ascii", "--data-raw", "--data-binary"]),
    st.permutations([("-X", "POST"), ("--request", "PUT"), ("-s",), ("-o", "/dev/null"), ("--url", URL)]),
)
def test_whatever_a_curl_command_says_is_what_is_read(
    method: str, headers: list[tuple[str, str]], body: str, data: str, noise: list[tuple[str, ...]]
) -> None:
    words = ["curl", *[word for part in noise for word in part], "-X", method]
    for name, text in headers:
        words += ["-H", f"{name}: {text}"]
    sent = body.lstrip("@")
    if sent:
        words += [data, sent]

    request = read(shlex.join(words))

    assert (request.method, request.url, request.body) == (method, URL, sent.encode())
    assert request.headers.pairs[: len(headers)] == tuple(headers)


def test_lines_that_are_continued_are_one_command() -> None:
    for end in ("\n", "\r\n"):
        command = f"curl \\{end}-H 'A: b' \\{end}{URL}"
        assert read(command) == Request("GET", URL, Headers((("A", "b"),)))


@pytest.mark.parametrize("program", ["curl", "/usr/bin/curl", "C:/tools/curl.exe", "curl.exe"])
def test_curl_is_known_by_its_path(program: str) -> None:
    assert read(f"{program} {URL}").url == URL


def test_a_byte_order_mark_at_the_beginning_is_no_part_of_the_command() -> None:
    assert read(f"\ufeffcurl {URL}") == Request("GET", URL)


@pytest.mark.parametrize(
    ("command", "problem", "remark"),
    [
        (f"curl {URL} -H $AUTH -H $AUTH", "has no colon", "remark: the command holds a variable"),
        (f"$CURL {URL}", "does not start with curl", "remark: the command holds a variable"),
        (f"curl {URL} -H @headers -d @body", "its body from a file", "remark: headers in a file"),
        ("curl -H @headers 'x\n", "quotes do not match", ""),
    ],
)
def test_what_was_remarked_reaches_the_error_once_too(command: str, problem: str, remark: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _ = read_curl(command)

    said, *remarks = caught.value.problems
    assert problem in said
    assert [one.startswith(remark) for one in remarks] == [True] * bool(remark)
    assert caught.value.__suppress_context__, "the command is not kept beside it"


@pytest.mark.parametrize("program", ["", "wget", "curly", "curl.exe.txt", ".execurl", "x/curl/y"])
def test_another_program_is_not_taken_for_curl(program: str) -> None:
    with pytest.raises(ConfigurationError, match="curl"):
        _ = read(f"{program} {URL}")


@pytest.mark.parametrize(
    "options",
    ["-X PUT", "-XPUT", "--request PUT", "-sX PUT", "-sSLXPUT", "-X GET -X PUT", "-d a=b -X PUT"],
)
def test_a_method_is_read_however_it_is_written_and_the_last_one_counts(options: str) -> None:
    assert read(f"curl {options} {URL}").method == "PUT"


@pytest.mark.parametrize("options", ["-H 'A: b'", "-H'A: b'", "--header 'A: b'", "-sH ' A :  b '"])
def test_a_header_is_read_however_it_is_written(options: str) -> None:
    assert read(f"curl {options} {URL}").headers.pairs == (("A", "b"),)


@pytest.mark.parametrize("option", ["-I", "--head", "-sI"])
def test_a_request_for_the_head_alone_is_head(option: str) -> None:
    assert read(f"curl {option} {URL}").method == "HEAD"


@pytest.mark.parametrize("option", sorted(TAKE_A_VALUE - MATTER))
def test_an_option_that_does_not_matter_takes_its_value_along(option: str) -> None:
    assert read(f"curl --{option} value {URL}") == read(f"curl {URL}")
    assert read(f"curl {URL} --{option}").url == URL


@pytest.mark.parametrize("letter", sorted(LETTERS))
def test_a_letter_is_the_long_option_of_the_same_meaning(letter: str) -> None:
    name, text = LETTERS[letter], "A:b" if LETTERS[letter] in TAKE_A_VALUE else ""

    assert read_curl(f"curl {URL} -{letter}{text}") == read_curl(f"curl {URL} --{name} {text}")
    assert read_curl(f"curl {URL} -s{letter} {text}") == read_curl(f"curl {URL} --{name} {text}")


@pytest.mark.parametrize("option", sorted(SWITCHES - {"get", "head", "next"}))
def test_a_switch_takes_nothing_along_and_can_be_taken_back(option: str) -> None:
    assert read(f"curl --{option} {URL}") == read(f"curl {URL}")
    assert read(f"curl --no-{option} {URL}") == read(f"curl {URL}")


def test_a_switch_that_is_taken_back_is_off_again() -> None:
    assert read(f"curl -G {URL} -d a=1 --no-get").method == "POST"
    assert read(f"curl -I {URL} --no-head --head --no-head").method == "GET"


@pytest.mark.parametrize(
    ("word", "said"),
    [("--photos", "--photos"), ("--no-url", "--no-url"), ("--silent=yes", "--silent"), ("--T\N{EURO SIGN}", "an option"),
     ("-W", "-W"), ("-sW", "-W"), ("-\N{EURO SIGN}", "an option"), ("-", "2 URLs")],
)  # fmt: skip
def test_what_is_no_option_of_curl_is_said(word: str, said: str) -> None:
    assert said in remark(f"curl {word} {URL}")
    assert read_curl(f"curl {word} {URL}").request == read(f"curl {URL}")


def test_an_option_with_an_equals_sign_is_read_as_meant_and_said_to_be_none_of_curls() -> None:
    assert "does not take --request=" in remark(f"curl --request=PUT {URL}")
    assert read_curl(f"curl --request=PUT {URL}").request.method == "PUT"
    assert read_curl(f"curl --header='A: b' {URL}").request.headers.pairs == (("A", "b"),)
    assert "canary" not in remark(f"curl --password=canary {URL}")


def test_one_url_is_read_and_the_others_are_said() -> None:
    assert "2 URLs" in remark(f"curl --url {URL} https://other.example")
    assert read_curl(f"curl --url {URL} https://other.example").request.url == URL
    assert read_curl(f"curl --photos 3 {URL}").request.url == URL  # an option of a newer curl
    assert read("curl api.example/x").url == "http://api.example/x"
    assert read("curl api.example/x --proto-default https").url == "https://api.example/x"
    assert read(f"curl -- {URL}").url == URL
    assert "several requests" in remark(f"curl {URL} -d a=1 --next -X PUT https://other.example")
    assert read_curl(f"curl {URL} -d a=1 -: -X PUT https://other.example").request.method == "POST"
    assert "several requests" in remark(f"curl {URL} -: -K x https://other.example -: https://third.example")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-K options.txt", "-K"),
        ("--variable a=b", "--variable"),
        ("--expand-user-agent '{{a}}'", "variables of curl"),
        ("--request-target /other", "--request-target"),
        ("-H @headers.txt", "-H @"),
        ("-d a=1 -F a=b", "more than one method"),
        ("-d a=1 -I", "more than one method"),
    ],
)
def test_what_cannot_be_followed_is_said(options: str, said: str) -> None:
    assert any(said in one for one in read_curl(f"curl {URL} {options}").remarks)


@pytest.mark.parametrize("url", ["https://a.example/{b,c}", "https://a.example/[1-3]", "https://a.example/[a-z:2]"])
def test_a_url_of_which_curl_makes_several_is_said(url: str) -> None:
    assert "several URLs" in remark(f"curl {url}")
    assert read(f"curl -g {url}").url == url


@pytest.mark.parametrize(
    ("path", "sent"),
    [("/a/./b", "/a/b"), ("/a/../b", "/b"), ("/a/b/..", "/a/"), ("/a/.", "/a/"), ("/../a", "/a"), ("/a/...", "/a/...")],
)
def test_dots_are_taken_out_of_a_path_as_curl_does(path: str, sent: str) -> None:
    assert read_curl(f"curl 'https://a.example{path}?q=/../'").request.url == f"https://a.example{sent}?q=/../"
    assert read(f"curl --path-as-is https://a.example{path}").url == f"https://a.example{path}"


@pytest.mark.parametrize("option", ["-X", "-H", "-d", "--url", "--data-urlencode"])
def test_an_option_without_its_value_breaks_nothing(option: str) -> None:
    try:
        request = read(f"curl {URL} {option}")
    except ConfigurationError:
        assert option == "-H"
    else:
        assert (request.method, request.url, request.body) == ("POST" if "d" in option else "GET", URL, b"")


def test_data_makes_a_form_that_is_posted_and_several_are_joined() -> None:
    request = read(
        f"curl {URL} -d a=1 --data-raw @b --data-urlencode 'c=2 &3' --data-urlencode 'a b' --data-urlencode '=x y'"
    )

    assert (request.method, request.headers.pairs) == ("POST", (("Content-Type", FORM),))
    assert request.body == b"a=1&@b&c=2+%263&a+b&x+y"
    assert read(f"curl {URL} --data-urlencode 'a=b=c'").body == b"a=b%3Dc"
    assert unquote_plus("2+%263") == "2 &3"


@pytest.mark.parametrize(("options", "body"), [("-d ''", b""), ("-d '' -d a=1", b"a=1"), ("-d a=1 -d ''", b"a=1&")])
def test_empty_data_is_posted_as_well(options: str, body: bytes) -> None:
    assert read(f"curl {URL} {options}") == Request("POST", URL, Headers((("Content-Type", FORM),)), body)


@pytest.mark.parametrize("kind", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_a_content_type_that_is_given_stays_the_only_one(kind: str) -> None:
    assert read(f"curl {URL} -d x -H '{kind}: text/plain'").headers.pairs == ((kind, "text/plain"),)


def test_json_has_its_content_type() -> None:
    request = read(f"curl {URL} --json '{{}}'")

    assert (request.method, request.body, request.headers.pairs) == ("POST", b"{}", (("Content-Type", JSON),))
    assert read(f"curl {URL} --json '[1' --json ']'").body == b"[1]"


def test_headers_are_added_emptied_and_taken_away_as_curl_does() -> None:
    assert read(f"curl {URL} -d a=1 -H 'Content-Type:' -H 'X-Some;' -H 'B: '").headers.pairs == (("X-Some", ""),)


@pytest.mark.parametrize("option", ["-G", "--get", "-sG"])
def test_data_goes_into_the_query_where_it_is_asked_to(option: str) -> None:
    request = read(f"curl {option} {URL} -d a=1 -d b=2")

    assert request == Request("GET", f"{URL}&a=1&b=2")
    assert read("curl -G https://a.example/x -d a=1").url == "https://a.example/x?a=1"
    assert read("curl -G https://a.example/x").url == "https://a.example/x"


@pytest.mark.parametrize(
    ("query", "url"),
    [
        ("a=x y", f"{URL}&a=x+y"),
        ("+a=x%20y", f"{URL}&a=x%20y"),
        ("=x&y", f"{URL}&x%26y"),
        ("x", f"{URL}&x"),
        ("+", URL),
    ],
)
def test_a_query_is_added_to_the_url_encoded_or_as_it_is(query: str, url: str) -> None:
    assert read(f"curl {URL} --url-query '{query}'") == Request("GET", url)
    assert read("curl 'https://a.example/x?#y' --url-query a=1").url == "https://a.example/x?a=1#y"
    assert read("curl 'https://a.example/x?b&' --url-query a=1").url == "https://a.example/x?b&a=1"


FILES = ["-d @body", "--data @body", "--data-ascii @body", "--data-binary @body", "--json @body"]


@pytest.mark.parametrize("options", [*FILES, "--data-urlencode @body", "--data-urlencode a@body"])
def test_a_body_in_a_file_is_asked_for_and_is_then_what_is_sent(options: str) -> None:
    with pytest.raises(ConfigurationError, match="file"):
        _ = read_curl(f"curl {URL} {options}")
    reading = read_curl(f"curl {URL} {options}", body=b"a=\xff")
    assert (reading.request.method, reading.request.body) == ("POST", b"a=\xff")
    assert (reading.remarks, reading.body_is_known) == ((), True)


def test_text_that_begins_with_an_at_sign_is_no_file_where_curl_takes_it_as_it_is() -> None:
    assert read(f"curl {URL} --data-urlencode a=@b --data-urlencode =@c --data-raw @d").body == b"a=%40b&%40c&@d"
    assert read_curl(f"curl -G {URL} -d @file", body=b"a=1").request == Request("GET", f"{URL}&a=1")
    with pytest.raises(ConfigurationError, match="query from a file"):
        _ = read_curl(f"curl {URL} --url-query a@file")


def test_a_form_of_several_parts_is_posted_and_its_parts_are_not_read() -> None:
    for option in ("-F", "--form", "--form-string"):
        assert "not signed" in remark(f"curl {URL} {option} a=@photo.png")
        reading = read_curl(f"curl {option} a=b {URL}")
        assert reading.request == Request("POST", URL, Headers((("Content-Type", "multipart/form-data"),)))
        assert not reading.body_is_known
    assert read_curl(f"curl {URL} -F a=b", body=b"--x").request.body == b"--x"


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ("-F 'a=b c' --form d=e=f", [("a", "b c"), ("d", "e=f")]),
        ("-F a=@photo.png -F 'b=<text' -F c=d", [("c", "d")]),
        ("--form-string 'a=@b;c \"d\" '", [("a", '@b;c "d" ')]),
        ("-F 'a= b ;type=text/plain;x'", [("a", "b")]),
        (r"""-F 'a="b;\"c\\ \d"; type=x' -F 'e= "f" '""", [("a", r'b;"c\ \d'), ("e", "f")]),
        ("""-F $'a="b\\\\\n\\\n"'""", [("a", "b\\\n\\\n")]),
        ("""-F 'a="b" c' -F 'd="e'""", [("a", '"b" c'), ("d", '"e')]),
        ("-d a=b", []),
    ],
)
def test_the_fields_of_a_form_of_several_parts_are_read_without_its_files(
    options: str, fields: list[tuple[str, str]]
) -> None:
    assert read_curl(f"curl {URL} {options}").fields == tuple(fields)


def test_what_was_read_shows_no_value_of_a_form() -> None:
    for options in ("-F password=canary", "-d password=canary"):
        assert repr(read_curl(f"curl https://api.example/x?a=canary {options}")) == (
            "Reading(Request(POST https://api.example))"
        )


@pytest.mark.parametrize(
    ("url", "file", "sent"),
    [
        ("https://a.example/x", "f", "https://a.example/x"),
        ("https://a.example/x/", "dir/a b", "https://a.example/x/a%20b"),
        ("https://a.example", "f", "https://a.example/f"),
        ("https://a.example/x/?q=1", "f", "https://a.example/x/f?q=1"),
        ("https://a.example/x/", "-", "https://a.example/x/"),
    ],
)
def test_a_file_is_put_to_the_url_or_into_the_folder_that_it_names(url: str, file: str, sent: str) -> None:
    reading = read_curl(f"curl -T '{file}' {url}")

    assert reading.request == Request("PUT", sent)
    assert not reading.body_is_known
    assert "not read" in remark(f"curl -T '{file}' {url}")
    assert read_curl(f"curl -T '{file}' {url}", body=b"\x89PNG").request == Request("PUT", sent, body=b"\x89PNG")


def test_a_body_file_for_a_command_that_reads_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="holds its body itself"):
        _ = read_curl(f"curl {URL} -d a=1", body=b"a=2")


@pytest.mark.parametrize("command", ["curl", "curl -s", "curl ''", "curl --url"])
def test_a_command_without_a_url_says_so(command: str) -> None:
    with pytest.raises(ConfigurationError, match="URL"):
        _ = read(command)


words = (
    st.sampled_from(sorted(TAKE_A_VALUE | SWITCHES)).map("--{}".format)
    | st.sampled_from(sorted(LETTERS)).map("-{}".format)
    | texts
)
SIGNED = '-H \'Authorization: OAuth oauth_consumer_key="c", oauth_signature_method="HMAC-SHA1", oauth_signature="x"\''


@given(
    st.text(max_size=80)
    | texts.map("curl {}".format)
    | st.lists(words, max_size=6).map(lambda found: shlex.join(["curl", *found]))
    | st.lists(words | st.sampled_from(["'", '"', "$'", "\\\n", "^\n", '^"', ">", "|", "#"]), max_size=6).map(
        lambda found: f"curl {URL} {SIGNED} {' '.join(found)}"
    ),
    st.none() | st.binary(max_size=9),
)
def test_any_text_is_a_request_or_a_configuration_error(command: str, body: bytes | None) -> None:
    try:
        request = read_curl(command, body=body).request
        assert "://" in request.url
        found = diagnose(request, client_secret=Secret("s"))
    except ConfigurationError:
        return
    assert found.verdict in ("correct", "explained", "unexplained", "incomplete")


@pytest.mark.parametrize("option", ["--data", "--data-raw", "--data-urlencode", "--json"])
def test_octets_that_are_no_text_are_sent_as_they_are(option: str) -> None:
    body = read(f"curl {URL} -X POST {option} $'a=\\xff\\xc3\\xa9'").body

    assert body == (b"a=%FF%C3%A9" if option == "--data-urlencode" else b"a=\xff\xc3\xa9")


@pytest.mark.parametrize(
    "written", ["'a\ud800b'", "$'a\ud800b'", "$'a\\ud800b'", "$'\\x61\ud800\\x62'", "$'a\\355\\240\\200b'"]
)
def test_half_a_character_is_three_octets_however_it_is_quoted(written: str) -> None:
    assert read(f"curl {URL} -d {written}").body == b"a\xed\xa0\x80b"


def test_octets_that_are_no_text_stand_in_a_query_and_in_a_file_name() -> None:
    assert read(f"curl -G {URL} --data-urlencode $'a=\\xff'").url == f"{URL}&a=%FF"
    assert (
        read_curl("curl https://api.example/in/ -T $'\\xff b'", body=b"").request.url
        == "https://api.example/in/%FF%20b"
    )


@pytest.mark.parametrize(
    ("place", "said"),
    [("\ud800", "its URL is not UTF-8 text"), (" -H 'X: \ud800'", "outside latin-1"), (" -d \ud800", "")],
)
def test_half_a_character_is_refused_where_no_request_can_hold_it(place: str, said: str) -> None:
    if said:
        with pytest.raises(ConfigurationError, match=said):
            read_curl(f"curl {URL}{place}")
    else:
        assert read_curl(f"curl {URL}{place}").request.body == b"\xed\xa0\x80"


def test_curl_is_known_by_its_path_on_windows_too() -> None:
    assert read(f'"C:/tools/curl.exe" {URL}').url == URL
    assert read(f"'C:\\tools\\curl.exe' {URL}").url == URL


def test_what_stands_behind_two_hyphens_is_a_url() -> None:
    assert read_curl(f"curl -- -d {URL}").request.url == URL
    assert read_curl(f"curl -- -d {URL}").request.method == "GET"


def test_a_value_with_two_at_signs_or_equals_signs_is_parted_at_the_first() -> None:
    assert read(f"curl {URL} --data-urlencode a=b=c@d").body == b"a=b%3Dc%40d"


def test_dots_that_are_taken_out_of_a_path_are_said() -> None:
    assert "takes . and .. out of a path" in remark("curl https://api.example/a/../b?c=/../d")
    assert read_curl("curl https://api.example/a/../b?c=/../d").request.url == "https://api.example/b?c=/../d"


def test_a_second_question_mark_belongs_to_the_query() -> None:
    assert read("curl -G 'https://api.example/a?b=?' -d c=d").url == "https://api.example/a?b=?&c=d"


@pytest.mark.parametrize("option", ["data", "url", "header"])
def test_what_curl_puts_variables_into_is_read_as_it_stands(option: str) -> None:
    reading = read_curl(
        f"curl {URL if option != 'url' else ''} --expand-{option} {'A:b' if option == 'header' else URL}"
    )

    assert len(reading.remarks) == 1
    assert "variables of curl" in reading.remarks[0]
    if option == "data":
        assert reading.request.body == URL.encode()
    elif option == "header":
        assert reading.request.headers.pairs == (("A", "b"),)
    assert reading.request.url == URL


@pytest.mark.parametrize("option", ["-d a=1", "--data-raw a=1", "--data-urlencode a=1"])
def test_only_json_is_sent_as_json(option: str) -> None:
    assert read(f"curl {URL} {option}").headers.get("Content-Type") == FORM
    assert read(f"curl {URL} {option}").headers.get("Accept") is None


@pytest.mark.parametrize("letter", ["X", "q"])
def test_a_query_begins_at_a_question_mark_and_nowhere_else(letter: str) -> None:
    assert read(f"curl -G https://a.example/{letter}/y -d a=1").url == f"https://a.example/{letter}/y?a=1"
    found = read_curl(f"curl https://a.example/{letter}/ -T file", body=b"").request
    assert found.url == f"https://a.example/{letter}/file"


def test_a_file_goes_where_curl_puts_it() -> None:
    def url(command: str) -> str:
        return read_curl(f"curl {command}", body=b"").request.url

    assert url("https://a.example/in/ -T .") == "https://a.example/in/"
    assert url("https://a.example/in/ -T -") == "https://a.example/in/"
    assert url("https://a.example/in/ -T X.X") == "https://a.example/in/X.X"
    assert url("https://a.example/to/http://b -T file") == "https://a.example/to/http://b"
    assert url("https://a.example -T file") == "https://a.example/file"


def test_a_path_may_hold_another_address() -> None:
    reading = read_curl("curl https://a.example/to/http://b/../c")

    assert reading.request.url == "https://a.example/to/http://c"


def test_a_query_that_goes_with_a_file_asks_for_one_method() -> None:
    reading = read_curl("curl -G https://a.example/in -d a=1 -T file", body=b"x")

    assert (reading.request.method, reading.request.url, reading.request.body) == (
        "PUT",
        "https://a.example/in?a=1",
        b"x",
    )
    assert reading.remarks == ()


def test_a_command_that_curl_refuses_is_read_as_far_as_it_can_be() -> None:
    reading = read_curl(f"curl -I {URL} -d a=1")

    assert (reading.request.method, reading.request.body) == ("HEAD", b"a=1")
    assert reading.remarks == ("curl itself refuses such a command: it asks for more than one method",)
