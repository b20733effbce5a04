import { fingerprint } from '../quiesce/fingerprint.js';
import { policyDigest } from '../quiesce/policy-digest.js';
import { sha256Of } from './change.js';
import { signatureNeeded } from './checks.js';
import { type Check, note, ok, problem, type Said, some, warning } from './doctor-check.js';
import { RELOAD } from './doctor-loaded.js';
import type { DoctorView } from './doctor-view.js';
import { bootVersions } from './installed-kernels.js';
import { sumsText, wrappedVersions } from './kernels.js';
import { kernelFiles } from './state.js';
import { hasProgram } from './system.js';

const REFRESH = 'shootdown refresh';

/** The wrapped kernels: of the kernel that runs and of the newest, for what boots next. */
export const KERNEL_CHECKS: readonly Check[] = [
  { id: 'kernel.wrapped', look: (view) => ofEach(view, lookAtWrapped) },
  { id: 'kernel.signature', live: true, look: (view) => ofEach(view, lookAtSignature) },
  { id: 'kernel.left', look: lookAtLeft },
];

async function ofEach(
  view: DoctorView,
  look: (view: DoctorView, version: string) => Promise<readonly Said[]>,
): Promise<readonly Said[]> {
  if (!view.has('kdump') && !view.has('kexec')) return [];
  const said: Said[] = [];
  for (const version of view.versions) said.push(...(await look(view, version)));
  return said;
}

/** What makes the plain kernel be loaded instead comes first; what has only changed since, after it. */
async function lookAtWrapped(view: DoctorView, version: string): Promise<readonly Said[]> {
  const files = kernelFiles(version);
  if (!view.system.live && !view.system.exists(files.wrapped))
    return [note(`${files.wrapped} is made when this system boots`)];
  const broken = brokenness(view, version);
  const again = view.has('kdump') ? RELOAD : REFRESH;
  if (broken !== undefined) return [problem(`${broken}: the plain kernel is loaded instead`, again)];
  const { wrapped } = files;
  const info = view.image(wrapped)?.wrapped;
  if (!info) return [problem(`${wrapped} has no stub in it`, again)];
  if (!info.table || info.problems.length > 0)
    return [problem(`${wrapped}: ${info.problems[0] ?? 'its table cannot be read'}`, again)];
  const stale = staleness(view, version);
  if (!info.stub.ofThisVersion) stale.push('its stub is of another version');
  if (stale.length > 0) return [warning(`${wrapped} is not up to date: ${stale.join('; ')}`, again)];
  const machine = await view.machineIfSeen();
  // One that sleeps now and did not then counts as another, so this is no alarm.
  if (machine && fingerprint(machine.topology) !== view.record(version)?.machine)
    return [note(`${wrapped} was wrapped when functions of this machine were others, or slept`, again)];
  return [ok(`${wrapped} is up to date`)];
}

/** Why `wrapped-kernel` would not trust it. */
function brokenness({ system }: DoctorView, version: string): string | undefined {
  const files = kernelFiles(version);
  const wrapped = system.read(files.wrapped);
  if (!wrapped) return `${files.wrapped} is missing`;
  const original = system.read(files.original);
  const sums = system.read(files.sums)?.toString('latin1');
  if (sums === undefined) return `${files.sums} is missing`;
  if (!original || sums === sumsText(files, sha256Of(original), sha256Of(wrapped))) return undefined;
  const [first = ''] = sums.split('\n');
  const same = first === `${sha256Of(original)}  ${files.original}`;
  return same ? `${files.wrapped} is damaged` : `${files.original} changed after it was wrapped`;
}

/** What the kernel was wrapped with that is not so now. */
function staleness(view: DoctorView, version: string): string[] {
  const { system, policy, tool } = view;
  const record = view.record(version);
  if (!record) return [`${kernelFiles(version).record} is missing or damaged`];
  const stale: string[] = [];
  if (record.tool !== tool) stale.push(`wrapped by shootdown ${record.tool}, and this is ${tool}`);
  if (policy && record.policy.sha256 !== policyDigest(policy))
    stale.push(`its policy ${record.policy.name} is not that of now (${policy.name})`);
  const sign = view.install?.sign ?? null;
  const cert = sign && system.read(sign.cert);
  if (sign && !cert) stale.push(`the certificate ${sign.cert} is gone`);
  else if ((cert ? sha256Of(cert) : null) !== record.cert)
    stale.push(sign ? 'it is not signed for the certificate of now' : 'it is signed, which is not asked for');
  return stale;
}

async function lookAtSignature(view: DoctorView, version: string): Promise<readonly Said[]> {
  const { system, install } = view;
  const why = signatureNeeded(system);
  const { wrapped } = kernelFiles(version);
  const info = why === undefined ? undefined : view.image(wrapped);
  if (!info) return [];
  const again = 'shootdown install kdump --sign-key FILE --sign-cert FILE; or shootdown install hook';
  if (info.signature !== 'present')
    return [problem(`${why}, and ${wrapped} is not signed: it cannot be loaded`, again)];
  const cert = install?.sign?.cert;
  if (cert === undefined || !hasProgram(system, 'sbverify'))
    return [
      note(`${wrapped} is signed; by whom was not looked at`, 'apt install sbsigntool, so that it can be'),
    ];
  const args = ['--cert', system.locate(cert), system.locate(wrapped)];
  const { status } = await system.run('sbverify', args, { timeoutMs: 20_000 });
  if (status !== 0) return [problem(`${wrapped}: its signature is not that of ${cert}`, REFRESH)];
  return [
    ok(
      `${wrapped} is signed with ${cert}; that the firmware or the machine owner key list knows it, too, is not looked at`,
    ),
  ];
}

function lookAtLeft({ system }: DoctorView): readonly Said[] {
  const boot = bootVersions(system);
  const left = wrappedVersions(system).filter((version) => !boot.includes(version));
  return left.length === 0 ? [] : [note(`wrapped kernels whose originals are gone: ${some(left)}`, REFRESH)];
}
