"""Clouds: how a platform lets a function prove who it is, without any cloud's SDK.

`aws_sigv4` signs a request (pure), `aws_credentials` finds the keys to sign with (programs), `times` reads and writes
the times that both need. Stores and key services above sign what they send with these.

The one rule: what the platform put into the environment comes in as a mapping that the caller passes, and credentials
stay inside `Secret` until the octets are signed. Not here: which service is asked what (`stores`, `keys`).
"""
