import type { DoctorView } from './doctor-view.js';

/**
 * How something is, the gravest first. A `problem`: what was asked for does not work, or no dump would be saved. A
 * `warning`: it works in part, or will not for long. `unknown`: this process could not tell, often for want of root.
 */
export const CHECK_STATES = ['problem', 'warning', 'unknown', 'note', 'ok'] as const;
export type CheckState = (typeof CHECK_STATES)[number];

/** What a check has to say, in one line each; `advice` is what to do about it. */
export interface Said {
  readonly state: CheckState;
  readonly text: string;
  readonly advice: string | null;
}

/** One thing that `doctor` looks at. It only reads. */
export interface Check {
  /** Stable: monitoring may name it. What it is about, a dot, and what of it. */
  readonly id: string;
  /** Only where the system runs: it needs /proc, /sys or programs. */
  readonly live?: true;
  /** Says nothing where it does not concern this system. Throws `ShootdownError` where it cannot tell. */
  look(view: DoctorView): Told | Promise<Told>;
}

type Told = Said | readonly Said[];

export const ok = (text: string): Said => ({ state: 'ok', text, advice: null });
export const note = (text: string, advice: string | null = null): Said => ({ state: 'note', text, advice });
export const warning = (text: string, advice: string): Said => ({ state: 'warning', text, advice });
export const problem = (text: string, advice: string): Said => ({ state: 'problem', text, advice });
export const unknown = (text: string, advice: string | null = null): Said => ({
  state: 'unknown',
  text,
  advice,
});

/** In whole MiB, rounded up. */
export function mib(bytes: number): string {
  return `${Math.ceil(bytes / (1 << 20))} MiB`;
}

export function counted(count: number, what: string, many = `${what}s`): string {
  return `${count} ${count === 1 ? what : many}`;
}

/** So many, and how many more there are. */
export function some(names: readonly string[], most = 4): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
