"""Clouds: how a platform lets a function prove who it is, without any cloud's SDK.

`aws_sigv4` and `azure_shared_key` sign a request (pure); `aws_credentials`, `azure_credentials` and
`google_credentials` find what to sign with, or a bearer token (programs); `tokens` keeps such tokens until shortly
before they expire; `service` has what all services share: endpoints, codes of errors, waiting. Stores and key services
above use these.

The one rule: what the platform put into the environment comes in as a mapping that the caller passes, and credentials
stay inside `Secret` until the octets are signed. Not here: which service is asked what (`stores`, `keys`).
"""
