import { describe, expect, it } from 'vitest';
import { compareSlots, parseSlot, type Slot } from '../pci/slot.js';
import { buildFunctions } from './functions/build.js';
import { SimMachine } from './machine.js';
import { PLATFORMS } from './platform.js';
import { profile, profileNames } from './profiles.js';

describe('profiles', () => {
  it('are these', () => {
    expect(profileNames).toEqual(['server', 'laptop', 'hpe-like', 'ia64', 'loongson-like']);
    expect(() => profile('mainframe')).toThrow(/try server, laptop, hpe-like, ia64, loongson-like/);
  });

  it.each(profileNames)('%s can be built, in slot order, on a platform of its own', (name) => {
    const { functions, platform, captureDrivers } = profile(name);
    const slots = functions.map(({ slot }) => parseSlot(slot) as Slot);
    expect([...slots].sort(compareSlots)).toEqual(slots);
    expect(buildFunctions(profile(name)).size).toBe(functions.length);
    expect(platform ?? 'x86-server').toBe(name === 'server' ? 'x86-server' : name);
    expect(Object.keys(PLATFORMS)).toContain(platform ?? 'x86-server');
    const drivers = functions.flatMap(({ driver }) => driver?.name ?? []);
    for (const driver of captureDrivers) expect(drivers).toContain(driver);
    for (const slot of slots) {
      const first = slot.replace(/.$/, '0') as Slot;
      expect(slots).toContain(first);
    }
  });

  it.each(profileNames)('%s works: whoever has work to do is at it, and nothing breaks', (name) => {
    const machine = new SimMachine(profile(name), { seed: 1 });
    const wrote = new Set<Slot>();
    machine.observe((event) => {
      if (event.kind === 'dma' && event.refusedBy === null) wrote.add(event.slot);
    });
    machine.run(3000);
    for (const fn of machine.functions.values()) {
      expect([fn.slot, wrote.has(fn.slot)]).toEqual([fn.slot, fn.description.workload !== undefined]);
      expect([fn.slot, fn.device?.wedged ?? null]).toEqual([fn.slot, null]);
    }
  });

  it('keep the slots of those that documents name', () => {
    const slots = (name: string) =>
      profile(name)
        .functions.map(({ slot }) => slot)
        .join(' ');
    expect(slots('server')).toBe(
      '00:00.0 00:01.0 00:02.0 00:19.0 00:1c.0 00:1c.4 00:1e.0 00:1f.0 00:1f.3 01:00.0 02:00.0 03:01.0 ' +
        '03:02.0 04:00.0 05:00.0 06:00.0 07:01.0',
    );
    expect(slots('laptop')).toBe('00:00.0 00:02.0 00:14.0 00:1c.0 00:1d.0 00:1f.0 01:00.0 02:00.0');
  });

  it('have several root complexes among them', () => {
    const { functions } = profile('ia64');
    const led = new Set(functions.map(({ secondary }) => secondary));
    const buses = new Set(
      functions.map(({ slot }) => Number.parseInt(slot, 16)).filter((bus) => !led.has(bus)),
    );
    expect(buses.size).toBeGreaterThan(3);
  });

  it('hpe-like: the capture kernel has no driver for what works below its root ports', () => {
    const { functions, captureDrivers } = profile('hpe-like');
    const below = functions.filter(({ slot, workload }) => workload && !slot.startsWith('00:'));
    expect(below.length).toBeGreaterThan(3);
    for (const { driver } of below) expect(captureDrivers).not.toContain(driver?.name);
    expect(functions.filter(({ driver }) => driver?.shutdown === 'disables')).toHaveLength(4);
  });
});
