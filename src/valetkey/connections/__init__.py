"""Connections: the programs that make, refresh, use and end a resource owner's grant, and the values they keep.

A program here reads as the steps of its RFC section or of the state table in `connection.py`: `authorize` (redirect and
callback), `links` (where the callback cannot see the application's session), `refresh` (once for all callers), `sign`
(every request), `manage` (list, revoke, forget), `keepalive` (what nobody uses), `rescue` and `rescue_import` (tokens
that came too late), `restored` (a backup was put back), `events`, `webhook` and `outbox` (what is told, and to whom).
They share `records` (a connection in its row), `seal` (the place of every sealed value), `pending` (an authorization in
flight, in a cookie) and `claims` (a flow is used once).

The one rule: every write is a `Swap` whose outcome is looked at, and no step removes the last copy of a credential.

Not here: the protocols (`oauth1`, `oauth2`), who performs the effects (`drivers`, `stores`, `keys`), pages (`web`).
"""
