"""Transports: one HTTP exchange, within its reach and its deadline.

The one rule: `maybe_received` of a TransportError is exact. It is False only where not one octet of the request was
handed to the network, or TLS proves that none was read (`wire.unread`), because a refresh token that was perhaps
redeemed must never be sent again as if it was not.

    stdlib.py    what runs by default: connecting, one retry on a stale connection, errors
    kept.py      the connections that are kept
    wire.py      one exchange on one connection, under a deadline and limits
    certificates.py  TLS contexts that present a client certificate, one for each
    reach.py     which addresses a URL may lead to
    borrowed.py  what the next four share; they send through the application's own client
    urllib3.py, requests.py (over urllib3.py), httpx.py (httpx2 too), aiohttp.py
    cutoff.py    a deadline for sockets that somebody else reads from

Not here: what is sent and why (`oauth1`, `oauth2`, `clouds`); following redirects, which nobody does with credentials
(`drivers.session` re-signs on the same origin); proxies, unless the application's own client has one: where the
environment names one, a token would pass through it unasked.
"""
