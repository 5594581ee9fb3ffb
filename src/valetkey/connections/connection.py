"""A connection: one resource owner's grant under one registration, its states and what moves it between them.

The one rule: a state changes by `next_state` only, and the table below is the whole truth (documents are made from it).
"""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

    from valetkey.http import Pairs
    from valetkey.secret import Secret

    State: TypeAlias = Literal["active", "refreshing", "in_doubt", "needs_reauthorization", "revoking", "gone"]
    Happening: TypeAlias = Literal[
        "connected",
        "claimed",
        "saved",
        "not_processed",
        "unknown",
        "refused",
        "ended",
        "rescued",
        "reauthorized",
        "put_back",
        "revocation_begun",
        "revoked",
    ]

ACTIVE: State = "active"
REFRESHING: State = "refreshing"
IN_DOUBT: State = "in_doubt"
NEEDS_REAUTHORIZATION: State = "needs_reauthorization"
REVOKING: State = "revoking"
GONE: State = "gone"

USABLE = (ACTIVE, REFRESHING, IN_DOUBT)  # tokens are handed out in these only

_ALWAYS: dict[Happening, State] = {"reauthorized": ACTIVE, "revocation_begun": REVOKING}
_HELD: dict[Happening, State] = {"put_back": ACTIVE, **_ALWAYS}  # newer tokens than a backup brought
NEXT: dict[State, dict[Happening, State]] = {
    GONE: {"connected": ACTIVE},
    ACTIVE: {"claimed": REFRESHING, "refused": NEEDS_REAUTHORIZATION, "ended": NEEDS_REAUTHORIZATION, **_HELD},
    REFRESHING: {
        "saved": ACTIVE,
        "not_processed": ACTIVE,  # IN_DOUBT where older doubts remain: see next_state
        "unknown": IN_DOUBT,
        "refused": NEEDS_REAUTHORIZATION,
        "claimed": REFRESHING,  # past its lease REFRESHING reads as IN_DOUBT
        "rescued": ACTIVE,
        **_HELD,
    },
    IN_DOUBT: {"claimed": REFRESHING, "rescued": ACTIVE, **_HELD},
    NEEDS_REAUTHORIZATION: {"rescued": ACTIVE, **_HELD},
    REVOKING: {"revoked": GONE, **_ALWAYS},
}


def next_state(state: State, happening: Happening, *, doubts_remain: bool = False) -> State:
    """The state after it. A move that is not in the table raises ValueError: a bug, not bad input."""
    following = NEXT[state].get(happening)
    if following is None:
        message = f"a connection that is {state} cannot be {happening}"
        raise ValueError(message)
    return IN_DOUBT if happening in ("not_processed", "put_back") and doubts_remain else following


@value
class Doubt:
    """A refresh whose outcome is not known. attempt: 32 hex digits; claimed_at, deadline: Unix seconds."""

    attempt: str
    claimed_at: int
    deadline: int


@value
class Connection:
    """What is known of a connection without its tokens.

    account: a label for people with two accounts at one provider.
    access_expires_at, refresh_due_at, cool_until, lease_until, previous_until: Unix seconds, 0 where there is none.
    refresh_due_at: when the next caller refreshes; lies a margin before access_expires_at.
    generation: grows with every new set of tokens. incarnation: 32 hex digits, drawn when the row was created.
    verify_first: 0, or the row came out of a backup (`restored`): Unix seconds from which its refresh token is
      presented without knowing that it lives.
    authorized_by: SHA-256 of the flow that brought the grant; authorized_at: when, 0 where an older valetkey wrote it.
    issuer, subject: whose account it is at the provider, from the id_token; inside the seal, as scope is.
    extra: what the provider answered beside the credentials, such as `instance_url` or `user_id`, as it last said it.
    callback_parameters: what the browser brought beside the code. Nobody but the browser vouches for it (JARM apart):
      whoever holds it can write another account's number there, so ask the provider's API before relying on one.
    problem: why a row could not be read (`key_unavailable`, `seal_broken`; `unreadable` where the key service is out of
      reach or a newer valetkey wrote it), else empty; its scope is then unknown.
    """

    registration: str
    resource_owner: str
    account: str = ""
    state: State = ACTIVE
    scope: tuple[str, ...] = ()
    incarnation: str = ""
    generation: int = 1
    attempt: str = ""
    lease_until: int = 0
    doubts: tuple[Doubt, ...] = ()
    cool_until: int = 0
    access_expires_at: int = 0
    refresh_due_at: int = 0
    previous_until: int = 0
    created_at: int = 0
    authorized_at: int = 0
    refreshed_at: int = 0
    last_error: str = ""
    authorized_by: str = ""
    key_id: str = ""
    problem: str = ""
    issuer: str = ""
    subject: str = ""
    verify_first: int = 0
    extra: Pairs = ()
    callback_parameters: Pairs = ()

    @property
    def authorization_details(self) -> tuple[dict[str, Any], ...]:
        """What was granted, as the provider said it (RFC 9396 section 7); empty where it said nothing."""
        from valetkey.oauth2.requested import granted_details

        return granted_details(self.extra)

    def __repr__(self) -> str:
        names = ("extra", "callback_parameters")  # what a provider says of a person does not belong into logs
        fields: tuple[str, ...] = self.__match_args__
        shown = {name: [key for key, _ in getattr(self, name)] for name in names}
        inside = ", ".join(f"{name}={shown.get(name, getattr(self, name))!r}" for name in fields)
        return f"Connection({inside})"


def was_set_back(found: Connection, known: Connection) -> bool:
    """Whether a backup was put in the place of a newer row: of the same grant, and older than what is known.

    A row that has been refreshed since holds tokens that the provider gave later: then nothing is put back.
    """
    one, other = (found.incarnation, found.authorized_by), (known.incarnation, known.authorized_by)
    older = found.generation < known.generation and found.refreshed_at <= known.refreshed_at
    return one == other and older and found.state in (*USABLE, NEEDS_REAUTHORIZATION)


@value
class Tokens:
    """The tokens of one generation.

    OAuth 1.0a: access_token is the token identifier, token_secret its shared secret. OAuth 2.0: token_secret is None.
    proof_key: the private key, in PEM, that the tokens are bound to (RFC 9449); of this connection alone.
    """

    access_token: Secret
    refresh_token: Secret | None = None
    token_secret: Secret | None = None
    proof_key: Secret | None = None


@value
class Credentials:
    """Everything that is inside the seal.

    previous: the tokens before the last refresh, kept as long as the provider may still take them.
    extra, callback_parameters: what came beside the tokens: see `Connection`.
    issuer, subject: whose account it is, from the id_token.
    withheld: scope that was asked for at the last consent and not granted.
    client: whom they were given to, as issuer and client identifier, where that client was made at run time; of one
      that the operator configured, and in rows of an older valetkey, both are empty.
    """

    resource_owner: str
    current: Tokens
    previous: Tokens | None = None
    scope: tuple[str, ...] = ()
    extra: Pairs = ()
    issuer: str = ""
    subject: str = ""
    withheld: tuple[str, ...] = ()
    callback_parameters: Pairs = ()
    client: tuple[str, str] = ("", "")
