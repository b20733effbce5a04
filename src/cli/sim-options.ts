import { Option } from 'commander';
import { POLICY_NAMES } from '../sim/policies/names.js';
import { choice, wholeNumber } from './options.js';

/** 2³¹ - 1: what a seed may be. */
export const SEED_MAX = 0x7fff_ffff;

export function seedOption(): Option {
  return new Option('--seed <number>', 'draws all that is left to chance: the same seed, the same run')
    .argParser(wholeNumber(0, SEED_MAX))
    .default(1);
}

/** Without a default of its own: where it is given may matter. */
export function policyOption(): Option {
  return choice('--policy <policy>', 'what is done about the jump (default: none)', POLICY_NAMES);
}

/** What `action` resolves to, or `null` if it ended because the signal was aborted. */
export async function unlessStopped<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T | null> {
  try {
    return await action();
  } catch (error) {
    if (signal.aborted && error === signal.reason) return null;
    throw error;
  }
}

/** Lets signals have their turn: a simulation waits for nobody. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
