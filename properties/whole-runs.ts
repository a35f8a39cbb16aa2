// fast-check's check of runs that take their time, all of which are over when it is.
//
// Owns: that no run goes on beside what comes next. When time is up fast-check turns away from the run
//   that is under way, which still holds its world, and the traps around it.
// Never: decides what is run, or for how long.

import fc from "fast-check";

/** `fc.check` of one asynchronous property; the result is there when the last run has ended, too. */
export async function checkWhole<T>(
  arbitrary: fc.Arbitrary<T>,
  run: (value: T) => Promise<void>,
  parameters: fc.Parameters<[T]>,
): Promise<fc.RunDetails<[T]>> {
  let last: Promise<unknown> = Promise.resolve();
  const property = fc.asyncProperty(arbitrary, (value) => {
    const running = run(value);
    last = running.catch(() => {});
    return running;
  });
  const result = await fc.check(property, parameters);
  await last;
  return result;
}
