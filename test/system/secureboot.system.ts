import { afterEach, expect, it } from 'vitest';
import { savedFlights, writesSeen } from './flight.js';
import type { SystemGuest } from './guest.js';
import { expectBeforeUdev, expectDump, HOOK_DONE, hookLines, NIC, report } from './hook.js';
import { overwriteInInitrd } from './initrd.js';
import { SystemMachine } from './machine.js';
import { SIGNING, signedImage } from './secureboot.js';
import { crashKernelOf, doctorOf, PLAIN_KERNEL, problemsOf, wrappedKernel } from './shootdown.js';
import { systemStore } from './store.js';

// Under Secure Boot: firmware has verified the kernel, and both kernels are locked down.

let machine: SystemMachine | undefined;
afterEach(() => machine?.close());

it('Secure Boot: the hook gates the NIC though config cannot be written, and the dump is saved', async () => {
  const guest = await start('secureboot-hook');
  const refused = await guest.run('shootdown install kdump 2>&1');
  console.error(`install kdump without a key: status ${refused.status}: ${refused.output}`);
  expect(refused.status).toBe(1);
  expect(refused.output).toMatch(/Secure Boot is on.*--sign-key.*shootdown install hook/);
  expect(await guest.must('cat /etc/default/kdump-tools; ls /etc/shootdown 2>&1 || :')).not.toContain(
    'shootdown/integrations',
  );

  await guest.must('shootdown install hook');
  expect(await crashKernelOf(guest)).toBe(PLAIN_KERNEL);
  expect(problemsOf(await doctorOf(guest))).toEqual([]);
  await guest.networkLoad();
  await guest.diskLoad();
  const seen = await guest.crash(HOOK_DONE);
  const { names, log } = await expectDump(theMachine(), seen);
  report('Secure Boot: the hook', seen, names);
  expectBeforeUdev(seen);
  expect(seen.console).toMatch(/Kernel is locked down/);
  expect(seen.stray).toMatchObject({ aliveBefore: true, later: { sent: 10, landed: 0 } });
  expect(hookLines(seen)).toContainEqual(
    expect.stringMatching(`^${NIC} 8086:10d3: gated by enable, Command 0[0-9a-f]{3}->0[0-9a-f]{3}`),
  );
  expect(log?.trim().split('\n')).toEqual(hookLines(seen));
});

it('Secure Boot: the signed wrapped kernel is loaded, no frame strays, dump and flight record are saved', async () => {
  const guest = await start('secureboot-wrapped');
  const release = (await guest.must('uname -r')).trim();
  console.error(
    await guest.must(`shootdown install kdump --sign-key ${SIGNING.key} --sign-cert ${SIGNING.cert} 2>&1`),
  );
  expect(await crashKernelOf(guest)).toBe(wrappedKernel(release));
  expect(await guest.must('kdump-config show')).toMatch(/kexec -p -s /);
  expect(problemsOf(await doctorOf(guest))).toEqual([]);
  await guest.networkLoad();
  await guest.diskLoad();
  const seen = await guest.crash();
  const { names } = await expectDump(theMachine(), seen);
  report('Secure Boot: the signed wrapped kernel', seen, names);
  expect(seen.console).toMatch(/Kernel is locked down/);
  expect(seen.stray).toMatchObject({ aliveBefore: true, landed: 0, later: { landed: 0 } });
  const [record] = (await savedFlights(theMachine().disk)).values();
  if (record === undefined) throw new Error('no flight record was saved');
  expect(record).toMatchObject({ jump: 'crash', end: 'complete', observe: false });
  expect(writesSeen(`${theMachine().folder.path}/trace-1`, record)).toBe(true);
});

it('Secure Boot, with nothing to sign with any more: the plain kernel saves the dump, and doctor tells', async () => {
  const guest = await start('secureboot-unsigned');
  const release = (await guest.must('uname -r')).trim();
  await guest.must(`shootdown install kdump --sign-key ${SIGNING.key} --sign-cert ${SIGNING.cert}`);
  await guest.must(`rm -r ${wrappedKernel(release)} /root/signing
systemctl restart kdump-tools`);
  expect(await crashKernelOf(guest)).toBe(PLAIN_KERNEL);
  const problems = problemsOf(await doctorOf(guest));
  const seen = await guest.crash();
  const { names } = await expectDump(theMachine(), seen);
  report(`Secure Boot, nothing to sign with:\n${problems.join('\n')}\n`, seen, names);
  expect(problems).toContainEqual(expect.stringMatching(/^problem kernel\.wrapped: .* is missing/));
});

it('Secure Boot, with a hook that fails: the dump is saved, and doctor tells', async () => {
  const guest = await start('secureboot-failing');
  await guest.must('shootdown install hook');
  await overwriteInInitrd(guest, 'initramfs-tools', { 'usr/lib/shootdown/gate': 'exit 1\n' });
  const problems = problemsOf(await doctorOf(guest));
  const seen = await guest.crash();
  const { names } = await expectDump(theMachine(), seen);
  report(`Secure Boot, a hook that fails:\n${problems.join('\n')}\n`, seen, names);
  expect(problems).toContainEqual(expect.stringMatching(/^(problem|warning) hook\.initramfs: /));
});

/** A guest whose firmware and kernel insist on signatures. */
async function start(name: string): Promise<SystemGuest> {
  const store = await systemStore();
  machine = await SystemMachine.create({ store, image: await signedImage(store), name });
  const guest = await machine.boot({ secureBoot: true });
  expect(await guest.must('cat /sys/kernel/security/lockdown')).toContain('[integrity]');
  return guest;
}

function theMachine(): SystemMachine {
  if (machine === undefined) throw new Error('there is no machine');
  return machine;
}
