import { hex, type Slot, slotParts } from '../../pci/slot.js';
import type { Problem } from './check.js';
import { strayBuses } from './root-buses.js';
import type { FunctionData } from './schema.js';

interface Bridge {
  readonly at: string;
  readonly slot: Slot;
  readonly domain: number;
  readonly bus: number;
  readonly secondary: number;
}

/** Buses that cannot be: in a circle, upwards, reached twice, or within the range of a bridge that does not lead there. */
export function topologyProblems(functions: readonly FunctionData[]): readonly Problem[] {
  const bridges = functions.flatMap(({ slot, secondary }, i): Bridge[] => {
    if (secondary === undefined) return [];
    const { domain, bus } = slotParts(slot);
    const at = `machine.functions.${i}.secondary`;
    return [{ at, slot, domain, bus, secondary: Number.parseInt(secondary, 16) }];
  });
  const above = new Map<string, Bridge>();
  const problems: Problem[] = [];
  for (const bridge of bridges) {
    const other = above.get(key(bridge.domain, bridge.secondary));
    if (!other) above.set(key(bridge.domain, bridge.secondary), bridge);
    else
      problems.push({
        at: bridge.at,
        text: `${busOf(bridge)} is reached twice: ${other.slot} leads there, too`,
      });
  }
  for (const bridge of bridges) {
    if (bridge.secondary > bridge.bus) continue;
    const circle = circleFrom(bridge, above);
    const text = circle
      ? `${busOf(bridge)} leads back to ${bridge.slot}: the topology is a cycle, ${circle}`
      : `${busOf(bridge)} is not below bus ${hex(bridge.bus, 2)}, on which ${bridge.slot} lies`;
    problems.push({ at: bridge.at, text });
  }
  return problems.length > 0
    ? problems
    : [...rangeProblems(functions, bridges, above), ...strayProblems(functions)];
}

/** The same slot in a machine without its bridge would silently be on another root bus. */
function strayProblems(functions: readonly FunctionData[]): Problem[] {
  const stray = strayBuses(
    functions.map(({ slot, secondary, class: code, express }) => ({
      ...{ slot, express, kind: Number.parseInt(code.slice(0, 4), 16) },
      secondary: secondary === undefined ? undefined : Number.parseInt(secondary, 16),
    })),
  );
  return stray.map(({ at, bus }) => ({
    at: `machine.functions.${at}.slot`,
    text: `no bridge leads to bus ${bus}: give one "secondary": "${bus}", or, if it is a root bus of its own, put a host bridge (class 060000) on it`,
  }));
}

/** The way up from a bridge back to itself, as text. */
function circleFrom(start: Bridge, above: ReadonlyMap<string, Bridge>): string | undefined {
  const way = [start.slot];
  for (let at = above.get(key(start.domain, start.bus)); at; at = above.get(key(at.domain, at.bus))) {
    if (at === start) return [...way, start.slot].join(' below ');
    if (way.includes(at.slot)) return undefined;
    way.push(at.slot);
  }
  return undefined;
}

/**
 * Bridges pass on what lies between their secondary and subordinate bus: each bus in there must be reached from
 * there. Without this, firmware could not have numbered the machine so.
 */
function rangeProblems(
  functions: readonly FunctionData[],
  bridges: readonly Bridge[],
  above: ReadonlyMap<string, Bridge>,
): Problem[] {
  const problems: Problem[] = [];
  const last = lastBuses(functions, bridges, above);
  const claims = new Map<string, Bridge[]>();
  for (const bridge of bridges) {
    for (let bus = bridge.secondary; bus <= (last.get(bridge) ?? 0); bus++) {
      const claiming = claims.get(key(bridge.domain, bus));
      if (claiming) claiming.push(bridge);
      else claims.set(key(bridge.domain, bus), [bridge]);
    }
  }
  const seen = new Set<string>();
  for (const [i, { slot }] of functions.entries()) {
    const { domain, bus } = slotParts(slot);
    if (seen.has(key(domain, bus))) continue;
    seen.add(key(domain, bus));
    const way = new Set(wayUp(above.get(key(domain, bus)), above));
    const wrong = claims.get(key(domain, bus))?.find((bridge) => !way.has(bridge));
    if (!wrong) continue;
    const [from, to] = [wrong.secondary, last.get(wrong) ?? 0].map((end) => hex(end, 2));
    const text = `bus ${hex(bus, 2)} lies between ${from} and ${to}, which ${wrong.slot} claims, but it is not reached from there`;
    problems.push({ at: `machine.functions.${i}.slot`, text });
  }
  return problems;
}

/** A bridge and those above it. */
function* wayUp(from: Bridge | undefined, above: ReadonlyMap<string, Bridge>): Generator<Bridge, void, void> {
  for (let at = from; at; at = above.get(key(at.domain, at.bus))) yield at;
}

/** The highest bus below each bridge, virtual functions among what lies there. */
function lastBuses(
  functions: readonly FunctionData[],
  bridges: readonly Bridge[],
  above: ReadonlyMap<string, Bridge>,
): ReadonlyMap<Bridge, number> {
  const last = new Map(bridges.map((bridge) => [bridge, bridge.secondary]));
  const raise = (from: Bridge | undefined, bus: number) => {
    for (const at of wayUp(from, above)) last.set(at, Math.max(last.get(at) ?? 0, bus));
  };
  for (const bridge of bridges) raise(bridge, bridge.secondary);
  for (const { slot, vfs } of functions) {
    if (!vfs) continue;
    const { domain, bus, device, function: fn } = slotParts(slot);
    raise(above.get(key(domain, bus)), (bus * 256 + device * 8 + fn + vfs) >> 8);
  }
  return last;
}

const key = (domain: number, bus: number) => `${domain}:${bus}`;
const busOf = ({ secondary }: Bridge) => `${JSON.stringify(hex(secondary, 2))}: bus ${hex(secondary, 2)}`;
