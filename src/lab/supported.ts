import type { LabKernel } from './kernel.js';
import type { Scenario } from './scenario.js';

/** Why a scenario cannot be run with this kernel; `null` where it can. */
export async function whyUnsupported(scenario: Scenario, kernel: LabKernel): Promise<string | null> {
  const missing = await kernel.missing([...new Set([...scenario.modules, ...(scenario.nextModules ?? [])])]);
  if (missing.length === 0) return null;
  const modules = `module${missing.length === 1 ? '' : 's'} ${missing.join(', ')}`;
  return `unsupported: Linux ${kernel.release} has no ${modules}, which ${scenario.name} needs`;
}
