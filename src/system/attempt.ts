import { ShootdownError } from '../pci/error.js';

/** What the action gives, or the `ShootdownError` that it throws; any other error is a mistake, and is thrown on. */
export function attempt<T>(action: () => T): T | ShootdownError {
  try {
    return action();
  } catch (error) {
    return known(error);
  }
}

/** As `attempt`, for an action that takes its time. */
export async function attemptAsync<T>(action: () => Promise<T>): Promise<T | ShootdownError> {
  try {
    return await action();
  } catch (error) {
    return known(error);
  }
}

function known(error: unknown): ShootdownError {
  if (error instanceof ShootdownError) return error;
  throw error;
}
