import type { Clock } from '../../host/clock.js';
import type { Host } from '../../host/port.js';
import type { Machine } from '../../host/scan.js';
import type { JumpPath } from '../../quiesce/findings.js';
import type { FunctionResult } from '../../quiesce/journal.js';
import type { Place, Policy } from '../../quiesce/policy.js';
import type { JumpHooks } from '../jump/options.js';
import type { SimMachine } from '../machine.js';
import type { PolicyName } from './names.js';

/** What a shootdown says of each function once it is over: a journal's results, or a flight record's. */
export interface Claims {
  readonly place: Place;
  /** `complete`, or what ended it early. */
  readonly end: string;
  readonly functions: readonly FunctionResult[];
}

/** What runs at the next kernel's entry; time goes on with each access to the host. */
export interface StubSurroundings {
  readonly host: Host;
  readonly clock: Clock;
  readonly policy: Policy;
  /** The machine as it was when the kernel was wrapped for it; `null` for one that was wrapped for any. */
  readonly known: Machine | null;
}

/** Performs a policy between the kernels. The stub's own bytes are passed in: `sim` does not know of images. */
export type StubRunner = (surroundings: StubSurroundings) => Promise<Claims>;

export interface PolicyContext {
  readonly machine: SimMachine;
  readonly path: JumpPath;
  /** What ours goes by. */
  readonly policy: Policy;
  readonly known: Machine | null;
  readonly stub: StubRunner;
  /** Ours says what it did. */
  readonly record: (claims: Claims) => void;
}

/** One way to deal with what could hit the next kernel. */
export interface JumpPolicy {
  readonly name: PolicyName;
  /** What it does, in words after its name and a colon. */
  readonly title: string;
  readonly hooks: (context: PolicyContext) => JumpHooks;
}
