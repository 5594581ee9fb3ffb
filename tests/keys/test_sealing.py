"""Sealed values open with their key, in their place, as they were written, and in no other way."""

from __future__ import annotations

import os

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from valetkey.effects import Place
from valetkey.errors import KeyUnavailable, SealBroken
from valetkey.http import base64url, base64url_decode
from valetkey.keys import aead
from valetkey.keys.local import LocalKeyRing

KEY = bytes(range(100, 132))[::-1]
OTHER = bytes((number * 37 + 11) % 256 for number in range(32))
RING = LocalKeyRing([("2026-11", OTHER)], random=os.urandom)
PLACE = Place("connection", ("default", "ab" * 32, "github", "i1", "3"))

texts = st.text(st.characters(), max_size=20)  # unpaired surrogates too: nothing here may raise
places = st.builds(
    Place, st.sampled_from(["connection", "flow", "done", "claim", "link", "rescue"]), st.tuples(texts, texts)
)
wide_places = st.builds(Place, texts, st.lists(texts, max_size=5).map(tuple))


@given(wide_places, st.binary(max_size=2_000))
def test_what_is_sealed_opens_in_its_place(place: Place, plaintext: bytes) -> None:
    assert RING.open(place, RING.seal(place, plaintext)) == plaintext


@given(wide_places, wide_places, st.binary(max_size=100))
def test_it_opens_in_no_other_place(place: Place, other: Place, plaintext: bytes) -> None:
    assume(place != other)

    with pytest.raises(SealBroken):
        RING.open(other, RING.seal(place, plaintext))


@given(st.lists(texts, min_size=2, max_size=5), st.data())
def test_moving_the_boundary_between_two_fields_is_another_place(fields: list[str], data: st.DataObject) -> None:
    whole = "".join(fields)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=len(fields) - 1, max_size=len(fields) - 1)))
    moved = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assume(moved != fields)

    with pytest.raises(SealBroken):
        RING.open(Place("flow", tuple(moved)), RING.seal(Place("flow", tuple(fields)), b"x"))


@pytest.mark.parametrize(
    "other",
    [
        Place("flow", PLACE.fields),
        Place("connection", PLACE.fields[::-1]),
        Place("connection", (*PLACE.fields, "")),
        Place("connection", PLACE.fields[:-1]),
        Place("connection", (*PLACE.fields[:-1], "4")),
        Place("connection", ("production", *PLACE.fields[1:])),
        Place("connection", ("".join(PLACE.fields),)),
        Place("connection", ()),
        Place("connection", ("caf\u00e9",)),
    ],
)
def test_a_row_moved_to_another_owner_provider_environment_or_generation_does_not_open(other: Place) -> None:
    with pytest.raises(SealBroken):
        RING.open(other, RING.seal(PLACE, b"token"))


def test_two_spellings_of_one_letter_are_two_places() -> None:
    sealed = RING.seal(Place("flow", ("caf\u00e9",)), b"x")

    with pytest.raises(SealBroken):
        RING.open(Place("flow", ("cafe\u0301",)), sealed)


@settings(deadline=None)
@given(st.binary(max_size=60), st.data())
def test_any_flipped_bit_of_what_is_inside_breaks_the_seal(plaintext: bytes, data: st.DataObject) -> None:
    head, _, encoded = RING.seal(PLACE, plaintext).decode().rpartition(".")
    payload = bytearray(base64url_decode(encoded))
    bit = data.draw(st.integers(0, len(payload) * 8 - 1))
    payload[bit // 8] ^= 1 << bit % 8

    with pytest.raises(SealBroken):
        RING.open(PLACE, f"{head}.{base64url(bytes(payload))}".encode())


@given(st.binary(max_size=60), st.data())
def test_any_changed_octet_of_the_text_fails(plaintext: bytes, data: st.DataObject) -> None:
    sealed = bytearray(RING.seal(PLACE, plaintext))
    index = data.draw(st.integers(0, len(sealed) - 1))
    sealed[index] ^= data.draw(st.integers(1, 255))

    with pytest.raises((SealBroken, KeyUnavailable)):
        RING.open(PLACE, bytes(sealed))


@pytest.mark.parametrize("cut", [1, 4, 15, 16, 17, 40])
def test_a_truncated_tag_breaks_the_seal(cut: int) -> None:
    head, _, encoded = RING.seal(PLACE, b"some words").decode().rpartition(".")
    shorter = base64url(base64url_decode(encoded)[:-cut])

    with pytest.raises(SealBroken):
        RING.open(PLACE, f"{head}.{shorter}".encode())


def test_another_spelling_of_the_same_octets_breaks_the_seal() -> None:
    sealed = RING.seal(PLACE, b"fives")  # 49 octets: the last character carries unused bits
    head, _, encoded = sealed.decode().rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(encoded) % 4
    spellings = [
        encoded + "=" * (-len(encoded) % 4),
        encoded[:-1] + alphabet[alphabet.index(encoded[-1]) ^ 1],
        encoded[:10] + "\n" + encoded[10:],
        encoded + " ",
        encoded + "!",
    ]

    for spelling in spellings:
        with pytest.raises(SealBroken):
            RING.open(PLACE, f"{head}.{spelling}".encode())


@pytest.mark.parametrize(
    "sealed",
    [
        b"",
        b"token-in-the-clear",
        b"vk1",
        b"vk1..AAAA",
        b"vk1.2026-11.",
        b"vk1.2026-11.AAAA",
        b"vk0.2026-11." + b"A" * 64,
        b"vk2.2026-11." + b"A" * 64,
        b"VK1.2026-11." + b"A" * 64,
        b"vk1.2026_11." + b"A" * 64,
        b"vk1.UPPER." + b"A" * 64,
        b"vk1." + b"k" * 33 + b"." + b"A" * 64,
        b"vk1.2026-11." + b"A" * 64 + b".more",
        b"\xff\xfe",
        b"vk1.2026-11." + b"A" * 70_000,
    ],
)
def test_what_is_not_in_the_form_is_refused(sealed: bytes) -> None:
    with pytest.raises(SealBroken):
        RING.open(PLACE, sealed)


@given(st.binary(max_size=200))
def test_whatever_comes_from_outside_is_refused_and_nothing_else(sealed: bytes) -> None:
    with pytest.raises((SealBroken, KeyUnavailable)):
        RING.open(PLACE, sealed)
    with pytest.raises((SealBroken, KeyUnavailable)):
        RING.open(PLACE, b"vk1.2026-11." + base64url(sealed).encode())


def test_a_key_that_is_not_in_the_ring_is_named() -> None:
    sealed = LocalKeyRing([("retired", KEY)], random=os.urandom).seal(PLACE, b"x")

    with pytest.raises(KeyUnavailable, match=r"'retired' .* add it back") as caught:
        RING.open(PLACE, sealed)

    assert caught.value.key_id == "retired"


def test_a_sealed_value_that_names_another_key_of_the_ring_does_not_open() -> None:
    ring = LocalKeyRing([("new", KEY), ("old", OTHER)], random=os.urandom)
    sealed = ring.seal(PLACE, b"x")

    with pytest.raises(SealBroken):
        ring.open(PLACE, sealed.replace(b"vk1.new.", b"vk1.old."))


def test_one_key_under_another_name_does_not_open_it() -> None:
    sealed = RING.seal(PLACE, b"x").replace(b"vk1.2026-11.", b"vk1.renamed.")

    with pytest.raises(SealBroken):
        LocalKeyRing([("renamed", OTHER)], random=os.urandom).open(PLACE, sealed)


def test_a_commitment_to_another_key_is_refused_before_anything_is_decrypted() -> None:
    """GCM does not commit to its key: a ciphertext that opens under two keys must be refused under one of them."""
    payload = base64url_decode(RING.seal(PLACE, b"x").decode().rpartition(".")[2])
    foreign = base64url_decode(
        LocalKeyRing([("a", KEY)], random=os.urandom).seal(PLACE, b"x").decode().rpartition(".")[2]
    )
    forged = base64url(foreign[: aead.COMMITMENT_OCTETS] + payload[aead.COMMITMENT_OCTETS :])

    with pytest.raises(SealBroken):
        RING.open(PLACE, f"vk1.2026-11.{forged}".encode())


def test_the_nonce_is_drawn_anew_for_each_seal() -> None:
    asked: list[int] = []

    def random(octets: int) -> bytes:
        asked.append(octets)
        return os.urandom(octets)

    ring = LocalKeyRing([("a", KEY)], random=random)

    assert len({ring.seal(PLACE, b"same") for _ in range(50)}) == 50
    assert asked == [12] * 50


def test_a_known_value_is_sealed_to_known_octets() -> None:
    """Whoever changes the format breaks what is stored: computed apart from the code, with openssl's own HKDF."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256, Hash
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    place, nonce = Place("flow", ("github", "f\u00e9")), bytes(range(12))
    salt = Hash(SHA256())
    salt.update(b"\0\0\0\x06github\0\0\0\x03f\xc3\xa9")
    derived = HKDF(SHA256(), 48, salt.finalize(), b"valetkey/1/flow").derive(KEY)
    associated = b"\0\0\0\x03vk1\0\0\0\x01a\0\0\0\x04flow\0\0\0\x06github\0\0\0\x03f\xc3\xa9"
    ciphertext = AESGCM(derived[:32]).encrypt(nonce, b"hello", associated)

    sealed = LocalKeyRing([("a", KEY)], random=lambda _: nonce).seal(place, b"hello")

    assert sealed == b"vk1.a." + base64url(derived[32:] + nonce + ciphertext).encode()


def test_a_value_from_an_earlier_version_still_opens() -> None:
    sealed = b"vk1.a.dRS7eXhAadnlPuBC5PvsFwABAgMEBQYHCAkKCzmhdkRdU02MGLk35vt24ZpOKPD5IA"

    assert LocalKeyRing([("a", KEY)], random=os.urandom).open(Place("flow", ("github", "f\u00e9")), sealed) == b"hello"


def test_the_biggest_plaintext_is_sealed_and_one_octet_more_is_refused() -> None:
    ring = LocalKeyRing([("k" * 32, KEY)], random=os.urandom)
    biggest = bytes(aead.MAX_PLAINTEXT_OCTETS)

    sealed = ring.seal(PLACE, biggest)

    assert len(sealed) <= aead.MAX_SEALED_OCTETS
    assert ring.open(PLACE, sealed) == biggest
    with pytest.raises(ValueError, match="fewer or shorter"):
        ring.seal(PLACE, biggest + b"x")


def test_a_generator_that_gives_too_few_octets_seals_nothing() -> None:
    with pytest.raises(ValueError, match="nonce"):
        LocalKeyRing([("a", KEY)], random=lambda octets: bytes(octets - 1)).seal(PLACE, b"x")


@given(places, st.binary(min_size=4, max_size=50))
def test_no_error_holds_what_was_sealed_or_where(place: Place, plaintext: bytes) -> None:
    sealed = RING.seal(Place(place.purpose, ("canary-field",)), b"canary-plaintext" + plaintext)

    with pytest.raises(SealBroken) as caught:
        RING.open(place, sealed)

    assert "canary" not in str(caught.value)
    assert sealed.decode() not in str(caught.value)
    assert caught.value.__cause__ is None
