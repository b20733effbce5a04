import { systemClock as clock } from '../../src/host/clock.js';
import type { Guest } from '../../src/lab/guest.js';
import { type ConsoleFinding, consoleFindings } from '../../src/lab/judge.js';
import type { Master } from '../../src/lab/master.js';
import { GUEST_MAC } from '../../src/lab/scenario.js';
import { NIC_ALIVE, NIC_UP, requestsScript } from '../../src/lab/scripts.js';
import type { StrayCount } from '../../src/lab/verdict.js';

/** What was seen from outside of a crash and what came after it. */
export interface CrashSeen {
  /** Frames that landed in memory after the capture kernel had printed its first line: as the lab counts them. */
  readonly stray: StrayCount;
  /** QEMU's word for how the machine ended: `guest-reset` once kdump-tools has restarted it. */
  readonly ended: string;
  /** What the console said from the crash on. */
  readonly console: string;
  /** What it complains of. */
  readonly findings: readonly ConsoleFinding[];
}

/** The upgrade of a kernel takes ten minutes on a busy machine. */
const COMMAND_TIMEOUT_MS = 1_800_000;
const LOAD_TIMEOUT_MS = 180_000;
const FIRST_LINE_TIMEOUT_MS = 300_000;
const INIT_TIMEOUT_MS = 600_000;
const END_TIMEOUT_MS = 1_800_000;
/** The kernel's word for the initramfs beginning: no driver that is a module is there yet. */
const INIT = /Run \/init as init process/;
const CRASH = 'echo c >/proc/sysrq-trigger';
/** Beside another NIC it need not be eth0, as the lab's scripts have it. */
const NIC_NAME = `grep -l ${GUEST_MAC} /sys/class/net/*/address | cut -d/ -f5`;
/** Writes and reads on the root disk, without end. */
const DISK_LOAD = `cat >/run/disk-load <<'END'
while :; do
  dd if=/dev/zero of=/var/tmp/load bs=64k count=256 oflag=direct
  dd if=/var/tmp/load of=/dev/null bs=64k iflag=direct
done
END
systemd-run --quiet --unit=disk-load sh /run/disk-load`;

/** A Debian that runs; all scripts are run by its /bin/sh as root. */
export class SystemGuest {
  /** The lab's view: console, QMP, qtest, memory. */
  readonly lab: Guest;
  readonly #master: Master;

  constructor(lab: Guest, master: Master) {
    this.lab = lab;
    this.#master = master;
  }

  /** Runs a script; its status is the caller's business. */
  run(script: string, ms = COMMAND_TIMEOUT_MS) {
    return this.lab.run(script, ms);
  }

  /** Runs a script that must succeed; gives what it printed. */
  must(script: string, ms = COMMAND_TIMEOUT_MS): Promise<string> {
    return this.lab.must(script, ms);
  }

  /** Frames come in through the rig's NIC, and the driver takes them. */
  async networkLoad(): Promise<void> {
    const name = (await this.must(NIC_NAME)).trim();
    const named = (script: string) => script.replaceAll('eth0', name);
    await this.must(named(NIC_UP));
    await this.#master.start(this.lab);
    await this.must(named(NIC_ALIVE), LOAD_TIMEOUT_MS);
  }

  /** The root disk is written to and read from. */
  async diskLoad(): Promise<void> {
    await this.must(DISK_LOAD);
    await this.must(requestsScript('/sys/block/sda/stat'), LOAD_TIMEOUT_MS);
  }

  /**
   * Crashes the kernel and waits for the machine's end, that is for kdump-tools to have restarted it. What is sent
   * later on (`stray.later`) is sent once the console says `settled`: default when the initramfs begins.
   */
  async crash(settled: RegExp = INIT): Promise<CrashSeen> {
    const { lab } = this;
    const from = lab.console.text.length;
    await this.must('sync');
    await this.#master.jump();
    lab.send(CRASH);
    const first = await this.#seen(/Linux version/, from, FIRST_LINE_TIMEOUT_MS);
    await this.#master.after();
    const init = await this.#seen(settled, first, INIT_TIMEOUT_MS);
    await this.#master.ready();
    const stray = await this.#master.judge();
    await this.#seen(/reboot: (machine restart|Power down)/, init, END_TIMEOUT_MS).catch((error: unknown) => {
      // Only a word for what the end itself says.
      if (!lab.console.closed) throw error;
    });
    const ended = await this.#end();
    const console = lab.console.text.slice(from);
    return { stray, ended, console, findings: consoleFindings(lab.console.text.slice(first)) };
  }

  /** Shuts it down in good order. */
  async powerOff(): Promise<void> {
    this.lab.send('systemctl poweroff');
    await this.#seen(/reboot: Power down/, 0, END_TIMEOUT_MS);
    await this.#end();
  }

  async #end(): Promise<string> {
    await this.#master.close();
    const word = await this.lab.ownEnd();
    await this.lab.stop();
    return word;
  }

  /** Where on the console a pattern was found. */
  async #seen(pattern: RegExp, from: number, ms: number): Promise<number> {
    const found = await this.lab.console.find(pattern, { from, ms, clock });
    if (!found) throw this.lab.failure('timeout', `waited for ${pattern.source}`);
    return found.index;
  }
}
