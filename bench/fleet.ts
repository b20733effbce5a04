// A synthetic fleet through `report fleet` and through `jq -c .`, whole processes side by side:
// node scripts/run.mjs bench/fleet.ts [MACHINES...]
// Takes 280 KB of disk a machine, in the system's temporary folder, and gives it back.
import { compareFleet } from './fleet-compare.js';

const sizes = process.argv.slice(2).map(Number);
await compareFleet(sizes.length > 0 ? sizes : [100, 1_000, 10_000], Number(process.env['BENCH_RUNS'] ?? 3));
