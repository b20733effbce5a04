"""Tests of the collection that need no Ansible: run by test/ansible.test.ts with the collection in sys.path."""
import ast
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

from ansible_collections.shootdown.kexec.plugins.doc_fragments import command as fragment
from ansible_collections.shootdown.kexec.plugins.module_utils import audit, capture, command, flight

COLLECTION = os.path.dirname(os.path.dirname(os.path.dirname(command.__file__)))


def program(folder, text):
    """A shell script that takes the place of shootdown."""
    path = os.path.join(folder, "program")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text + "\n")
    os.chmod(path, stat.S_IRWXU)
    return path


class Sources(unittest.TestCase):
    """What can be told from files alone."""

    def test_python(self):
        found = 0
        for folder, _folders, names in os.walk(os.path.join(COLLECTION, "plugins")):
            for name in names:
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        ast.parse(file.read(), path, feature_version=(3, 9))
                    found += 1
        self.assertGreaterEqual(found, 8)

    def test_yaml(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("no python3-yaml here; npm run trial:ansible reads them all")
        found = 0
        for folder, _folders, names in os.walk(COLLECTION):
            for name in names:
                if name.endswith(".yml"):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        self.assertIsNotNone(yaml.safe_load(file))
                    found += 1
        self.assertGreaterEqual(found, 14)
        for name in ("shootdown", "shootdown_audit", "shootdown_facts"):
            with open(os.path.join(COLLECTION, "plugins/modules/%s.py" % name), encoding="utf-8") as file:
                body = ast.parse(file.read()).body
            texts = dict(
                (node.targets[0].id, yaml.safe_load(node.value.value))
                for node in body
                if isinstance(node, ast.Assign) and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")
            )
            self.assertEqual(texts["DOCUMENTATION"]["module"], name)
            self.assertEqual(texts["DOCUMENTATION"]["extends_documentation_fragment"], ["shootdown.kexec.command"])
            self.assertEqual(sorted(texts), ["DOCUMENTATION", "EXAMPLES", "RETURN"])
        shared = yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)
        self.assertEqual(sorted(shared), ["attributes", "options", "requirements"])


class Commands(unittest.TestCase):
    """Whatever the command does becomes one line."""

    def message(self, script, timeout=20, changes=False):
        with tempfile.TemporaryDirectory() as folder:
            shootdown = command.Shootdown(program(folder, script), timeout)
            with self.assertRaises(command.ShootdownError) as caught:
                shootdown.json(["audit"], "shootdown.audit/1", changes=changes)
        self.assertNotIn("\n", caught.exception.msg)
        return caught.exception

    def test_messages(self):
        cases = [
            ("echo 'shootdown: /sys: no permission' >&2; exit 1", "shootdown audit: /sys: no permission"),
            ("exit 1", "shootdown audit ended with status 1 and did not say why"),
            ("echo 'shootdown: a' >&2; echo 'shootdown: b' >&2; exit 3", "shootdown audit changed something, and not all is well: a; b"),
            ("echo 'error: unknown' >&2; exit 64", "shootdown audit does not take what this collection gives it (another version?): error: unknown"),
            ("kill -9 $$", "shootdown audit was ended by signal 9"),
            ("echo hello", "shootdown audit printed no JSON (status 0), but: hello"),
            ("echo '[]'", "shootdown audit printed JSON without a schema, and this collection reads shootdown.audit/1"),
            ("echo '{\"schema\": \"shootdown.audit/2\"}'", "shootdown audit printed shootdown.audit/2, and this collection reads shootdown.audit/1"),
            ("head -c 200000 /dev/zero | tr '\\0' '['", None),
        ]
        for script, expected in cases:
            msg = self.message(script).msg
            if expected is not None:
                self.assertEqual(msg, expected)

    def test_status_3_says_that_something_changed(self):
        self.assertTrue(self.message("exit 3").changed)
        self.assertFalse(self.message("exit 1").changed)

    def test_timeout(self):
        error = self.message("exec sleep 60", timeout=0.3, changes=True)
        self.assertIn("had not ended", error.msg)
        self.assertTrue(error.changed)

    def test_pipes_held_open_by_a_daemon(self):
        with tempfile.TemporaryDirectory() as folder:
            result = command.Shootdown(program(folder, "sleep 20 & echo done"), 15).run(["audit"])
        self.assertEqual((result.status, result.stdout), (0, "done\n"))

    def test_not_installed(self):
        with self.assertRaises(command.NotInstalled):
            command.Shootdown("/nowhere/shootdown", 5).version()


class Audits(unittest.TestCase):
    """An audit that cannot be true is none."""

    @classmethod
    def setUpClass(cls):
        argv = json.loads(os.environ["SHOOTDOWN_ARGV"]) + ["audit", "--json", "--host", "sim:laptop"]
        cls.done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)

    def setUp(self):
        self.status, self.audit = self.done.returncode, json.loads(self.done.stdout)

    def refuse(self, pattern):
        with self.assertRaisesRegex(command.ShootdownError, pattern):
            audit.check(self.audit, self.status, "crash")

    def test_real_one(self):
        audit.check(self.audit, self.status, "crash")
        summary = audit.summary_of(self.audit)
        self.assertEqual(sum(summary["verdicts"].values()), summary["functions"])
        self.assertEqual(summary["verdicts"]["live"], len(summary["live"]))

    def test_contradictions(self):
        self.status = 0 if self.status == 2 else 2
        self.refuse("contradicts itself: its status is")

    def test_quiet_master(self):
        one = [function for function in self.audit["functions"] if function["busMaster"]][0]
        one["verdict"] = "quiet"
        self.refuse("is quiet and a bus master")

    def test_twice(self):
        self.audit["functions"].append(self.audit["functions"][0])
        self.refuse("is listed twice")

    def test_finding_about_nobody(self):
        self.audit["findings"][0]["slot"] = "ffff:00:00.0"
        self.refuse("which is not listed")

    def test_parts_missing(self):
        del self.audit["findings"]
        self.refuse("without a list of findings")


class Flights(unittest.TestCase):
    """What speaks against going on."""

    def judged(self, status=0, **changes):
        record = dict(
            end="complete",
            observe=False,
            counts=dict(failed=0, gated=1),
            functions=[dict(slot="0000:01:00.0", verdict="gated", outcome="done", recorded="done")],
        )
        return flight.judged(status, dict(record, **changes))["reasons"]

    def test_judged(self):
        live = dict(slot="0000:01:00.0", verdict="live", outcome="skipped", recorded="wouldGate")
        kept = dict(slot="0000:00:02.0", verdict="live", outcome="exempt", recorded="exempt")
        self.assertEqual(self.judged(), [])
        self.assertEqual(self.judged(2, observe=True, functions=[live, kept]), [])
        self.assertEqual(self.judged(2, functions=[live]), ["0000:01:00.0: live, skipped"])
        self.assertEqual(self.judged(2, observe=True, end="time"), ["the walk ended early: time"])
        self.assertEqual(self.judged(2, counts=dict(failed=2)), ["2 failed"])
        self.assertEqual(self.judged(2), ["shootdown flight ended with status 2"])

    def test_newest_records(self):
        with tempfile.TemporaryDirectory() as folder:
            for stamp, names in {
                "202601010000": ["shootdown-flight.0.bin"],
                "202601020000": ["shootdown-flight.0.bin", "dump.202601020000"],
                "202601020001": ["dump.202601020001"],
                "other": ["shootdown-flight.0.bin"],
            }.items():
                os.mkdir(os.path.join(folder, stamp))
                for name in names:
                    open(os.path.join(folder, stamp, name), "w", encoding="utf-8").close()
            stamps = flight.stamps_of(folder)
            found = flight.newest_records(folder, stamps)
            self.assertEqual(found, [os.path.join(folder, "202601020000", "shootdown-flight.0.bin")])
            os.mkdir(os.path.join(folder, "202601020016"))
            self.assertEqual(flight.newest_records(folder, flight.stamps_of(folder)), [])


class Settings(unittest.TestCase):
    """Of kdump-tools."""

    def mode(self, settings, parts=("kdump",), cmdline="root=/dev/sda1"):
        with tempfile.TemporaryDirectory() as folder:
            texts = dict(DEFAULTS=settings, CMDLINE=cmdline, KDUMP_CONFIG='KDUMP_CMDLINE_APPEND=${KDUMP_CMDLINE_APPEND:="irqpoll"}\n')
            for name, text in texts.items():
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                setattr(capture, name, path)
            return capture.mode(list(parts)), capture.append_without_us()

    def test_modes(self):
        block = '# BEGIN shootdown mode\nKDUMP_CMDLINE_APPEND="irqpoll shootdown=observe"\n# END shootdown mode\n'
        self.assertEqual(self.mode(""), ("act", "irqpoll"))
        self.assertEqual(self.mode("", parts=()), ("none", "irqpoll"))
        self.assertEqual(self.mode(block), ("observe", "irqpoll"))
        self.assertEqual(self.mode("KDUMP_CMDLINE_APPEND='a b'\n" + block), ("observe", "a b"))
        self.assertEqual(self.mode('KDUMP_CMDLINE_APPEND="a shootdown=off"\n'), ("off", "a shootdown=off"))
        self.assertEqual(self.mode('KDUMP_CMDLINE_APPEND="$(cat /x)"\n')[1], None)
        self.assertEqual(self.mode("", cmdline="quiet shootdown=observe")[0], "observe")
        for word in ("dry", "", "on,x"):
            self.assertEqual(self.mode("", cmdline="shootdown=off shootdown=%s quiet" % word)[0], "observe")
        self.assertEqual(self.mode("", cmdline="shootdown=off shootdown=on")[0], "act")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
