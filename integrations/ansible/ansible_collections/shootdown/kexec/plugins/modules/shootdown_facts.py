#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright the shootdown authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: shootdown_facts
short_description: Facts about what shootdown has set up, and what the last crash left
version_added: 1.0.0
description:
  - Sets C(ansible_facts.shootdown) to what the command, its audit, its C(doctor) and the last flight record say.
  - It only reads. Without root some of it cannot be told, and the task fails.
  - Where the command is not installed, C(installed) is false and all that it would say is null.
author:
  - The shootdown authors
options:
  gather:
    description:
      - What to ask for. C(flight) needs C(doctor).
    type: list
    elements: str
    choices: [audit, doctor, flight]
    default: [audit, doctor, flight]
  host:
    description:
      - What to audit, as the command's option takes it, for example C(sysfs:/srv/copy/sys).
      - Without it the machine itself.
    type: str
  for:
    description:
      - The jump that the audit is for.
    type: str
    choices: [crash, normal]
    default: crash
  policy:
    description:
      - Path of a policy on the managed machine that the audit follows. Without it the one that ships.
    type: path
  crash_folder:
    description:
      - Where dumps and flight records are saved. Without it as kdump-tools is set up.
    type: path
  timeout:
    description:
      - Seconds after which a call of the command is stopped.
    type: int
    default: 300
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Only reads.
    support: none
  facts:
    description: Sets C(ansible_facts.shootdown).
    support: full
extends_documentation_fragment:
  - shootdown.kexec.command
"""

EXAMPLES = r"""
- name: How it is
  shootdown.kexec.shootdown_facts:

- name: No machine goes on whose last crash went wrong
  ansible.builtin.assert:
    that: ansible_facts.shootdown.flight.verdict != 'bad'
    fail_msg: "{{ ansible_facts.shootdown.flight.reasons | join('; ') }}"
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: always
  type: dict
  contains:
    shootdown:
      description: All of them.
      type: dict
      contains:
        installed:
          description: Whether the command is there.
          type: bool
        version:
          description: Its version.
          type: str
        parts:
          description: What C(shootdown install) has set up.
          type: list
          elements: str
        mode:
          description: What it does in a capture kernel. C(none) if nothing is set up for a crash.
          type: str
          sample: observe
        kdump_tools:
          description: Whether kdump-tools' settings are there.
          type: bool
        append:
          description: What kdump-tools appends to the capture kernel's command line without the role's word.
          type: str
        audit:
          description: The audit's summary, see M(shootdown.kexec.shootdown_audit).
          type: dict
        doctor:
          description: The counts of C(shootdown doctor), its checks, and those that are problems.
          type: dict
        flight:
          description:
            - What the last crash left.
            - The verdict is C(none) without a record, C(observed) if it was only looked, C(good) if all was stopped
              that was to be stopped, else C(bad) with the reasons. A dump that was not saved, and trouble of the hook,
              are reasons as well.
          type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.shootdown.kexec.plugins.module_utils import capture
from ansible_collections.shootdown.kexec.plugins.module_utils.audit import read_audit, summary_of
from ansible_collections.shootdown.kexec.plugins.module_utils.command import (
    CLEAN,
    FAILED,
    FINDINGS,
    NotInstalled,
    Shootdown,
    ShootdownError,
    expect,
)
from ansible_collections.shootdown.kexec.plugins.module_utils.flight import flight_of

DOCTOR_SCHEMA = "shootdown.doctor/1"


def doctor_of(shootdown):
    """What doctor found."""
    _status, report = shootdown.json(["doctor"], DOCTOR_SCHEMA, (CLEAN, FAILED, FINDINGS))
    counts, checks = report.get("counts"), report.get("results")
    what = "shootdown doctor"
    if not isinstance(counts, dict) or not isinstance(checks, list):
        raise ShootdownError("%s printed a report without counts or results" % what)
    for state, count in counts.items():
        found = sum(1 for check in checks if check.get("state") == state)
        expect(found == count, what, "it counts %s of state %s and lists %d" % (count, state, found))
    problems = [check["text"] for check in checks if check["state"] == "problem"]
    return dict(counts=counts, checks=checks, problems=problems)


def gather(params):
    """The facts."""
    wanted = params["gather"]
    shootdown = Shootdown(params["command"], params["timeout"])
    parts = capture.installed_parts()
    facts = dict(
        installed=False,
        version=None,
        parts=parts,
        mode=capture.mode(parts),
        kdump_tools=capture.has_kdump_tools(),
        append=capture.append_without_us(),
        audit=None,
        doctor=None,
        flight=None,
    )
    try:
        facts["version"] = shootdown.version()
    except NotInstalled:
        return facts
    facts["installed"] = True
    if "audit" in wanted:
        facts["audit"] = summary_of(read_audit(shootdown, params))
    if "doctor" in wanted or "flight" in wanted:
        facts["doctor"] = doctor_of(shootdown)
    if "flight" in wanted:
        folder = params["crash_folder"] or capture.crash_folder()
        facts["flight"] = flight_of(shootdown, folder, facts["doctor"]["checks"])
    return facts


def main():
    """Entry point."""
    spec = {
        "gather": dict(
            type="list",
            elements="str",
            choices=["audit", "doctor", "flight"],
            default=["audit", "doctor", "flight"],
        ),
        "host": dict(type="str"),
        "for": dict(type="str", choices=["crash", "normal"], default="crash"),
        "policy": dict(type="path"),
        "crash_folder": dict(type="path"),
        "command": dict(type="str", default="shootdown"),
        "timeout": dict(type="int", default=300),
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    try:
        module.exit_json(changed=False, ansible_facts=dict(shootdown=gather(module.params)))
    except ShootdownError as error:
        module.fail_json(msg=error.msg)


if __name__ == "__main__":
    main()
