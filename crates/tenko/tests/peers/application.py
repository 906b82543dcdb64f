"""What the web application does at the end of its batch: it uploads a small text under the date of its own zone.

application.py ENDPOINT prepare BUCKET            makes the bucket
application.py ENDPOINT upload BUCKET KEY TEXT    uploads evidence
"""

import sys

import boto3
from botocore.config import Config


def main(endpoint, what, bucket, *rest):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}, connect_timeout=2, read_timeout=5)
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)
    if what == "prepare":
        s3.create_bucket(Bucket=bucket)
    elif what == "upload":
        key, text = rest
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="text/plain")
    else:
        sys.exit(f"unknown: {what}")


main(*sys.argv[1:])
