"""Guards that are taken away on purpose, one at a time, to see whether the simulator misses them.

A mutant replaces a piece of one function's source and puts the compiled result in its place, for as long as it is worn.
"""

from __future__ import annotations
import __future__

import inspect
import textwrap
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Mutant(NamedTuple):
    """What is removed, where, and in which mode of the provider it is looked for."""

    name: str
    where: str
    old: str
    new: str
    mode: str = "strict"


MUTANTS = (
    Mutant(
        "the fence is not compared before a commit",
        "connections.refresh_commit:_is_ours",
        "return (found.incarnation, found.generation, found.attempt, found.state) == (",
        "return True or (",
        "window",
    ),
    Mutant(
        "a live lease of another caller is not looked at",
        "connections.refresh_plan:plan",
        "if connection.attempt and now < connection.lease_until:",
        "if False:",
    ),
    Mutant(
        "the attempt is not written down before it is sent",
        "connections.refresh:_claim",
        "doubts = (*connection.doubts, Doubt(attempt, int(now), int(now + limit) + 1))",
        "doubts = connection.doubts",
    ),
    Mutant(
        "the oldest doubt is dropped when there are many",
        "connections.refresh:_claim",
        "doubts = (*connection.doubts, Doubt(",
        "doubts = (*connection.doubts[1:], Doubt(",
    ),
    Mutant(
        "the lease has no deadline for the request",
        "connections.refresh:_claim_and_refresh",
        "not_after=now + limit,",
        "not_after=now + 3600,",
    ),
    Mutant(
        "the lease is shorter than the request's deadline",
        "connections.refresh:_claim",
        "lease_until=int(now + limit + RESERVE_SECONDS + 2 * SKEW_SECONDS) + 1,",
        "lease_until=int(now + limit / 2),",
    ),
    Mutant(
        "the lease leaves no room for clocks that disagree",
        "connections.refresh:_claim",
        "lease_until=int(now + limit + RESERVE_SECONDS + 2 * SKEW_SECONDS) + 1,",
        "lease_until=int(now + limit - 1),",
    ),
    Mutant(
        "a claim whose outcome is unknown counts as won",
        "connections.records:swap_settled",
        "if outcome == WON:",
        'if outcome != "lost":',
    ),
    Mutant(
        "a lost claim counts as won",
        "connections.refresh:_claim",
        "return (yield from write_record(record.key, record.version, leased, record.sealed))",
        "return (yield from write_record(record.key, record.version, leased, record.sealed)) or record",
    ),
    Mutant(
        "the store does not compare versions",
        "stores.memory:MemoryStore.swap",
        "if (None if row is None else row.version) != expected:",
        "if (row is None) != (expected is None):",
        "window",
    ),
    Mutant(
        "the generation stays when tokens are saved",
        "connections.refresh_commit:_saved",
        "generation=before.generation + 1,",
        "generation=before.generation,",
    ),
    Mutant(
        "the generation stays when a connection is made anew",
        "connections.establish:_next_connection",
        "before.created_at, before.generation + 1",
        "before.created_at, before.generation",
    ),
    Mutant(
        "tokens that came too late are not kept",
        "connections.rescue:outlived",
        "yield from keep_rescue(settings, claimed, renewed, connection, store_is_down=False)",
        "pass",
        "window",
    ),
    Mutant(
        "tokens that the store did not take are not handed over",
        "connections.rescue:keep_rescue",
        'yield from Emit(Event("unsaved", ours.registration, told, ours.resource_owner))',
        "pass",
    ),
    Mutant(
        "a rescue record is deleted before its tokens stand in the row",
        "connections.rescue:adopt_rescue",
        "adopted = yield from _commit_rescued(settings, registration, record, credentials, row)",
        "yield from swap_settled(key, row.version, None); adopted = yield from _commit_rescued(settings, registration, record, credentials, row)",
    ),
    Mutant(
        "nobody looks for rescue records any more",
        "connections.rescue:adopt_rescue",
        "for doubt in ours.doubts:",
        "for doubt in ():",
    ),
    Mutant(
        "a server error strikes the doubt out",
        "connections.refresh_commit:verdict_of",
        'if isinstance(error, MalformedResponse) or error.status >= 500 or error.error == "server_error":',
        "if isinstance(error, MalformedResponse):",
    ),
    Mutant(
        "an answer that got lost strikes the doubt out",
        "connections.refresh_commit:verdict_of",
        'return "unknown" if error.maybe_received else "not_processed"',
        'return "not_processed"',
    ),
    Mutant(
        "an answer that got lost counts as a refusal",
        "connections.refresh_commit:verdict_of",
        'return "unknown" if error.maybe_received else "not_processed"',
        'return "refused" if error.maybe_received else "not_processed"',
        "window",
    ),
    Mutant(
        "a failure strikes every doubt out",
        "connections.refresh_commit:_postpone",
        "doubts = claimed.connection.doubts",
        "doubts = ()",
    ),
    Mutant(
        "a failure is written over whatever stands there",
        "connections.refresh_commit:_postpone",
        "if found is None or not _is_ours(found.connection, claimed.connection):",
        "if found is None:",
        "window",
    ),
    Mutant(
        "a cool-down may outlast the window",
        "connections.lifetimes:cool_until",
        "if connection.doubts and now < ends < until:",
        "if False:",
        "window",
    ),
    Mutant(
        "a doubt inside its window waits for the token to end",
        "connections.refresh_plan:_due",
        "return now < window_ends_at(connection, rotation) or rotation.old_access_dies",
        "return False",
        "window",
    ),
    Mutant(
        "every refused token is refreshed, not only the stored one",
        "connections.refresh:current_tokens",
        "rejected=rejected is not None and rejected == credentials.current.access_token,",
        "rejected=rejected is not None,",
    ),
    Mutant(
        "fresh tokens of a disconnected grant are left alive",
        "connections.rescue:outlived",
        "yield from _revoke_fresh(registration, renewed)",
        "pass",
    ),
    Mutant(
        "a sibling's grant is revoked",
        "connections.rescue:outlived",
        "if found.generation != ours.generation:",
        "if found.generation != ours.generation:\n        yield from _revoke_fresh(registration, renewed)",
        "window",
    ),
    Mutant(
        "a late result is stored over a disconnect",
        "connections.refresh_commit:_commit",
        "if found is None or not _is_ours(found.connection, claimed.connection):",
        "if found is None:\n            found = claimed\n            current = __import__('valetkey.value').value.replace(claimed, version=None)\n            continue\n        if not _is_ours(found.connection, claimed.connection):",
    ),
    Mutant(
        "a revocation deletes a connection that was made anew",
        "connections.manage:_delete_revoked",
        "if found.state != REVOKING or (found.incarnation, found.generation) != (ours.incarnation, ours.generation):",
        "if False:",
    ),
    Mutant(
        "a revocation that failed deletes the connection",
        "connections.manage:_unrevoked",
        'return Revocation("failed", reason, shared)',
        'yield from _delete_revoked(record); return Revocation("failed", reason, shared)',
    ),
    Mutant(
        "an error quotes the token",
        "connections.refresh:_wait_or_raise",
        "raise RefreshInProgress(max(0.1, found.until - now))",
        'raise RefreshInProgress(1.0) from ValueError("sandbox-access-of-alice")',
    ),
    Mutant(
        "the tokens are written beside the seal",
        "connections.records:seal_credentials",
        "return replace(connection, key_id=key_id_of(sealed)), sealed",
        "return replace(connection, key_id=key_id_of(sealed), last_error=credentials.current.access_token.reveal()), sealed",
    ),
    Mutant(
        "a rescue record is deleted although its commit was lost",
        "connections.rescue:adopt_rescue",
        "if adopted is not None:",
        "if True:",
    ),
    Mutant(
        "a refresh token out of a backup is presented unasked",
        "connections.refresh_commit:refresh_under_lease",
        "if is_unverified(claimed.connection, registration.provider.rotation):",
        "if False:",
        "strict_family",
    ),
    Mutant(
        "whatever the provider says of a token out of a backup, it is presented",
        "connections.restored:may_not_be_presented",
        'hint="refresh_token")).active:',
        'hint="refresh_token")) is not None:',
        "strict_family",
    ),
    Mutant(
        "what a late holder brings is not put in the place of a backup",
        "connections.rescue:outlived",
        "if forgotten or was_set_back(found, ours):",
        "if False:",
        "strict_family",
    ),
    Mutant(
        "a process does not put back what it remembers",
        "connections.refresh:_put_back",
        "known = None if settings.cache is None or settings.store_unfit else settings.cache.known(key)",
        "known = None",
        "window",
    ),
    Mutant(
        "what a process remembers goes over whatever stands there now",
        "connections.connection:was_set_back",
        "older = found.generation < known.generation and found.refreshed_at <= known.refreshed_at",
        "older = True",
        "stable",
    ),
    Mutant(
        "a cache keeps tokens as long as they live",
        "connections.cache:TokenCache.fresh",
        "not 0 <= now - entry.loaded_at < FRESH_SECONDS",
        "False",
        "stable",
    ),
    Mutant(
        "forgetting leaves the cache of its process as it is",
        "connections.manage:forget",
        "settings.cache.drop(key)",
        "pass",
        "stable",
    ),
    Mutant(
        "what was loaded before a connection ended is kept after it",
        "connections.cache:TokenCache.drop",
        "self.mark = next(self._drops)",
        "pass",
        "stable",
    ),
    Mutant(
        "an outage of the store brings dead tokens back",
        "connections.cache:TokenCache.surviving",
        "return entry if expires_at and now < expires_at else None",
        "return entry",
        "stable",
    ),
    Mutant(
        "nobody asks for the key before tokens are fetched that need it",
        "connections.refresh:_claim_and_refresh",
        "_ = yield from sealing_key(settings)",
        "pass",
    ),
    Mutant(
        "a key that is out of reach counts as a connection that is gone",
        "connections.refresh:current_tokens",
        "credentials = yield from open_record(settings, record)",
        "try:\n            credentials = yield from open_record(settings, record)\n        except StoreError:\n            raise ReauthorizationRequired(registration.name, 'gone')",
    ),
    Mutant(
        "a key that was taken away during an exchange seals no more",
        "keys.envelope:EnvelopeKeyRing.seal",
        "if kept is None:",
        "if True:",
    ),
)


def function_at(where: str) -> Any:
    """The function that `room.module:name` names."""
    module, _, path = where.partition(":")
    found: Any = import_module(f"valetkey.{module}")
    for name in path.split("."):
        found = getattr(found, name)
    return found


@contextmanager
def worn(mutant: Mutant) -> Iterator[None]:
    """The library with that guard taken away."""
    function = function_at(mutant.where)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(mutant.old) == 1, f"the guard of {mutant.name!r} is not where it was"
    flags = __future__.annotations.compiler_flag
    namespace: dict[str, Any] = {}
    exec(
        compile(source.replace(mutant.old, mutant.new), function.__code__.co_filename, "exec", flags),
        function.__globals__,
        namespace,
    )
    code, function.__code__ = function.__code__, namespace[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = code
