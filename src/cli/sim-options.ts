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

export function policyOption(fallback?: string): Option {
  return choice('--policy <policy>', 'what is done about the jump', POLICY_NAMES, fallback);
}

/** Lets signals have their turn: a simulation waits for nobody. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
