"""Reads [{"on_calendar", "zone", "from", "count"}...] and prints for each a list of dues (seconds since the epoch), or an error."""

import json
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from oncalendar import OnCalendar, OnCalendarError


def dues(case):
    start = datetime.fromtimestamp(case["from"], ZoneInfo(case["zone"]))
    found = []
    try:
        for due in OnCalendar(case["on_calendar"], start):
            found.append(int(due.timestamp()))
            if len(found) == case["count"]:
                break
    except OnCalendarError as error:
        return str(error)
    return found


json.dump([dues(case) for case in json.load(sys.stdin)], sys.stdout)
