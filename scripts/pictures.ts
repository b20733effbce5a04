import { jumpStories } from '../src/cli/report-jumps.js';
import { scan } from '../src/host/scan.js';
import type { PciNames } from '../src/pci/pci-ids.js';
import { audit } from '../src/quiesce/audit.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { makePlan } from '../src/quiesce/plan.js';
import { pageModel } from '../src/report/page/model.js';
import { treeSvg } from '../src/report/page/svg.js';
import { jumpSvg } from '../src/report/timeline/jump-svg.js';
import { createMachine } from '../src/sim/index.js';

/** As pci.ids has them, which is another on each system. */
const CLASSES: Readonly<Record<number, string>> = {
  67586: 'NVMe controller',
  131072: 'Ethernet controller',
  196608: 'VGA controller',
  197120: '3D controller',
  393216: 'host bridge',
  393472: 'ISA bridge',
  787248: 'USB controller',
  787712: 'SMBus',
};
const NAMES: PciNames = { device: () => '', className: (code) => CLASSES[code] ?? '' };

/** The tree of the demo's machine if its kernel panicked, for the README. */
export async function treePicture(): Promise<string> {
  const machine = await scan(createMachine('server').host);
  const policy = defaultPolicy();
  return treeSvg(
    pageModel({
      audit: audit(machine, policy, 'crash'),
      topology: machine.topology,
      plan: makePlan(machine, policy, { at: 'between' }),
      names: NAMES,
    }),
  );
}

/** A crash that ends in a hang without us, and clean with: for the README. */
export async function jumpPicture(): Promise<string> {
  const io = { signal: new AbortController().signal, status: () => {} };
  const { stories } = await jumpStories({ scenario: 'bridge-before-child' }, io);
  return jumpSvg(stories);
}
