# Copyright the shootdown authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the audit to a file on the controller, so that it need not stay in the controller's memory."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import tempfile

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs the module of the same name; `dest` and `name` are ours."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        args = dict(self._task.args)
        dest = args.pop("dest", None)
        name = args.pop("name", None)
        result.update(self._execute_module(module_args=args, task_vars=task_vars))
        if not dest or result.get("failed") or "audit" not in result:
            return result
        path = os.path.abspath(os.path.expanduser(self._loader.path_dwim(dest)))
        result["dest"] = path
        try:
            result["changed"] = put(path, line_of(result.pop("audit"), name), self._task.check_mode)
        except OSError as cause:
            result.update(
                failed=True, msg="%s on the controller cannot be written: %s" % (path, cause.strerror or cause)
            )
        return result


def line_of(audit, name):
    """The audit as one line of NDJSON."""
    if name and isinstance(audit.get("machine"), dict):
        audit = dict(audit, machine=dict(audit["machine"], hostname=name))
    return (json.dumps(audit, separators=(",", ":"), ensure_ascii=False) + "\n").encode("utf-8", "replace")


def put(path, content, check_mode):
    """Replaces a file in one step; whether that changes it."""
    try:
        with open(path, "rb") as there:
            if there.read() == content:
                return False
    except FileNotFoundError:
        pass
    if check_mode:
        return True
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    number, temporary = tempfile.mkstemp(prefix=".", dir=folder)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(file.fileno(), 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True
