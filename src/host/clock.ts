/** Time for waits and bounds, in milliseconds from an arbitrary start. Passed in, so that tests and simulators own it. */
export interface Clock {
  now(): number;
  /** Resolves after at least `ms`, or once `signal` aborts; with 0 it only lets pending events, signals among them, run. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (ms <= 0) {
        setImmediate(resolve);
        return;
      }
      const end = () => {
        clearTimeout(timer);
        // A signal that lives long must not gather a listener for every sleep.
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener('abort', end);
    }),
};
