# Copyright the shootdown authors
# SPDX-License-Identifier: Apache-2.0
"""What the documents of all modules have in common."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type


class ModuleDocFragment:
    """Of modules that run the command `shootdown`; `timeout` is each one's own."""

    DOCUMENTATION = r"""
options:
  command:
    description:
      - The command, a path or a name that is looked for in C(PATH).
    type: str
    default: shootdown
attributes:
  platform:
    description: Where shootdown runs.
    platforms: linux
    support: full
requirements:
  - Python 3.9 or later
  - shootdown 0.1.0 or later
"""
