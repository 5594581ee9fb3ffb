"""Read one item strongly from DynamoDB by boto3, over TLS: what a function does without valetkey."""

import os

import boto3

client = boto3.client("dynamodb", endpoint_url=os.environ["BENCH_DYNAMODB"], region_name="eu-central-1")
item = client.get_item(
    TableName="valetkey",
    Key={"partition": {"S": os.environ["BENCH_PARTITION"]}, "name": {"S": "connection/github/"}},
    ConsistentRead=True,
)["Item"]
assert item["sealed"]["B"].startswith(b"vk1.")
