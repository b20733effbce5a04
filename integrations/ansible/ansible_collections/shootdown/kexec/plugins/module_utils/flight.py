# Copyright the shootdown authors
# SPDX-License-Identifier: Apache-2.0
"""What the last crash left to read, and whether it speaks against going on."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import datetime
import os
import re

from ansible_collections.shootdown.kexec.plugins.module_utils.command import (
    CLEAN,
    FINDINGS,
    ShootdownError,
)

SCHEMA = "shootdown.flight/1"
STAMP = re.compile(r"^[12]\d{11}$")
RECORD = re.compile(r"^shootdown-flight\..*\.bin$")
# As save-flight: a record and its dump lie this far apart at most.
APART = datetime.timedelta(minutes=15)
TROUBLE = ("problem", "warning", "unknown")


def flight_of(shootdown, folder, checks):
    """
    The records of the last crash, and one verdict: none, observed, good or bad. `checks`: of doctor, which knows of the
    dump and of the hook's log.
    """
    stamps = stamps_of(folder)
    records = [record_of(shootdown, path) for path in newest_records(folder, stamps)]
    if any(check.get("id") == "jump.now" for check in checks):
        records.append(record_of(shootdown, None))
    reasons = [reason for record in records for reason in record["reasons"]]
    reasons += [
        check.get("text", "")
        for check in checks
        if check.get("id") in ("jump.dump", "jump.hook") and check.get("state") in TROUBLE
    ]
    hook = any(check.get("id") == "jump.hook" and check.get("state") == "ok" for check in checks)
    if reasons:
        verdict = "bad"
    elif any(record["observe"] for record in records):
        verdict = "observed"
    else:
        verdict = "good" if records or hook else "none"
    return dict(verdict=verdict, reasons=reasons, records=records, last_crash=stamps[-1] if stamps else None)


def stamps_of(folder):
    """Names of folders of crashes, oldest first: kdump-tools names them by the minute."""
    names = listed(folder) + listed(os.path.join(folder, "shootdown-pending"))
    return sorted(set(name for name in names if STAMP.match(name)))


def listed(folder):
    """Names in a folder; none if it is not there."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def newest_records(folder, stamps):
    """Paths of the records of the last crash; none if that left none."""
    for stamp in reversed(stamps):
        found = [
            os.path.join(home, name)
            for home in (os.path.join(folder, stamp), os.path.join(folder, "shootdown-pending", stamp))
            for name in listed(home)
            if RECORD.match(name)
        ]
        if found:
            return found if time_of(stamps[-1]) - time_of(stamp) <= APART else []
    return []


def time_of(stamp):
    """A folder's name as a time; a number that is none is the oldest."""
    try:
        return datetime.datetime.strptime(stamp, "%Y%m%d%H%M")
    except ValueError:
        return datetime.datetime.min


def record_of(shootdown, path):
    """What a record says; `path` None: that of the jump to the running kernel."""
    record = dict(file=path, observe=False, jump=None, end=None, gated=None, failed=None, still_live=[], reasons=[])
    try:
        status, said = shootdown.json(["flight"] + ([path] if path else []), SCHEMA)
        return dict(record, **judged(status, said))
    except ShootdownError as error:
        return dict(record, reasons=[error.msg])


def judged(status, said):
    """As `shootdown flight` judges it, but that having only observed is as it was meant to be."""
    counts, functions = said.get("counts"), said.get("functions")
    if not isinstance(counts, dict) or not isinstance(functions, list):
        raise ShootdownError("shootdown flight printed a record without counts or functions")
    observe = said.get("observe") is True
    reasons = []
    if said.get("end") != "complete":
        reasons.append("the walk ended early: %s" % said.get("end"))
    if counts.get("failed") != 0:
        reasons.append("%s failed" % counts.get("failed"))
    for function in functions:
        outcome, verdict = function.get("outcome"), function.get("verdict")
        meant = outcome == "exempt" or (observe and function.get("recorded") == "wouldGate")
        if not meant and (verdict == "live" or outcome not in ("done", "partial")):
            reasons.append("%s: %s, %s" % (function.get("slot"), verdict, outcome))
    if status == FINDINGS and not observe and not reasons:
        reasons.append("shootdown flight ended with status %d" % status)
    if status == CLEAN and reasons:
        reasons.append("shootdown flight ended with status %d all the same" % status)
    return dict(
        observe=observe,
        jump=said.get("jump"),
        end=said.get("end"),
        gated=counts.get("gated"),
        failed=counts.get("failed"),
        still_live=said.get("stillLive") or [],
        reasons=reasons,
    )
