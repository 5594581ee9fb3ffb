"""The key ring that an operator writes down: `key id:key` pairs, the first of which seals.

    VALETKEY_KEY=2026-11:q83v...,2026-05:mN0x...        or    VALETKEY_KEY=file:/run/secrets/valetkey

Rotation takes three steps, since running instances cannot open what newer ones seal: add the new key last everywhere
(it only opens), then put it first (it seals), then remove the old one after everything sealed by it has lapsed or was
sealed again. The one rule: no message, repr or pickle of this module holds a key.
Not here: keys that a key service wraps (`envelope`), and rings that have both (`open`).
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError, KeyUnavailable
from valetkey.http import base64url, base64url_decode
from valetkey.keys import aead
from valetkey.secret import constant_time_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from valetkey.effects import Place

SAMPLE_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"  # the one that stands in the documentation
MAX_KEYS = 32
MAX_KEY_FILE_OCTETS = 65_536
FILE = "file:"
ADVICE = "write `key id:key` pairs separated by commas or lines; `valetkey keys generate` makes a new one"


class LocalKeyRing:
    """Seals with the first key, opens with the one that the sealed value names."""

    def __init__(self, keys: Iterable[tuple[str, bytes]], *, random: Callable[[int], bytes]) -> None:
        """keys: pairs of id and 32 octets, the sealing one first. random: the system's generator, for nonces."""
        pairs = tuple(keys)
        problems = problems_of(pairs)
        if problems:
            raise ConfigurationError(problems)
        self._keys = dict(pairs)
        self._random = random
        self.key_ids = tuple(self._keys)

    @classmethod
    def from_text(cls, text: str, *, random: Callable[[int], bytes], source: str = "VALETKEY_KEY") -> LocalKeyRing:
        """The ring written in the text, or in the file that `file:/path` names. Raises ConfigurationError."""
        text, source = text_of(text, source=source)
        pairs, problems = _read_pairs(text)
        problems += problems_of(pairs) if pairs or not problems else ()
        if problems:
            raise ConfigurationError([f"{source}: {problem}" for problem in problems])
        return cls(pairs, random=random)

    def seal(self, place: Place, plaintext: bytes) -> bytes:
        """The plaintext sealed for that place by the first key."""
        key_id = self.key_ids[0]
        nonce = self._random(aead.NONCE_OCTETS)
        return aead.seal(self._keys[key_id], place, key_id=key_id, plaintext=plaintext, nonce=nonce)

    def derive(self, place: Place) -> bytes:
        """32 octets from the first key, for that place alone."""
        return aead.derive(self._keys[self.key_ids[0]], place)

    def open(self, place: Place, sealed: bytes) -> bytes:
        """The plaintext. Raises KeyUnavailable where the key is not in the ring, SealBroken otherwise."""
        key_id = aead.key_id_of(sealed)
        key = self._keys.get(key_id)
        if key is None:
            raise KeyUnavailable(key_id)
        return aead.open_sealed(key, place, sealed=sealed)

    def __repr__(self) -> str:
        return f"LocalKeyRing({', '.join(self.key_ids)})"

    def __reduce__(self) -> str:
        message = "a key ring is not pickled: make it anew from its configuration"
        raise TypeError(message)


def generate_key(random: Callable[[int], bytes], *, key_id: str = "") -> str:
    """A line `key id:key` for the configuration; an id is made up where none is given."""
    key_id = key_id or f"k-{random(4).hex()}"
    if not aead.is_key_id(key_id) or key_id == "file":
        message = "a key id is 1 to 32 of a-z, 0-9 and the hyphen, and is not `file`"
        raise ConfigurationError(message)
    return f"{key_id}:{base64url(random(aead.KEY_OCTETS))}"


def text_of(text: str, *, source: str) -> tuple[str, str]:
    """The ring's text and how problems name where it stands; `file:/path` is read."""
    if not text.startswith(FILE):
        return text, source
    source = text.strip()
    return _read_key_file(source.removeprefix(FILE)), source


def _read_key_file(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123 - pathlib costs a cold start more than it gives
            return file.read(MAX_KEY_FILE_OCTETS)
    except OSError as error:
        message = f"{FILE}{path}: cannot be read ({error.strerror}): check the path and its permissions"
    except ValueError:  # what is not ASCII, and holds it; or a path that is none
        message = f"{FILE}{path}: is not text: {ADVICE}"
    raise ConfigurationError(message)


def entries_of(text: str) -> list[str]:
    """The entries of a ring's text, separated by commas or lines. Lines after # are comments."""
    return [
        entry.strip()
        for line in text.splitlines()
        if not line.strip().startswith("#")
        for entry in line.split(",")
        if entry.strip()
    ]


def read_local_entry(entry: str, number: int) -> tuple[str, bytes] | str:
    """Key id and octets, or the sentence that says why the entry is no local key."""
    key_id, colon, encoded = entry.partition(":")
    if not colon or not aead.is_key_id(key_id.strip()) or key_id.strip() == "file":
        # An entry without a proper id may be a bare key: it is named by its number only.
        return f"key {number} has no key id of 1 to 32 of a-z, 0-9 and the hyphen in front: {ADVICE}"
    octets = _decode_key(encoded.strip())
    if octets is None:
        return f"key {number} ({key_id.strip()}) is not base64 of {aead.KEY_OCTETS} octets: {ADVICE}"
    return key_id.strip(), octets


def _read_pairs(text: str) -> tuple[list[tuple[str, bytes]], list[str]]:
    """Pairs of key id and octets, and a sentence for each entry that is not one."""
    found = [read_local_entry(entry, number) for number, entry in enumerate(entries_of(text), start=1)]
    return [pair for pair in found if isinstance(pair, tuple)], [text for text in found if isinstance(text, str)]


def _decode_key(encoded: str) -> bytes | None:
    try:
        octets = base64url_decode(encoded.rstrip("=").replace("+", "-").replace("/", "_"))
    except ValueError:
        return None
    return octets if len(octets) == aead.KEY_OCTETS else None


def problems_of(pairs: Iterable[tuple[str, bytes]]) -> list[str]:
    """A sentence for everything that is wrong with the keys; none holds any of them."""
    pairs = tuple(pairs)
    if not pairs:
        return [f"no key: {ADVICE}"]
    problems = [f"{len(pairs)} keys are too many: at most {MAX_KEYS}"] if len(pairs) > MAX_KEYS else []
    seen: dict[str, str] = {}
    for number, (key_id, octets) in enumerate(pairs, start=1):
        if not aead.is_key_id(key_id):
            problems.append(f"key {number} has no key id of 1 to 32 of a-z, 0-9 and the hyphen: {ADVICE}")
            continue
        if key_id in seen:
            problems.append(f"key id {key_id} stands there twice: each key has its own id, for ever")
            continue
        if len(octets) != aead.KEY_OCTETS:
            problems.append(f"key {key_id} has {len(octets)} octets instead of {aead.KEY_OCTETS}: {ADVICE}")
        elif _is_guessable(octets):
            problems.append(f"key {key_id} is a sample, a repetition or typed text, not random octets: {ADVICE}")
        text = base64url(octets)
        problems += [
            f"keys {other} and {key_id} are the same: remove one"
            for other, other_text in seen.items()
            if constant_time_equal(text, other_text)
        ]
        seen[key_id] = text
    return problems


def _is_guessable(octets: bytes) -> bool:
    # 32 random octets are all printable ASCII once in 10^14 keys, and have ten distinct values or fewer far more rarely
    return base64url(octets) == SAMPLE_KEY or len(set(octets)) <= 10 or all(0x20 <= octet < 0x7F for octet in octets)
