#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright the shootdown authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: shootdown
short_description: Set up kdump, kexec or an initramfs hook to stop PCI bus masters before the next kernel starts
version_added: 1.0.0
description:
  - Runs C(shootdown install) or C(shootdown uninstall) where that would change something.
  - The command C(shootdown) has to be installed, which the role C(shootdown.kexec.shootdown) does.
author:
  - The shootdown authors
options:
  part:
    description:
      - What to set up. C(kdump) and C(kexec) load wrapped kernels, C(hook) works in the capture kernel's initramfs.
      - C(all) can only be taken back.
    type: str
    required: true
    choices: [kdump, kexec, hook, all]
  state:
    description:
      - Whether the part is to be set up, or all that it changed is to be taken back.
    type: str
    choices: [present, absent]
    default: present
  policy:
    description:
      - Path of a policy on the managed machine. Without it that of an earlier install stays, else the one that ships.
    type: path
  sign_key:
    description:
      - Path of the key on the managed machine that wrapped kernels are signed with, for Secure Boot.
    type: path
  sign_cert:
    description:
      - Path of the certificate that goes with I(sign_key).
    type: path
  when:
    description:
      - In which kernels the hook acts; only for I(part=hook).
    type: str
    choices: [crash, always]
  root:
    description:
      - A system in a folder of the managed machine. Its files are changed, and nothing is run there.
    type: path
  timeout:
    description:
      - Seconds after which the command is stopped. Making an initramfs anew takes minutes on a slow machine.
    type: int
    default: 1800
attributes:
  check_mode:
    description: Says what C(shootdown install --dry-run) says, and changes nothing.
    support: full
  diff_mode:
    description: A line for everything that is made, replaced, removed or run.
    support: full
extends_documentation_fragment:
  - shootdown.kexec.command
"""

EXAMPLES = r"""
- name: What would be changed
  shootdown.kexec.shootdown:
    part: kdump
  check_mode: true
  diff: true

- name: The capture kernel stops bus masters before it does anything else
  shootdown.kexec.shootdown:
    part: kdump

- name: The same under Secure Boot, with a key that the machine trusts
  shootdown.kexec.shootdown:
    part: kdump
    sign_key: /etc/keys/kernel.key
    sign_cert: /etc/keys/kernel.pem

- name: All is taken back, byte for byte
  shootdown.kexec.shootdown:
    part: all
    state: absent
"""

RETURN = r"""
steps:
  description: What was changed, or would be, as the command says it.
  returned: success
  type: list
  elements: dict
  sample:
    - action: make
      kind: file
      path: /etc/shootdown/install.json
      mode: "0644"
kernels:
  description: What became of wrapped kernels, or would.
  returned: success
  type: list
  elements: raw
reload:
  description: Whether kdump-tools was told to load its kernel anew, or would be.
  returned: success
  type: bool
loaded:
  description: What waits for a crash now, in words; null where nobody looked.
  returned: success
  type: str
notes:
  description: What the command wants to be known, a line each.
  returned: success
  type: list
  elements: str
to_run:
  description: With I(root), commands that are still to be run in that system.
  returned: success
  type: list
  elements: list
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.shootdown.kexec.plugins.module_utils.command import (
    CLEAN,
    FINDINGS,
    NotInstalled,
    Shootdown,
    ShootdownError,
)

INSTALLED = "/etc/shootdown/install.json"
ONLY_PRESENT = ("policy", "sign_key", "sign_cert", "when")


def words_of(params):
    """What comes after `shootdown`."""
    if params["state"] == "absent":
        args = ["uninstall", params["part"]]
    else:
        args = ["install", params["part"]]
        for name in ONLY_PRESENT:
            if params[name] is not None:
                args += ["--" + name.replace("_", "-"), params[name]]
    if params["root"] is not None:
        args += ["--root", params["root"]]
    return args


def usage_problem(params):
    """What does not go together; None if all does."""
    if params["state"] == "present" and params["part"] == "all":
        return "part=all is for state=absent: name the part to set up"
    given = [name for name in ONLY_PRESENT if params[name] is not None]
    if params["state"] == "absent" and given:
        return "%s: only for state=present" % ", ".join(given)
    if params["when"] is not None and params["part"] != "hook":
        return "when is for part=hook"
    return None


def line_of(step):
    """A step before and after it, a line each; None for what is only noted."""
    action, path = step.get("action"), step.get("path")
    if action == "run":
        return None, "run: %s" % " ".join(step.get("command") or [])
    if path is None:
        return None
    if action == "make":
        return "%s: absent" % path, "%s: %s" % (path, content_of(step))
    if action == "replace" and step.get("kind") == "line":
        return "%s: without" % path, "%s: %s" % (path, content_of(step))
    if action == "replace":
        return "%s: another one" % path, "%s: %s" % (path, content_of(step))
    if action == "removed":
        return "%s: there" % path, "%s: absent" % path
    if action == "restored":
        return "%s: of shootdown" % path, "%s: as it was before" % path
    if action == "line-removed":
        return "%s: with the line of shootdown" % path, "%s: without it" % path
    if action == "left":
        return "%s: changed by somebody" % path, "%s: left as it is" % path
    return None


def content_of(step):
    """What a file, a line or a link will be."""
    kind = step.get("kind")
    if kind == "line":
        return "with the line  %s" % step.get("line")
    if kind == "link":
        return "link to %s" % step.get("target")
    return "file %s" % step.get("mode")


def kernel_line(kernel):
    """As `line_of`. Install says what becomes of each, uninstall names versions that go."""
    if not isinstance(kernel, dict):
        return "wrapped kernel %s: there" % kernel, "wrapped kernel %s: absent" % kernel
    status, version = kernel.get("status"), kernel.get("version")
    if status == "fresh":
        return None
    if status == "wrapped":
        return "wrapped kernel %s: absent or out of date" % version, "wrapped kernel %s: up to date" % version
    if status == "removed":
        return "wrapped kernel %s: there" % version, "wrapped kernel %s: absent" % version
    return None, "wrapped kernel %s: not made, %s" % (version, kernel.get("message"))


def diff_of(report, params):
    """What ansible shows with --diff."""
    pairs = [line_of(step) for step in report.get("steps") or []]
    pairs += [kernel_line(kernel) for kernel in report.get("kernels") or []]
    if report.get("reload"):
        pairs.append((None, "run: kdump-config unload, kdump-config load"))
    sides = ["", ""]
    for pair in pairs:
        for side, line in enumerate(pair or ()):
            if line is not None:
                sides[side] += line + "\n"
    header = "shootdown %s" % params["part"]
    return dict(before_header=header, after_header=header, before=sides[0], after=sides[1])


def something(report):
    """Whether anything visible is in what was done."""
    return bool(diff_of(report, dict(part=""))["before"] or diff_of(report, dict(part=""))["after"])


def absent_already(params):
    """Without the command there is nothing to take back, unless it was removed by force."""
    return params["state"] == "absent" and not os.path.exists((params["root"] or "") + INSTALLED)


def perform(module):
    """Runs the command; the result for Ansible."""
    params = module.params
    shootdown = Shootdown(params["command"], params["timeout"])
    words = words_of(params)
    dry = module.check_mode
    schema = "shootdown.%s-report/1" % words[0]
    statuses = (CLEAN, FINDINGS) if dry else (CLEAN,)
    try:
        status, report = shootdown.json(words + (["--dry-run"] if dry else []), schema, statuses, changes=not dry)
    except NotInstalled:
        if not absent_already(params):
            raise
        return dict(changed=False, steps=[], kernels=[], reload=False, notes=[], to_run=[], loaded=None)
    changed = status == FINDINGS if dry else report.get("performed") is True and something(report)
    result = dict(
        changed=changed,
        steps=report.get("steps") or [],
        kernels=report.get("kernels") or [],
        reload=report.get("reload") is True,
        notes=report.get("notes") or [],
        to_run=[command.get("command") for command in report.get("toRun") or []],
        loaded=report.get("loaded"),
    )
    if changed:
        result["diff"] = diff_of(report, params)
    return result


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec=dict(
            part=dict(type="str", required=True, choices=["kdump", "kexec", "hook", "all"]),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            policy=dict(type="path"),
            sign_key=dict(type="path", no_log=False),
            sign_cert=dict(type="path"),
            when=dict(type="str", choices=["crash", "always"]),
            root=dict(type="path"),
            command=dict(type="str", default="shootdown"),
            timeout=dict(type="int", default=1800),
        ),
        required_together=[("sign_key", "sign_cert")],
        supports_check_mode=True,
    )
    problem = usage_problem(module.params)
    if problem is not None:
        module.fail_json(msg=problem)
    try:
        module.exit_json(**perform(module))
    except ShootdownError as error:
        module.fail_json(msg=error.msg, changed=error.changed, **error.more)


if __name__ == "__main__":
    main()
