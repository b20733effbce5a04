// Vitest's global setup: what the tests start is the bundle, as users do.
export async function setup(): Promise<void> {
  const { bundle } = (await import('../../scripts/bundle.mjs' as string)) as { bundle(): Promise<void> };
  await bundle();
}
