// Waiting that can be cut short.
//
// Owns: one listener a signal, however many wait for it.

const sleepers = new WeakMap<AbortSignal, Set<() => void>>();

/** Resolves after so long, or when the signal is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const waiting = sleepers.get(signal) ?? watch(signal);
    const end = (): void => {
      clearTimeout(timer);
      waiting.delete(end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    waiting.add(end);
  });
}

function watch(signal: AbortSignal): Set<() => void> {
  const waiting = new Set<() => void>();
  sleepers.set(signal, waiting);
  signal.addEventListener("abort", () => {
    for (const end of [...waiting]) end();
  });
  return waiting;
}
