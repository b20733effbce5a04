# Copyright the shootdown authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the command `shootdown` and makes one clear line of whatever goes wrong."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import selectors
import subprocess
import time

# The audit of 4,096 functions has 6 MB.
OUTPUT_MAX = 64 * 1024 * 1024
CHUNK = 65536
# After SIGTERM it ends between two steps.
GRACE_S = 60
MESSAGE_MAX = 1000
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

CLEAN, FAILED, FINDINGS, INCOMPLETE, USAGE = 0, 1, 2, 3, 64


class ShootdownError(Exception):
    """What went wrong, in one line. `changed`: something was changed before."""

    def __init__(self, msg, changed=False, **more):
        super(ShootdownError, self).__init__(msg)
        self.msg = msg
        self.changed = changed
        self.more = more


class NotInstalled(ShootdownError):
    """There is no such command on this machine."""


class Result:
    """How a command ended, and what it printed."""

    def __init__(self, status, stdout, stderr):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr


class Shootdown:
    """The command on this machine; `timeout` in seconds holds for each call."""

    def __init__(self, command, timeout):
        self.command = command
        self.timeout = timeout

    def json(self, args, schema, statuses=(CLEAN, FINDINGS), changes=False):
        """
        The status and the object that `shootdown ARGS --json` prints. `statuses`: those with which it prints one.
        `changes`: it may have changed something when it fails.
        """
        words = [args[0], "--json"] + list(args[1:])
        result = self.run(words, changes)
        what = "shootdown %s" % args[0]
        if result.status not in statuses:
            raise ShootdownError(why(what, result), changed=result.status == INCOMPLETE)
        return result.status, parsed(what, result, schema, changes)

    def version(self):
        """What `--version` says."""
        result = self.run(["--version"])
        lines = result.stdout.split("\n")
        if result.status != CLEAN:
            raise ShootdownError(why("shootdown --version", result))
        if not lines[0][:1].isdigit() or len(lines[0]) > 40 or lines[1:] != [""]:
            raise ShootdownError(
                "%s --version printed no version, but: %s" % (self.command, shown(result.stdout))
            )
        return lines[0]

    def run(self, args, changes=False):
        """Without a shell. Raises where it cannot be started, does not end in time or prints without end."""
        argv = [self.command] + list(args)
        what = "shootdown %s" % args[0]
        env = dict(os.environ, LC_ALL="C.UTF-8", NO_COLOR="1")
        env["PATH"] = "%s:%s" % (env["PATH"], PATH) if env.get("PATH") else PATH
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                start_new_session=True,
            )
        except OSError as cause:
            raise cannot_start(self.command, cause)
        with child:
            try:
                stdout, stderr = read_both(child, self.timeout)
            except subprocess.TimeoutExpired:
                end(child)
                raise ShootdownError(
                    "%s had not ended after %d s and was stopped%s"
                    % (what, self.timeout, "; run it again: it takes up where it was" if changes else ""),
                    changed=changes,
                )
            except OverflowError:
                end(child)
                raise ShootdownError(
                    "%s printed more than %d MiB and was stopped" % (what, OUTPUT_MAX >> 20), changed=changes
                )
        return Result(child.returncode, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))


def read_both(child, timeout):
    """What a child prints, until it has ended."""
    until = time.monotonic() + timeout
    got = {child.stdout: bytearray(), child.stderr: bytearray()}
    with selectors.DefaultSelector() as waiting:
        for stream in got:
            waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map():
            left = until - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(child.args, timeout)
            ready = waiting.select(min(left, 0.5))
            # A daemon that it left behind may hold the pipes open for as long as it likes.
            if not ready and child.poll() is not None:
                break
            for key, _events in ready:
                chunk = os.read(key.fd, CHUNK)
                got[key.fileobj] += chunk
                if not chunk:
                    waiting.unregister(key.fileobj)
                if len(got[key.fileobj]) > OUTPUT_MAX:
                    raise OverflowError()
    child.wait(max(until - time.monotonic(), 1))
    return bytes(got[child.stdout]), bytes(got[child.stderr])


def end(child):
    """Asks it to end, and ends it if it does not."""
    child.terminate()
    try:
        # Nobody reads what it still prints.
        child.stdout.close()
        child.stderr.close()
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def cannot_start(command, cause):
    """Why a command could not be started."""
    if isinstance(cause, FileNotFoundError):
        return NotInstalled(
            "%s is not installed on this machine: the role shootdown.kexec.shootdown installs it" % command
        )
    if isinstance(cause, PermissionError):
        return ShootdownError("%s may not be run by this user: become root" % command)
    return ShootdownError("%s cannot be run: %s" % (command, cause.strerror or cause))


def why(what, result):
    """Why a command failed, in one line, from its status and what it said."""
    said = message_of(result.stderr) or message_of(result.stdout)
    if result.status < 0:
        return "%s was ended by signal %d%s" % (what, -result.status, ": " + said if said else "")
    if result.status == INCOMPLETE:
        return "%s changed something, and not all is well: %s" % (what, said or "it does not say what")
    if result.status == USAGE:
        return "%s does not take what this collection gives it (another version?): %s" % (what, said)
    if said == "":
        return "%s ended with status %d and did not say why" % (what, result.status)
    if result.status == FAILED:
        return "%s: %s" % (what, said)
    return "%s ended with status %d: %s" % (what, result.status, said)


def message_of(text):
    """What a command said, in one line: its own lines where there are some."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    prefix = "shootdown: "
    own = [line[len(prefix):] for line in lines if line.startswith(prefix)]
    return shown("; ".join(own or lines))


def shown(text):
    """A text that others made, to be shown in one line."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * MESSAGE_MAX]).strip()
    return line if len(line) <= MESSAGE_MAX else line[:MESSAGE_MAX] + " …"


def parsed(what, result, schema, changes):
    """The JSON object that it printed, which must be of this schema."""
    try:
        value = json.loads(result.stdout)
    except (ValueError, RecursionError):
        said = shown(result.stdout)[:200] or "nothing"
        raise ShootdownError(
            "%s printed no JSON (status %d), but: %s" % (what, result.status, said), changed=changes
        )
    found = value.get("schema") if isinstance(value, dict) else None
    if found != schema:
        raise ShootdownError(
            "%s printed %s, and this collection reads %s"
            % (what, shown(str(found)) if found else "JSON without a schema", schema),
            changed=changes,
        )
    return value


def expect(condition, what, problem):
    """Raises for output that has the right schema and cannot be true."""
    if not condition:
        raise ShootdownError("%s contradicts itself: %s" % (what, problem))
