import { ShootdownError } from '../pci/error.js';
import { attempt } from './attempt.js';
import { entryState } from './change-plan.js';
import { type Check, counted, note, ok, problem, type Said, some, unknown, warning } from './doctor-check.js';
import type { DoctorView } from './doctor-view.js';
import { policyOf } from './installed-policy.js';
import { PLACES_OF } from './places.js';
import { PARTS, readChanges, readInstall } from './state.js';
import { readTextOf } from './system.js';

/** Whether what `install` did is still so. */
export const INSTALL_CHECKS: readonly Check[] = [
  { id: 'install.parts', look: lookAtParts },
  { id: 'install.files', look: lookAtFiles },
  { id: 'install.program', look: lookAtProgram },
  { id: 'install.version', look: lookAtVersion },
  { id: 'install.policy', look: lookAtPolicy },
];

function lookAtParts({ system }: DoctorView): Said {
  const install = attempt(() => readInstall(system));
  // Its message says what to do.
  if (install instanceof ShootdownError)
    return problem(install.message, 'shootdown uninstall all, then install again');
  const parts = PARTS.filter((part) => install?.parts[part] !== undefined);
  if (parts.length > 0) {
    const hook = install?.parts.hook;
    const names = parts.map((part) =>
      part === 'hook' && hook ? `hook (${hook.when}, ${hook.generator})` : part,
    );
    return ok(`installed: ${names.join(', ')}`);
  }
  return warning(
    'nothing of shootdown is installed on this system',
    'shootdown install kdump; where the kernel must keep its signature: shootdown install hook',
  );
}

function lookAtFiles({ system, install }: DoctorView): readonly Said[] {
  const changes = attempt(() => readChanges(system));
  if (changes instanceof ShootdownError)
    return [
      problem(changes.message, 'shootdown uninstall all takes back what can be told; then install again'),
    ];
  const parts = PARTS.filter((part) => install?.parts[part] !== undefined);
  const entries = changes?.entries ?? [];
  if (entries.length === 0 && parts.length === 0) return [];
  const said: Said[] = [];
  const lost = parts.filter((part) => !entries.some((entry) => entry.parts.includes(part)));
  for (const part of lost)
    said.push(
      problem(
        `${PLACES_OF.changes} knows nothing of ${part}: it is lost, or was never done`,
        `shootdown install ${part}`,
      ),
    );
  let fine = 0;
  for (const entry of entries) {
    const [part = 'all'] = entry.parts;
    if (entry.kind === 'command') {
      const line = [entry.command, ...entry.args].join(' ');
      if (!entry.done)
        said.push(problem(`${line} was not run to its end: half installed`, `shootdown install ${part}`));
      continue;
    }
    // The line has a check of its own.
    const found = entry.kind === 'line' ? 'fine' : entryState(system, entry);
    if (found === 'changed')
      said.push(
        warning(
          `${entry.path} was changed since it was installed`,
          `move it away, then shootdown install ${part}`,
        ),
      );
    else if (found === 'gone')
      said.push(problem(`${entry.path} is gone or not as it was`, `shootdown install ${part}`));
    else fine++;
  }
  return said.length > 0 ? said : [ok(`${counted(fine, 'file')} as they were installed`)];
}

// Only absolute ones; those in /usr/lib/shootdown are in an initramfs.
const SCRIPT =
  /(\/[\w/.,+@:=-]+)\/(?:kdump-kernel|kdump-fallback|kexec-load|save-flight|wrapped-kernel|gate)\b/g;
const PROGRAM = /((?:\/[\w/.,+@:=-]+ )+)(?:refresh|hook-table)\b/g;

/** What is installed calls the program and its scripts where they were then. */
function lookAtProgram({ system, changes, settings }: DoctorView): readonly Said[] {
  const files = (changes?.entries ?? []).filter((entry) => entry.kind === 'file' && !entry.generated);
  const texts = files.map((entry) => (entry.kind === 'file' ? (readTextOf(system, entry.path) ?? '') : ''));
  const called = new Set<string>(settings.lib === null ? [] : [`${settings.lib}/kdump-kernel`]);
  for (const text of texts.map((all) => all.replaceAll(/^\s*#.*$/gm, ''))) {
    for (const [path = '', folder] of text.matchAll(SCRIPT))
      if (folder !== '/usr/lib/shootdown') called.add(path);
    for (const [, line = ''] of text.matchAll(PROGRAM))
      for (const path of line.trim().split(' ')) called.add(path);
  }
  if (called.size === 0) return [];
  const gone = [...called].filter((path) => !system.exists(path));
  if (gone.length === 0) return [ok('the program that hooks and units call is there')];
  return [
    problem(
      `hooks and units call what is gone: ${some(gone)}`,
      'install the shootdown package again, or take all back with shootdown uninstall all',
    ),
  ];
}

/** The package brings them up to date when it is upgraded; npm does not. */
function lookAtVersion({ changes, tool }: DoctorView): readonly Said[] {
  if (!changes || changes.entries.length === 0 || changes.tool === tool) return [];
  const text = `units and hooks are those of shootdown ${changes.tool}, and this is ${tool}`;
  return [warning(text, 'shootdown refresh --parts --reload')];
}

function lookAtPolicy({ system, install }: DoctorView): readonly Said[] {
  if (!install) return [];
  const policy = attempt(() => policyOf(system, install));
  if (policy instanceof ShootdownError)
    return [
      policy.code === 'no-permission'
        ? unknown(policy.message)
        : problem(policy.message, 'put the policy back, or shootdown install again with another --policy'),
    ];
  return install.policy === null ? [] : [note(`policy ${policy.name}, from ${install.policy}`)];
}
