"""Calls AWS with boto3: one JSON object a line on standard input, one answer a line on standard output.

Asked: {"as": [key, secret, token], "service": "s3", "call": "put_object", "with": {...}}. "Body", "ZipFile" and
"Payload" are texts; a text that begins with "zip:" is a zip of the program behind it, as `bootstrap`.
Answered: {"ok": {...}} or {"error": "AccessDenied", "status": 403}.
"""

import base64
import io
import json
import sys
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

ENDPOINT, REGION = sys.argv[1], sys.argv[2]
CLIENTS = {}


def client(who, service):
    key = (tuple(who), service)
    if key not in CLIENTS:
        access, secret, token = who
        CLIENTS[key] = boto3.client(
            service,
            endpoint_url=ENDPOINT,
            region_name=REGION,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(
                retries={"total_max_attempts": 1},
                read_timeout=60,
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
            ),
        )
    return CLIENTS[key]


def zipped(path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = 0o755 << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        with open(path, "rb") as program:
            archive.writestr(info, program.read())
    return out.getvalue()


def said(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "read"):
        return value.read().decode("utf-8", "replace")
    return str(value)


def answer(asked):
    arguments = asked.get("with", {})
    for name in ("Body", "ZipFile", "Payload"):
        text = arguments.get(name)
        if isinstance(text, str):
            arguments[name] = zipped(text[4:]) if text.startswith("zip:") else text.encode()
    try:
        found = getattr(client(asked["as"], asked["service"]), asked["call"])(**arguments)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return {"error": error.response["Error"]["Code"], "status": status, "text": str(error)}
    except ParamValidationError as error:
        return {"error": "ParamValidation", "status": 0, "text": str(error)}
    status = found.get("ResponseMetadata", {}).get("HTTPStatusCode")
    found.pop("ResponseMetadata", None)
    return {"ok": found, "status": status}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), default=said), flush=True)
