"""The first request of a cold function: POST /connect/github through the Lambda handler, from import to redirect."""

from valetkey import Vault
from valetkey.gateways.aws import lambda_handler

handler = lambda_handler(Vault.from_env(), resource_owner=lambda _: "alice")
answer = handler(
    {
        "version": "2.0",
        "rawPath": "/oauth/connect/github",
        "rawQueryString": "",
        "headers": {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"},
        "requestContext": {"http": {"method": "POST", "path": "/oauth/connect/github"}, "stage": "$default"},
        "isBase64Encoded": False,
        "body": "",
    },
    None,
)
assert answer["statusCode"] == 303, answer
