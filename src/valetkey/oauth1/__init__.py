"""OAuth 1.0a (RFC 5849): signatures, the three-legged authorization, and the server's side of a signature.

    signature      the base string and the signatures over it (section 3.4); pure
    transmission   where parameters stand in a request and how they are read from there (section 3.5); pure
    credentials    the values: client, temporary and token credentials, and the server that issues them
    sign           a request made authentic: `sign_request` with time and nonce at hand, `sign` draws them
    authorize      temporary credentials, the authorization URL, token credentials, revocation (section 2); programs
    answers        what a server's answer to those says, or which error it is; pure
    dates          HTTP dates and clock offsets; pure
    verify         the server's side: read a signed request and check it (section 3.2); pure

The one rule: every octet that is signed is the octet that is sent. A parameter is decoded once, encoded once by
section 3.6, and never normalized in between; a request whose two readings could differ (a parameter in two places, an
`oauth_*` parameter from the caller, a URL with a user name) is refused rather than signed.

`sign` imports nothing but built-in modules and four files of ours, because signing is on the path of every cold
start; a test holds it to that. Private keys stay behind the effect `Sign`.

Not here: which request may be signed for which host, and where credentials are kept (`connections`); who remembers
nonces (`sandbox`); what a provider does differently (`providers`).
"""
