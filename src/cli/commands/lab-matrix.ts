import type { Command } from 'commander';
import { type MatrixCell, runMatrix } from '../../lab/matrix.js';
import { kernelSeries, preparedCatalog, preparedParts } from '../../lab/prepare.js';
import { runScenario } from '../../lab/run.js';
import { LAB_POLICIES, type LabPolicy } from '../../lab/scenario.js';
import { SCENARIOS, scenarioNamed } from '../../lab/scenarios.js';
import { whyUnsupported } from '../../lab/supported.js';
import { printable } from '../../pci/printable.js';
import { matrixMarkdown, matrixText } from '../../report/matrix.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io } from '../io.js';
import { accelOption, type LabOptions, newRunFolder, openStore, runSurroundings } from '../lab-options.js';
import { choice, jsonText, wholeNumber } from '../options.js';

interface MatrixOptions extends LabOptions {
  readonly kernel?: readonly string[];
  readonly scenario?: readonly string[];
  readonly policy?: readonly LabPolicy[];
  readonly format: 'text' | 'markdown' | 'json';
  readonly jobs: number;
}

export function matrixCommand(
  lab: Command,
  run: (action: (io: Io) => Promise<ExitStatus>) => Promise<void>,
): void {
  lab
    .command('matrix')
    .description('run scenarios with and without a shootdown, and compare')
    .option('--kernel <series...>', 'only these series (default: 6.1 and 6.12, if prepared)')
    .option('--scenario <name...>', 'only these scenarios (default: all)')
    .addOption(choice('--policy <policy...>', 'only these policies (default: all)', LAB_POLICIES))
    .addOption(choice('--format <format>', 'how it is printed', ['text', 'markdown', 'json'], 'text'))
    .option('--jobs <count>', 'guests at a time', wholeNumber(1, 1000), 1)
    .option('--offline', 'use only what was prepared before')
    .option('--keep', 'remove no older runs')
    .addOption(accelOption())
    .action((options: MatrixOptions) => run((io) => runMatrixCommand(options, io)));
}

async function runMatrixCommand(options: MatrixOptions, io: Io): Promise<ExitStatus> {
  const scenarios = options.scenario?.map(scenarioNamed) ?? SCENARIOS;
  const store = openStore(options, io);
  await store.sweep();
  const kernels = options.kernel ?? kernelSeries(await preparedCatalog(store));
  const policies = options.policy ?? LAB_POLICIES;
  const parts = new Map<string, Awaited<ReturnType<typeof preparedParts>>>();
  for (const series of kernels) parts.set(series, await preparedParts(store, series));
  const cells: MatrixCell[] = [];
  for (const scenario of scenarios) {
    for (const [series, { kernel }] of parts) {
      const why = await whyUnsupported(scenario, kernel);
      const head = { scenario, series, ...(why === null ? {} : { unsupported: why }) };
      cells.push(...policies.map((policy) => ({ ...head, policy })));
    }
  }
  const matrix = await runMatrix(
    cells,
    async ({ scenario, series, policy }, at) => {
      const guest = parts.get(series) ?? (await preparedParts(store, series));
      const name = `${scenario.name}-${series}-${policy}`;
      const folder = newRunFolder(store, name, options.keep ?? false);
      at(folder.path);
      return runScenario(scenario, {
        ...runSurroundings(io),
        policy,
        parts: guest,
        folder,
        accel: options.accel ?? 'tcg',
      });
    },
    {
      jobs: options.jobs,
      signal: io.signal,
      onRow: (row, done) => {
        const what = `${row.scenario} ${row.kernel} ${row.policy}`;
        if (row.outcome === 'failed') {
          const said = row.tail === null ? '' : `; the console's last lines: ${printable(row.tail)}`;
          const where = row.folder === null ? '' : `; run: ${row.folder}`;
          io.err(`shootdown: ${what}: ${printable(row.remark)}${said}${where}\n`);
        }
        io.status(`${done}/${cells.length} ${what}: ${row.outcome}`);
      },
    },
  );
  if (options.format === 'json') io.out(jsonText(matrix));
  else io.out(options.format === 'markdown' ? matrixMarkdown(matrix) : matrixText(matrix, io.style));
  if (matrix.interrupted) {
    io.err(`shootdown: stopped; ${matrix.rows.length} of ${cells.length} runs: ${store.path('runs')}\n`);
    return EXIT.failed;
  }
  if (matrix.rows.some(({ outcome }) => outcome === 'failed')) return EXIT.failed;
  const bad = matrix.rows.some(
    ({ policy, outcome }) => policy === 'ours' && !['clean', 'unsupported'].includes(outcome),
  );
  return bad ? EXIT.findings : EXIT.clean;
}
