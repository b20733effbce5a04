/** The steps of a JSON pointer (RFC 6901); `undefined` if it is not one. */
export function pointerSteps(pointer: string): readonly string[] | undefined {
  if (!/^(\/([^~/]|~[01])*)+$/.test(pointer)) return undefined;
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What a pointer leads to, or what is the matter with it. */
export type Found = { readonly value: unknown } | { readonly missing: string };

export function lookUp(root: unknown, steps: readonly string[]): Found {
  let value = root;
  for (const [i, step] of steps.entries()) {
    const next = child(value, step);
    if (next === undefined) return { missing: `/${steps.slice(0, i + 1).join('/')}` };
    value = next;
  }
  return { value };
}

/** A copy in which what a pointer leads to is another value, or is gone. The way to it must exist. */
export function changed(root: unknown, steps: readonly string[], value: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (Array.isArray(root)) {
    const copy: unknown[] = [...root];
    if (rest.length > 0) copy[Number(step)] = changed(copy[Number(step)], rest, value);
    else if (value === undefined) copy.splice(Number(step), 1);
    else copy[Number(step)] = value;
    return copy;
  }
  const next = rest.length === 0 ? value : changed(child(root, step), rest, value);
  const others = Object.entries(root as object).filter(([key]) => key !== step);
  return Object.fromEntries(next === undefined ? others : [...others, [step, next]]);
}

function child(value: unknown, step: string): unknown {
  if (Array.isArray(value)) return /^(0|[1-9]\d{0,8})$/.test(step) ? value[Number(step)] : undefined;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Record<string, unknown>)[step];
}
