"""The founding function: is today's evidence there? If not, Slack is told.

As a Lambda function its handler is `function.handler`; `python function.py` is one cold call of it.
Environment: BUCKET, KEY_SUFFIX, SLACK_WEBHOOK_URL, and what boto3 reads.
"""

import json
import os
import urllib.request
from datetime import datetime
from zoneinfo import ZoneInfo

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))


def handler(event, context):
    today = datetime.now(ZoneInfo("Asia/Tokyo")).date().isoformat()
    key = f"{today}/{os.environ['KEY_SUFFIX']}"
    try:
        s3.head_object(Bucket=os.environ["BUCKET"], Key=key)
    except ClientError as error:
        tell(f"The batch left no evidence: {key} ({error.response['Error']['Code']})")
        return "missing"
    return "present"


def tell(text):
    request = urllib.request.Request(
        os.environ["SLACK_WEBHOOK_URL"],
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


if __name__ == "__main__":
    print(handler({}, None))
