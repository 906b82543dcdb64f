"""Reads [{"cron", "zone", "from", "count"}...] and prints for each a list of dues (seconds since the epoch), or an error."""

import json
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


def dues(case):
    start = datetime.fromtimestamp(case["from"], ZoneInfo(case["zone"]))
    found = []
    try:
        for due in CronSim(case["cron"], start):
            found.append(int(due.timestamp()))
            if len(found) == case["count"]:
                break
    except CronSimError as error:
        return str(error)
    return found


json.dump([dues(case) for case in json.load(sys.stdin)], sys.stdout)
