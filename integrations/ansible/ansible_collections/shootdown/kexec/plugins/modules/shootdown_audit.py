#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright the shootdown authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: shootdown_audit
short_description: Say which PCI functions could still hit the next kernel
version_added: 1.0.0
description:
  - Runs C(shootdown audit), which only reads, and checks that what it prints can be true.
  - Findings do not fail the task; C(summary) counts them.
author:
  - The shootdown authors
options:
  dest:
    description:
      - A file on the controller that the audit is written to, as JSON in one line, instead of being returned.
      - The file is replaced in one step. Its folder is made if it is not there.
      - In check mode nothing is written.
    type: path
  name:
    description:
      - What the machine is called in I(dest), written there as its host name. Without it as it calls itself.
    type: str
  host:
    description:
      - What to look at, as the command's option takes it, for example C(sysfs:/srv/copy/sys).
      - Without it the machine itself.
    type: str
  for:
    description:
      - The jump that is meant.
    type: str
    choices: [crash, normal]
    default: crash
  policy:
    description:
      - Path of a policy on the managed machine. Without it the one that ships.
    type: path
  timeout:
    description:
      - Seconds after which the command is stopped.
    type: int
    default: 300
attributes:
  action:
    description: Writes I(dest) on the controller.
    support: full
  check_mode:
    description: Reads as ever, and does not write I(dest).
    support: full
  diff_mode:
    description: Changes nothing on the machine.
    support: none
extends_documentation_fragment:
  - shootdown.kexec.command
"""

EXAMPLES = r"""
- name: What a panic now would leave running
  shootdown.kexec.shootdown_audit:
  register: found

- name: No function may stay live
  ansible.builtin.assert:
    that: found.summary.verdicts.live == 0

- name: The audit as a file on the controller
  shootdown.kexec.shootdown_audit:
    dest: "audits/{{ inventory_hostname }}.json"
    name: "{{ inventory_hostname }}"
"""

RETURN = r"""
audit:
  description: The audit as the command printed it, schema C(shootdown.audit/1).
  returned: without I(dest)
  type: dict
summary:
  description: What of it fits into a table.
  returned: success
  type: dict
  contains:
    functions:
      description: How many functions were seen.
      type: int
    verdicts:
      description: How many of them are live, open, quiet and unknown.
      type: dict
    findings:
      description: How many findings there are of each severity.
      type: dict
    live:
      description: Slots of the functions that are live.
      type: list
      elements: str
dest:
  description: The file that was written on the controller.
  returned: with I(dest)
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.shootdown.kexec.plugins.module_utils.audit import read_audit, summary_of
from ansible_collections.shootdown.kexec.plugins.module_utils.command import Shootdown, ShootdownError


def main():
    """Entry point."""
    spec = {
        "dest": dict(type="path"),
        "name": dict(type="str"),
        "host": dict(type="str"),
        "for": dict(type="str", choices=["crash", "normal"], default="crash"),
        "policy": dict(type="path"),
        "command": dict(type="str", default="shootdown"),
        "timeout": dict(type="int", default=300),
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    params = module.params
    try:
        audit = read_audit(Shootdown(params["command"], params["timeout"]), params)
        module.exit_json(changed=False, audit=audit, summary=summary_of(audit))
    except ShootdownError as error:
        module.fail_json(msg=error.msg)


if __name__ == "__main__":
    main()
