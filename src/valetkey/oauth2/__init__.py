"""OAuth 2.0 for a client: RFC 6749 and the standards around it, one file for each thing a reader looks for.

    server                  what is known about an authorization server: endpoints, and its habits as words
    client                  what the authorization server knows about us
    authorization           the authorization request and the browser's way back (RFC 6749 section 4.1, RFC 9207)
    pkce                    proof key for code exchange (RFC 7636)
    client_authentication   how a client proves who it is at the token endpoint (RFC 6749 section 2.3)
    token                   trade a code or a refresh token for tokens (RFC 6749 sections 4.1.3 and 6)
    token_response          read what the token endpoint said (RFC 6749 section 5.1)
    error_response          read what an endpoint said when it refused (RFC 6749 section 5.2)
    revocation              give a token back (RFC 7009)
    introspection           ask what a token is (RFC 7662)
    metadata                let an authorization server describe itself (RFC 8414)
    bearer                  use an access token (RFC 6750)
    strict_json             a JSON reader that takes no liberties

The one rule: a function takes the server and the client it depends on, and each exchange is three parts that can be
used alone: build the request (pure), send it (one effect), read the answer (pure). What a provider does differently is
a field of `AuthorizationServer`, never a branch on its name.

Two of these files are on a cold start's path, `authorization` and `pkce`: they import nothing but built-in C modules
and the rooms below. Nothing is re-exported here, for the same reason.

Not here: where `state` and the verifier are kept between redirect and callback, and when to refresh (`connections`);
which providers there are (`providers`); sending (`drivers`).
"""
