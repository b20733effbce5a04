# Copyright the shootdown authors
# SPDX-License-Identifier: Apache-2.0
"""An audit, checked and counted."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.shootdown.kexec.plugins.module_utils.command import (
    FINDINGS,
    ShootdownError,
    expect,
)

SCHEMA = "shootdown.audit/1"
VERDICTS = ("live", "open", "quiet", "unknown")
SEVERITIES = ("error", "warning", "info")


def audit_args(params):
    """The words behind `shootdown` for what a module was asked for."""
    args = ["audit", "--for", params["for"], "--fail-on", "error"]
    if params.get("host"):
        args += ["--host", params["host"]]
    if params.get("policy"):
        args += ["--policy", params["policy"]]
    return args


def read_audit(shootdown, params):
    """The audit of this machine. Raises for one that cannot be true."""
    status, audit = shootdown.json(audit_args(params), SCHEMA)
    check(audit, status, params["for"])
    return audit


def check(audit, status, jump):
    """What anybody can see from the audit alone; what it says of the machine is for others to judge."""
    what = "shootdown audit"
    functions, findings = audit.get("functions"), audit.get("findings")
    for name in ("functions", "findings"):
        entries = audit.get(name)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ShootdownError("%s printed an audit without a list of %s" % (what, name))
    expect(audit.get("for") == jump, what, "asked for %s, it is for %s" % (jump, audit.get("for")))
    slots = set()
    for function in functions:
        slot, verdict = function.get("slot"), function.get("verdict")
        expect(isinstance(slot, str) and verdict in VERDICTS, what, "%s is %s" % (slot, verdict))
        expect(slot not in slots, what, "%s is listed twice" % slot)
        expect(
            not (verdict == "quiet" and function.get("busMaster") is True),
            what,
            "%s is quiet and a bus master" % slot,
        )
        slots.add(slot)
    for finding in findings:
        slot, severity = finding.get("slot"), finding.get("severity")
        expect(severity in SEVERITIES, what, "%s has severity %s" % (finding.get("id"), severity))
        expect(slot is None or slot in slots, what, "%s is about %s, which is not listed" % (finding.get("id"), slot))
    errors = any(finding["severity"] == "error" for finding in findings)
    expect(
        errors == (status == FINDINGS),
        what,
        "its status is %d, and it lists %s" % (status, "errors" if errors else "no error"),
    )


def summary_of(audit):
    """What of it fits into a table."""
    functions, findings = audit["functions"], audit["findings"]
    machine = audit.get("machine") or {}
    return dict(
        host=audit.get("host"),
        jump=audit.get("for"),
        policy=audit.get("policy"),
        functions=len(functions),
        verdicts=counted(VERDICTS, (function["verdict"] for function in functions)),
        findings=counted(SEVERITIES, (finding["severity"] for finding in findings)),
        live=[function["slot"] for function in functions if function["verdict"] == "live"],
        capture_kernel_loaded=machine.get("captureKernelLoaded"),
        capture_kernel_protected=machine.get("captureKernelProtected"),
        lockdown=machine.get("lockdown"),
    )


def counted(names, words):
    """How often each of the names is among the words."""
    words = list(words)
    return dict((name, words.count(name)) for name in names)
