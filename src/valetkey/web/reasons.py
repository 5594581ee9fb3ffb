"""What to tell a person, for each reason why a request was not served.

The one rule: a row is for the person before the screen: what happened, that nothing is broken, what to do next. Every
status is below 500 but those where the provider or the store is out of service.
"""

from __future__ import annotations

from valetkey.value import value


@value
class Reason:
    """A page. restart: whether it offers to start again."""

    status: int
    title: str
    sentence: str
    advice: str
    restart: bool = True


AGAIN = "Start again; it takes a moment."
NOTHING = "Nothing was connected and nothing was changed."

REASONS: dict[str, Reason] = {
    # The request
    "not_found": Reason(
        404, "There is no such page", "The address is not one of ours.", "Check the link.", restart=False
    ),
    "unknown_registration": Reason(
        404, "There is no such page", "The address is not one of ours.", "Check the link.", restart=False
    ),
    "method_not_allowed": Reason(
        405, "That does not work here", "This address does not take that kind of request.", "Go back.", restart=False
    ),
    "body_too_large": Reason(
        413, "That was too much", "The form that arrived is larger than any of ours.", "Go back and try again."
    ),
    "unsupported_media_type": Reason(
        415, "That is not a form", "This address takes HTML forms only.", "Go back and try again."
    ),
    "malformed_request": Reason(
        400, "The request could not be read", "Something in it is not as it should be.", "Go back and try again."
    ),
    "duplicate_parameter": Reason(
        400, "The request could not be read", "A value came twice, so it is not clear which one is meant.", AGAIN
    ),
    "owner_unknown": Reason(
        401,
        "Please sign in first",
        "We do not see who you are.",
        "Sign in to the application, then come back.",
        restart=False,
    ),
    "resource_url_refused": Reason(
        400,
        "This address cannot be connected",
        "It is not the public https address of a server.",
        "Check the address that the server's documentation gives.",
    ),
    "resource_refused": Reason(
        400,
        "This server cannot be connected",
        f"How it wants people to sign in is not safe enough, or not something we can do. {NOTHING}",
        "Tell the server's operator, or the operator of this application.",
    ),
    "resource_metadata_missing": Reason(
        400,
        "This address cannot be connected",
        f"What is there does not say where people sign in. {NOTHING}",
        "Check the address, to the last letter: it is the one that the server's documentation gives.",
    ),
    "resource_metadata_unusable": Reason(
        400,
        "This address cannot be connected",
        f"What is there says that it is known by another address, or cannot be understood. {NOTHING}",
        "Check the address, to the last letter: it is the one that the server's documentation gives.",
    ),
    "server_unavailable": Reason(
        502,
        "This server does not answer",
        f"Nothing answers there, or it is not on the public internet. {NOTHING}",
        "Check the address. If it is right, wait a little, then start again.",
    ),
    "cross_site": Reason(
        403,
        "This came from another site",
        "The request was sent by a page that is not ours, so nothing was done.",
        AGAIN,
    ),
    "form_expired": Reason(
        403,
        "This page was open for too long",
        "For your safety a page works for one hour.",
        "Load it again and repeat.",
    ),
    "return_to_refused": Reason(
        400, "The link goes somewhere we do not know", "Its way back is not part of this application.", AGAIN
    ),
    # The way back from the provider
    "state_missing": Reason(
        400, "We cannot tell what this belongs to", f"The answer came without its reference. {NOTHING}", AGAIN
    ),
    "state_malformed": Reason(
        400, "We cannot tell what this belongs to", f"The answer's reference cannot be read. {NOTHING}", AGAIN
    ),
    "state_mismatch": Reason(
        400, "This does not belong together", f"The answer does not match what was started here. {NOTHING}", AGAIN
    ),
    "flow_expired": Reason(
        400, "That took too long", f"An unfinished connection waits for ten minutes. {NOTHING}", AGAIN
    ),
    "flow_cookie_invalid": Reason(
        400, "We cannot read what we kept in your browser", f"It was changed or is out of date. {NOTHING}", AGAIN
    ),
    "wrong_browser": Reason(
        400,
        "This is not under way in this browser",
        f"A connection is finished where it was started, with cookies allowed; of many at once the oldest is given up. "
        f"{NOTHING}",
        "Start again here, and stay in this browser.",
    ),
    "user_changed": Reason(
        400, "You are signed in as somebody else now", f"Another person started this connection. {NOTHING}", AGAIN
    ),
    "context_mismatch": Reason(
        400, "The answer came to the wrong place", f"It belongs to another connection. {NOTHING}", AGAIN
    ),
    "issuer_missing": Reason(
        400, "We cannot tell who answered", f"The answer does not say which service sent it. {NOTHING}", AGAIN
    ),
    "issuer_mismatch": Reason(
        400, "Somebody else answered", f"The answer is not from the service that you were sent to. {NOTHING}", AGAIN
    ),
    "redirect_uri_changed": Reason(
        400, "Something changed on our side", f"The application was moved in the meantime. {NOTHING}", AGAIN
    ),
    "malformed_callback": Reason(
        400, "The answer cannot be read", f"The service's answer is incomplete. {NOTHING}", AGAIN
    ),
    "implicit_answer": Reason(
        400,
        "This answer is not safe to use",
        "The service put its answer behind the # of the address, where the keys to an account do not belong (RFC 9700 "
        f"section 2.1.2). We did not look at it. {NOTHING}",
        "Tell the operator of this application: it must be registered with the service for the authorization code "
        "grant (response_type code).",
    ),
    "verifier_missing": Reason(400, "The answer is incomplete", f"A part of it is missing. {NOTHING}", AGAIN),
    "token_mismatch": Reason(
        400, "This does not belong together", f"The answer does not match what was started here. {NOTHING}", AGAIN
    ),
    "nonce_mismatch": Reason(
        400, "This does not belong together", f"The answer does not match what was started here. {NOTHING}", AGAIN
    ),
    "access_denied": Reason(
        400,
        "Not connected",
        "Access was not given. Whatever was connected before stays as it is.",
        "Change your mind any time.",
    ),
    "already_used": Reason(
        400,
        "This was used before",
        "Each answer works once. If you were connected, you still are.",
        "Look at your connections.",
    ),
    "in_doubt": Reason(
        400, "We do not know whether it worked", "We were interrupted before the answer was stored.", AGAIN
    ),
    "callback_refused": Reason(400, "Not connected", NOTHING, AGAIN),
    "invalid_grant": Reason(400, "The answer is no longer valid", f"The service did not accept it. {NOTHING}", AGAIN),
    "provider_refused": Reason(400, "The service said no", f"It did not accept the request. {NOTHING}", AGAIN),
    "server_unusable": Reason(
        400,
        "This service cannot be connected now",
        f"What it says about how people sign in is not safe enough, or not something we can do. {NOTHING}",
        "Tell the operator of this application.",
    ),
    "temporarily_unavailable": Reason(
        400, "The service is not ready", f"It asks to try again later. {NOTHING}", "Wait a little, then start again."
    ),
    "server_error": Reason(
        400, "The service has a problem", f"It could not finish. {NOTHING}", "Wait a little, then start again."
    ),
    "temporary_credentials_mismatch": Reason(
        400, "This does not belong together", f"The answer does not match what was started here. {NOTHING}", AGAIN
    ),
    "provider_error": Reason(400, "The service said no", f"It reports an error. {NOTHING}", AGAIN),
    "flow_too_large": Reason(400, "That is too much to remember", f"Its way back is too long. {NOTHING}", AGAIN),
    # Connect links
    "link_invalid": Reason(
        404,
        "This link does not work",
        "It is incomplete or was changed on its way.",
        "Ask for a new link.",
        restart=False,
    ),
    "link_expired": Reason(
        410, "This link is too old", "Links work for a limited time.", "Ask for a new link.", restart=False
    ),
    "link_used": Reason(
        410, "This link was used before", "Each link works once.", "Ask for a new link.", restart=False
    ),
    "link_other_owner": Reason(
        403,
        "This link is for somebody else",
        "You are signed in as another person than it was made for.",
        "Sign in as the person it was sent to, then open it again.",
        restart=False,
    ),
    "origin_unknown": Reason(
        403,
        "We cannot tell where this came from",
        "Your browser does not say which page sent the request, so nothing was done.",
        "Open the link in a current browser.",
        restart=False,
    ),
    "handle_unknown": Reason(400, "This was finished or given up", f"No last step is waiting. {NOTHING}", AGAIN),
    # Connections
    "needs_reauthorization": Reason(409, "Please connect again", "The service no longer accepts what we keep.", AGAIN),
    "not_connected": Reason(
        409, "Nothing is connected", "There is no such connection, or not any more.", "Connect if you like."
    ),
    # Out of service: the only ones that are nobody's request's fault
    "provider_unavailable": Reason(
        502, "The service does not answer", f"It is not your fault. {NOTHING}", "Wait a little, then start again."
    ),
    "busy": Reason(
        503, "One moment, please", "Somebody is at it already.", "Try again in a few seconds.", restart=False
    ),
    "store_unavailable": Reason(
        503,
        "We cannot reach our records",
        "It is our fault, not yours. Nothing is lost.",
        "Try again in a minute.",
        restart=False,
    ),
}
for _word in ("inactive", "of_another_client", "unverified"):
    REASONS[f"token_{_word}"] = Reason(
        400,
        "We cannot be sure for whom this answer is",
        f"The service does not say that the key in it was made for this application. {NOTHING}",
        "Start again. If it happens again, tell the operator of this application.",
    )
# The id_token: one page, for there is nothing a person could do about any of them; operators read the reason.
for _word in (
    "algorithm", "at_hash", "audience", "expired", "issuer", "malformed", "missing", "nonce", "signature", "subject",
    "times", "type", "unknown_key",
):  # fmt: skip
    REASONS[f"id_token_{_word}"] = Reason(
        400,
        "We cannot be sure whose account this is",
        f"The service sent a proof of identity that does not hold. {NOTHING}",
        "Start again. If it happens again, tell the operator of this application.",
    )
# A signed answer: the same, for whatever the check.
for _word in (
    "algorithm", "audience", "encrypted", "expired", "issuer", "malformed", "missing", "mixed", "signature", "times",
    "type", "unknown_key",
):  # fmt: skip
    REASONS[f"jarm_{_word}"] = Reason(
        400,
        "We cannot be sure who answered",
        f"The service's answer must be signed, and its signature does not hold. {NOTHING}",
        "Start again. If it happens again, tell the operator of this application.",
    )
FALLBACK = "callback_refused"


def reason_for(word: str) -> Reason:
    """The row of that word; a word without one gets a general page, never an error."""
    return REASONS.get(word) or REASONS[FALLBACK]
