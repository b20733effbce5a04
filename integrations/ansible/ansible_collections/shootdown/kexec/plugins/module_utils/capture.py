# Copyright the shootdown authors
# SPDX-License-Identifier: Apache-2.0
"""What is set up for a crash: parts that are installed, and words on the capture kernel's command line."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import re

INSTALLED = "/etc/shootdown/install.json"
DEFAULTS = "/etc/default/kdump-tools"
KDUMP_CONFIG = "/usr/sbin/kdump-config"
CMDLINE = "/proc/cmdline"
# As the role writes it.
BLOCK = re.compile(r"^# BEGIN shootdown mode$.*?^# END shootdown mode$\n?", re.M | re.S)
ASSIGNMENT = r"""^[ \t]*(?:export[ \t]+)?%s=(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#;]*))"""
OWN_DEFAULT = re.compile(r'^KDUMP_CMDLINE_APPEND=\$\{KDUMP_CMDLINE_APPEND:="([^"\n]*)"\}$', re.M)
WORD = re.compile(r"(?:^|\s)shootdown=(\S*)")
# What a shell or systemd would take for something else within double quotes.
PLAIN = re.compile(r'^[^"\\$`]*$')


def read(path):
    """A file's text; empty where it is not there or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def assigned(text, name):
    """What a file of shell variables sets, the last of each name; None if it does not."""
    found = re.findall(ASSIGNMENT % name, text, re.M)
    return "".join(found[-1]) if found else None


def installed_parts():
    """Names of what `shootdown install` has set up."""
    try:
        parts = json.loads(read(INSTALLED)).get("parts")
    except (ValueError, AttributeError):
        return []
    return sorted(parts) if isinstance(parts, dict) else []


def has_kdump_tools():
    """Whether its settings are there."""
    return os.path.exists(DEFAULTS)


def crash_folder():
    """Where kdump-tools saves dumps."""
    return assigned(read(DEFAULTS), "KDUMP_COREDIR") or "/var/crash"


def append_without_us():
    """
    What the capture kernel's command line ends with where the role has not put its block; None if that cannot be told,
    or not be written by it.
    """
    words = assigned(BLOCK.sub("", read(DEFAULTS)), "KDUMP_CMDLINE_APPEND")
    if not words:
        found = OWN_DEFAULT.search(read(KDUMP_CONFIG))
        words = found.group(1) if found else None
    return words if words is not None and PLAIN.match(words) else None


def mode(parts):
    """What shootdown does in a capture kernel: none, observe, off or act."""
    if "kdump" not in parts and "hook" not in parts:
        return "none"
    words = "%s %s" % (read(CMDLINE), assigned(read(DEFAULTS), "KDUMP_CMDLINE_APPEND") or "")
    found = WORD.findall(words)
    # The last counts; a word that stub and hook do not know has them observe.
    return {"on": "act", "off": "off"}.get(found[-1], "observe") if found else "act"
