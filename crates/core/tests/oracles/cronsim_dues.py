"""Reads [{"cron", "zone", "from", "count"}...] and prints for each a list of dues (seconds since the epoch), or an error.

Some searches of cronsim never end; they are given up after ten seconds, and "endless" is printed.
"""

import json
import signal
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


class Endless(Exception):
    pass


def give_up(*_):
    raise Endless


def dues(case):
    start = datetime.fromtimestamp(case["from"], ZoneInfo(case["zone"]))
    found = []
    signal.alarm(10)
    try:
        for due in CronSim(case["cron"], start):
            found.append(int(due.timestamp()))
            if len(found) == case["count"]:
                break
    except CronSimError as error:
        return str(error)
    except Endless:
        return "endless"
    finally:
        signal.alarm(0)
    return found


signal.signal(signal.SIGALRM, give_up)
json.dump([dues(case) for case in json.load(sys.stdin)], sys.stdout)
