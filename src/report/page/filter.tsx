import type { PageModel } from './model.js';
import type { FunctionView } from './view.js';

/** Works with the script only, which shows it. */
export function Filter({ model: { functions } }: { readonly model: PageModel }) {
  const choices = (of: (view: FunctionView) => string | null) => counted(functions, of);
  return (
    <search aria-label="Functions">
      <form id="filter" hidden>
        <label class="wide">
          Search
          <input
            type="search"
            name="q"
            autocomplete="off"
            spellcheck={false}
            placeholder="slot, name or driver"
          />
        </label>
        <Choice name="verdict" label="Verdict" values={choices(({ verdict }) => verdict)} />
        <Choice name="severity" label="Severity" values={choices(({ severity }) => severity)} />
        <Choice name="driver" label="Driver" values={choices(({ driver }) => driver)} />
        <Choice name="action" label="Policy" values={choices(({ action }) => action)} />
        {functions.some(({ iommu }) => iommu.group != null) ? (
          <label>
            IOMMU group
            <input type="text" name="group" inputMode="numeric" size={8} autocomplete="off" />
          </label>
        ) : null}
        <p class="buttons">
          <button type="button" name="expand">
            Expand all
          </button>{' '}
          <button type="button" name="collapse">
            Collapse all
          </button>{' '}
          <button type="reset">Reset</button>
        </p>
        <output id="found" aria-live="polite" />
      </form>
    </search>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly values: readonly (readonly [value: string, count: number])[];
}

function Choice({ name, label, values }: ChoiceProps) {
  return (
    <label>
      {label}
      <select name={name}>
        <option value="">any</option>
        {values.map(([value, count]) => (
          <option value={value}>
            {value} ({count})
          </option>
        ))}
      </select>
    </label>
  );
}

function counted(
  functions: readonly FunctionView[],
  of: (view: FunctionView) => string | null,
): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const view of functions) {
    const value = of(view);
    if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}
