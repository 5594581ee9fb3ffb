"""RSA signatures that were made otherwise than the request says, and what they say of themselves."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth1.cast import key_pair
from tests.oauth1.doctor.careless import OAUTH, Signer, enc, examine, names

from valetkey.errors import ConfigurationError
from valetkey.oauth1.doctor.diagnose import Question
from valetkey.oauth1.doctor.rsa import RsaKey, open_signature, read_rsa_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from valetkey.oauth1.doctor.diagnose import Diagnosis

SHA1, SHA256, SHA384, SHA512 = hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()


@cache
def private_key(bits: int = 0) -> rsa.RSAPrivateKey:
    if bits:
        return rsa.generate_private_key(65537, bits)
    key = serialization.load_pem_private_key(key_pair()[0].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def pss(digest: HashAlgorithm, salt: int, mask: HashAlgorithm | None = None) -> padding.PSS:
    return padding.PSS(padding.MGF1(mask or digest), salt)


def made(
    method: str, digest: HashAlgorithm | Prehashed, scheme: AsymmetricPadding | None = None, *, base: str | None = None
) -> tuple[Signer, bytes]:
    signer = Signer(oauth={**OAUTH, "oauth_signature_method": method})
    octets = (signer.base_string() if base is None else base).encode()
    if isinstance(digest, Prehashed):
        octets = digest_of(octets)
    return signer, private_key().sign(octets, scheme or padding.PKCS1v15(), digest)


def digest_of(octets: bytes) -> bytes:
    made_ = hashes.Hash(SHA256)
    made_.update(octets)
    return made_.finalize()


def base64(octets: bytes) -> str:
    return b64encode(octets).decode()


def loose(octets: bytes) -> str:
    """With a bit behind the end, where only zeros belong."""
    text, letters = base64(octets), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-3] + letters[letters.index(text[-3]) + 1] + "=="


def looked_at(signer: Signer, octets: bytes, write: Callable[[bytes], str] = base64, key: str = "") -> Diagnosis:
    signer.text = lambda _: write(octets)
    return examine(signer.request(), client_secret=None, question=Question(public_key=key or key_pair()[1]))


RIGHT = {"RSA-SHA1": SHA1, "RSA-SHA256": SHA256, "RSA-SHA512": SHA512}


@pytest.mark.parametrize(
    ("method", "digest", "scheme", "found"),
    [
        ("RSA-SHA256", SHA1, None, "other_hash:SHA-1"),
        ("RSA-SHA1", SHA256, None, "other_hash:SHA-256"),
        ("RSA-SHA512", SHA384, None, "other_hash:SHA-384"),
        ("RSA-SHA256", SHA256, pss(SHA256, 32), "other_padding:PSS"),
        ("RSA-SHA1", SHA256, pss(SHA256, 32), "other_padding:PSS and other_hash:SHA-256"),
        ("RSA-PSS", SHA256, padding.PKCS1v15(), "other_padding:PKCS #1 v1.5"),
        ("RSA-PSS", SHA256, pss(SHA256, 222), "other_salt:222"),
        ("RSA-PSS", SHA256, pss(SHA256, 0), "other_salt:0"),
        ("RSA-PSS", SHA256, pss(SHA256, 32, SHA1), "other_mask_hash:SHA-1"),
        ("RSA-PSS", SHA512, pss(SHA512, 32), "other_hash:SHA-512 and other_mask_hash:SHA-512"),
        ("RSA-PSS", SHA1, pss(SHA1, 20), "other_hash:SHA-1 and other_mask_hash:SHA-1 and other_salt:20"),
    ],
)
def test_another_hash_padding_or_salt_is_found_and_named(
    method: str, digest: HashAlgorithm, scheme: AsymmetricPadding | None, found: str
) -> None:
    diagnosis = looked_at(*made(method, digest, scheme))

    assert (diagnosis.verdict, names(diagnosis), diagnosis.request_is_correct) == ("explained", [found], False)
    assert diagnosis.tried == 1, "it explains everything: no mistake in the base string is looked for"
    for mistake in diagnosis.findings[0]:
        assert mistake.says.startswith("the signature was ")
        assert "None" not in mistake.says
        assert (mistake.section, mistake.change(diagnosis.parts.making)) == ("3.4.3", diagnosis.parts.making)


def test_a_hash_that_stands_without_its_name_is_found() -> None:
    signer = Signer(oauth={**OAUTH, "oauth_signature_method": "RSA-SHA256"})
    digest = digest_of(signer.base_string().encode())
    numbers = private_key().private_numbers()
    size = numbers.public_numbers.n.bit_length() // 8
    block = b"\0\1" + b"\xff" * (size - 3 - len(digest)) + b"\0" + digest
    octets = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(size, "big")

    assert names(looked_at(signer, octets)) == ["no_digest_info"]


@pytest.mark.parametrize(
    ("write", "found"),
    [
        (bytes.hex, "output_hex"),
        (lambda octets: base64(octets.hex().encode()), "output_base64_of_hex"),
        (lambda octets: base64(octets).rstrip("="), "output_unpadded"),
        (lambda octets: urlsafe_b64encode(octets).decode(), "output_base64url"),
        (lambda octets: urlsafe_b64encode(octets).decode().rstrip("="), "output_base64url_unpadded"),
        (lambda octets: base64(octets.hex().encode()).rstrip("="), "output_unpadded and output_base64_of_hex"),
        (lambda octets: loose(octets).rstrip("="), "output_unpadded and output_loose"),
        (lambda octets: enc(base64(octets)), "signature_encoded_twice"),
        (lambda octets: base64(octets).replace("+", " "), "signature_plus_lost"),
    ],
)
def test_octets_that_were_written_otherwise_are_found(write: Callable[[bytes], str], found: str) -> None:
    signer, octets = made("RSA-SHA256", SHA256)

    diagnosis = looked_at(signer, octets, write)

    assert (diagnosis.verdict, names(diagnosis)) == ("explained", [found])


def test_another_hash_and_another_writing_are_found_together() -> None:
    signer, octets = made("RSA-SHA256", SHA1)

    assert names(looked_at(signer, octets, lambda one: urlsafe_b64encode(one).decode())) == [
        "output_base64url and other_hash:SHA-1"
    ]


@pytest.mark.parametrize("changed", [Signer(query=[]), Signer(base_uri="http://api.example.com/v1/Things/", form=[])])
def test_a_signature_of_another_base_string_is_found_by_any_hash(changed: Signer) -> None:
    changed.oauth = {**OAUTH, "oauth_signature_method": "RSA-SHA256"}
    expected = "query_left_out" if not changed.query else "form_left_out and scheme"

    for digest, more in ((SHA256, ""), (SHA1, " and other_hash:SHA-1")):
        diagnosis = looked_at(*made("RSA-SHA256", digest, base=changed.base_string()))
        assert names(diagnosis) == [expected + more]


@pytest.mark.parametrize("method", ["RSA-SHA1", "RSA-SHA256", "RSA-SHA512", "RSA-PSS"])
def test_a_right_signature_is_called_correct(method: str) -> None:
    diagnosis = looked_at(*made(method, RIGHT.get(method, SHA256), None if method in RIGHT else pss(SHA256, 32)))

    assert (diagnosis.verdict, diagnosis.request_is_correct, diagnosis.remarks) == ("correct", True, ())


def test_a_key_that_the_method_has_no_use_for_is_not_looked_at() -> None:
    diagnosis = examine(Signer().request(), question=Question(public_key=key_pair()[1]))

    assert (diagnosis.verdict, diagnosis.request_is_correct) == ("correct", True)


def test_what_cannot_be_explained_is_told_from_the_key() -> None:
    signer, octets = made("RSA-SHA256", SHA256, base="something else")
    other = private_key(2048 + 8).public_key()
    public = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    mine = looked_at(signer, octets)
    salted = looked_at(*made("RSA-PSS", SHA256, pss(SHA256, 32), base="something else"))
    broken = looked_at(signer, octets[:-1] + bytes([octets[-1] ^ 1]))
    longer = looked_at(signer, octets, key=public)
    short = looked_at(signer, bytes(20))
    no_text = looked_at(signer, octets, lambda _: "x")

    assert {one.verdict for one in (mine, salted, broken, longer, short, no_text)} == {"unexplained"}
    assert "this key made the signature (PKCS #1 v1.5 with SHA-256)" in mine.remarks[-1]
    assert "this key made the signature (PSS with SHA-256)" in salted.remarks[-1]
    assert "this key did not make the signature" in broken.remarks[-1]
    assert "has 256 octets, this key's have 257" in longer.remarks[-1]
    assert "has 20 octets, this key's have 256" in short.remarks[-1]
    assert "has 0 octets" in no_text.remarks[-1]


def test_without_a_key_it_is_said_what_to_give() -> None:
    signer, octets = made("RSA-SHA256", SHA256)
    signer.text = lambda _: base64(octets)

    diagnosis = examine(signer.request(), client_secret=None)

    assert diagnosis.verdict == "incomplete"
    assert diagnosis.remarks[-1].endswith("give it, its certificate or its private key")


def certificate() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    today = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, private_key().public_key(), 1, today, today + timedelta(1))
    return built.sign(private_key(), SHA256).public_bytes(serialization.Encoding.PEM).decode()


def test_the_key_may_come_as_a_public_key_a_certificate_or_the_private_key() -> None:
    numbers = private_key().public_key().public_numbers()
    old = private_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )

    for pem in (key_pair()[1], certificate(), key_pair()[0], old.decode()):
        assert read_rsa_key(pem) == RsaKey(numbers.n, numbers.e)
    assert "PRIVATE" not in repr(Question(public_key=key_pair()[0]))


def test_a_key_that_cannot_be_read_is_refused_with_what_to_do() -> None:
    encrypted = private_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    elliptic = curve.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(ConfigurationError, match="openssl pkey -pubout"):
        _ = read_rsa_key(encrypted.decode())
    for pem in (elliptic.decode(), "", "x", "\udcff", certificate().replace("MII", "XII")):
        with pytest.raises(ConfigurationError, match="no RSA key in PEM form"):
            _ = read_rsa_key(pem)


def key_of(bits: int) -> rsa.RSAPrivateKey:
    """A key of exactly so many bits: OpenSSL makes even ones only, so an odd one gets primes of two lengths."""
    if bits % 2 == 0:
        return private_key(bits)
    while True:
        longer = rsa.generate_private_key(65537, bits + 1).private_numbers()
        shorter = rsa.generate_private_key(65537, bits - 1).private_numbers()
        p, q = longer.p, shorter.p
        if (p * q).bit_length() == bits:
            d = pow(65537, -1, (p - 1) * (q - 1))
            exponents = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
            return rsa.RSAPrivateNumbers(p, q, d, *exponents, rsa.RSAPublicNumbers(65537, p * q)).private_key()


@pytest.mark.parametrize("bits", [1024, 1025, 1026, 1031])
def test_a_signature_by_a_key_of_any_length_opens_to_what_openssl_made(bits: int) -> None:
    key = key_of(bits)
    numbers = key.public_key().public_numbers()
    opener = RsaKey(numbers.n, numbers.e)

    for digest, name in ((SHA1, "SHA-1"), (SHA256, "SHA-256"), (SHA384, "SHA-384")):
        for salt in (0, 20, 32):
            salted = open_signature(opener, base64(key.sign(b"base", pss(digest, salt), digest)))
            fitting = [one for one in salted if one.is_of("base")]
            assert [(one.hash_name, one.mask, len(one.salt), one.is_certain) for one in fitting] == [
                (name, name, salt, True)
            ]
        plain = open_signature(opener, base64(key.sign(b"base", padding.PKCS1v15(), digest)))
        assert [(one.hash_name, one.is_of("base"), one.is_of("other")) for one in plain] == [(name, True, False)]


def test_a_signature_has_one_number_and_one_length() -> None:
    """RFC 8017 sections 5.2.2 and 8.2.2: not the same number beyond the modulus, and no octet more."""
    key = key_of(1031)
    numbers = key.public_key().public_numbers()
    opener = RsaKey(numbers.n, numbers.e)
    signature = key.sign(b"base", padding.PKCS1v15(), SHA256)
    beyond = (int.from_bytes(signature, "big") + numbers.n).to_bytes(opener.octets, "big")

    assert len(open_signature(opener, base64(signature))) == 1
    assert open_signature(opener, base64(beyond)) == ()
    assert open_signature(opener, base64(b"\0" + signature)) == ()
    assert open_signature(opener, base64(signature[1:])) == ()


OPEN = RsaKey((1 << 8 * 62) - 1, 1)
"""A number to the power of 1 is itself: what is signed by this key lies open."""
INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017 section 9.2: SHA-256
BASE = digest_of(b"base")


def opened_block(block: bytes) -> list[tuple[str, str, bool]]:
    assert len(block) == 62
    return [(one.padding, one.hash_name, one.bare) for one in open_signature(OPEN, base64(block))]


def test_the_shortest_padding_has_eight_octets() -> None:
    """RFC 8017 section 9.2."""
    assert opened_block(b"\0\1" + b"\xff" * 8 + b"\0" + INFO + BASE) == [("PKCS #1 v1.5", "SHA-256", False)]
    assert opened_block(b"\0\1" + b"\xff" * 27 + b"\0" + BASE) == [("PKCS #1 v1.5", "SHA-256", True)]


@pytest.mark.parametrize(
    "block",
    [
        b"\0\1" + b"\xff" * 7 + b"\0\0" + INFO + BASE,
        b"\0\1" + b"\xff" * 7 + b"\0" + INFO + BASE + b"\0",
        b"\0\2" + b"\xff" * 8 + b"\0" + INFO + BASE,
        b"\1\1" + b"\xff" * 8 + b"\0" + INFO + BASE,
        b"\0\1" + b"\xff" * 4 + b"\xfe" + b"\xff" * 3 + b"\0" + INFO + BASE,
        b"\0\1" + b"\xff" * 26 + b"X" + b"\0" + BASE,
        b"\0\1" + b"\xff" * 7 + b"\0" + BASE + bytes(20),
        b"\0\1" + b"\xff" * 9 + b"\0" + INFO + BASE[1:],
        b"\0\1" + b"\xff" * 8 + b"\0" + INFO[:-1] + b"\x21" + BASE,
        bytes(62),
    ],
)
def test_a_block_that_is_padded_otherwise_is_none(block: bytes) -> None:
    assert opened_block(block) == []


@pytest.mark.parametrize("octets", [1, 2, 20, 21, 33, 64, 65, 66])
def test_a_key_that_is_too_short_for_a_hash_opens_nothing_by_it(octets: int) -> None:
    """RFC 8017 section 9.1.2 step 3."""
    found = open_signature(RsaKey((1 << 8 * octets) - 1, 1), base64(b"\xbc".rjust(octets, b"\1")))

    assert all(len(one.digest) + 2 <= octets for one in found)


def masked_block(octets: int, opened: bytes) -> bytes:
    """RFC 8017 section 9.1.1 with SHA-256, for a modulus of whole octets; opened: what stands before the hash."""
    assert len(opened) == octets - 33
    mask = b"".join(digest_of(BASE + number.to_bytes(4, "big")) for number in range(octets // 32 + 1))
    masked = bytes(a ^ b for a, b in zip(opened, mask, strict=False))
    return bytes([masked[0] & 0x7F]) + masked[1:] + BASE + b"\xbc"


@pytest.mark.parametrize(("zeros", "is_certain"), [(7, False), (8, True), (9, True)])
def test_a_signature_that_opens_by_chance_is_told_from_one_that_cannot(zeros: int, *, is_certain: bool) -> None:
    """RFC 8017 section 9.1.1: many zeros stand before a salt; where there are few, anything may look like one."""
    salt = b"s" * (28 - zeros)

    found = open_signature(OPEN, base64(masked_block(62, bytes(zeros) + b"\1" + salt)))

    fitting = [one for one in found if one.hash_name == one.mask == "SHA-256"]
    assert [(one.padding, one.digest, one.salt, one.is_certain) for one in fitting] == [("PSS", BASE, salt, is_certain)]


@pytest.mark.parametrize("before", [b"\2", b"X\1", b"\1X"])
def test_what_stands_before_a_salt_is_zeros_and_a_one(before: bytes) -> None:
    opened = bytes(12) + before + b"s" * (17 - len(before))

    found = open_signature(OPEN, base64(masked_block(62, opened)))

    fitting = [one.salt for one in found if one.hash_name == one.mask == "SHA-256"]
    assert fitting == ([b"X" + b"s" * 15] if before == b"\1X" else [])


@pytest.mark.parametrize(("zeros", "said"), [(7, "did not make"), (8, "this key made the signature")])
def test_what_may_be_chance_is_no_word_of_whose_key_it_was(zeros: int, said: str) -> None:
    numbers = private_key().private_numbers()
    block = masked_block(256, bytes(zeros) + b"\1" + b"s" * (222 - zeros))
    octets = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")

    diagnosis = looked_at(Signer(oauth={**OAUTH, "oauth_signature_method": "RSA-PSS"}), octets)

    assert (diagnosis.verdict, said in diagnosis.remarks[-1]) == ("unexplained", True)


@given(st.text(max_size=400) | st.binary(min_size=256, max_size=256).map(base64))
def test_any_text_opens_or_does_not(text: str) -> None:
    numbers = private_key().public_key().public_numbers()

    assert not [one for one in open_signature(RsaKey(numbers.n, numbers.e), text) if one.is_of("")]


def test_base64_with_bits_behind_its_end_is_not_called_correct() -> None:
    signer, octets = made("RSA-SHA256", SHA256)

    assert names(looked_at(signer, octets, loose)) == ["output_loose"]


@pytest.mark.parametrize("other", ["!", "\u00e9", "="])
def test_a_character_that_is_none_of_base64_is_not_passed_over(other: str) -> None:
    signer, octets = made("RSA-SHA256", SHA256)

    diagnosis = looked_at(signer, octets, lambda one: base64(one)[:8] + other + base64(one)[8:])

    assert (diagnosis.verdict, "has 0 octets" in diagnosis.remarks[-1]) == ("unexplained", True)


def test_a_hash_without_its_name_that_is_written_otherwise_is_both() -> None:
    block = b"\0\1" + b"\xff" * 27 + b"\0" + BASE

    (found,) = open_signature(OPEN, urlsafe_b64encode(block).decode())

    assert [mistake.name for mistake in found.mistakes_against("RSA-SHA256")] == ["output_base64url", "no_digest_info"]
