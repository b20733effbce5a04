/** What was run and what it said, for docs/ansible-trial.md. */
export class TrialRecord {
  readonly #parts: string[] = [];

  section(title: string, text: string): void {
    this.#parts.push(`## ${title}\n\n${text}`);
  }

  /** A command as an administrator types it, and what of its output tells something. */
  ran(command: string, output: string): void {
    const text = output.trimEnd().replaceAll(OWN_FOLDERS, '');
    this.#parts.push(`\`\`\`text\n$ ${command}\n${text}\n\`\`\``);
  }

  said(text: string): void {
    this.#parts.push(text);
  }

  toString(): string {
    return `${this.#parts.join('\n\n')}\n`;
  }
}

/** Of the machine that the trial runs on. */
const OWN_FOLDERS = /\/tmp\/shootdown-trial-\w+\/|\/run\/trial\/(home|controller)\//g;
const BLOCK_MAX = 14;
/** A diff is the longer one. */
const DIFF_MAX = 40;

/** Of a playbook's output: tasks that changed or failed something, with what they said, and the recap. */
export function shortened(output: string, blockMax = BLOCK_MAX): string {
  const kept: string[] = [];
  let header: string | undefined;
  let block = 0;
  for (const line of output.split('\n')) {
    if (/^(PLAY|TASK|RUNNING HANDLER) /.test(line)) {
      header = line.replace(/ \*+$/, '');
      block = 0;
      if (line.startsWith('PLAY RECAP')) {
        kept.push('', header);
        header = undefined;
        block = Number.POSITIVE_INFINITY;
      }
      continue;
    }
    if (/^(changed|fatal|failed|--- before)/.test(line)) {
      if (header !== undefined) kept.push('', header);
      header = undefined;
      block = line.startsWith('---') ? DIFF_MAX : blockMax;
      // A result in full belongs to -v.
      kept.push(line);
    } else if (block > 0 && line.trim() !== '') {
      kept.push(line);
      if (--block === 0) kept.push('  …');
    }
    if (/^(ok|skipping|included):/.test(line)) block = 0;
  }
  return kept
    .join('\n')
    .replace(/^\n+/, '')
    .replaceAll(/ +(skipped=\d+)/g, ' $1')
    .replaceAll(/[ \t]+$/gm, '');
}
