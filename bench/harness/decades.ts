// The places where growth is looked at.
//
// Owns: powers of ten, and the last one asked for.

/** [1, 10, 100] from 1 to 100; [1000, 2000] from 1000 to 2000. */
export function decades(from: number, to: number): number[] {
  const steps: number[] = [];
  for (let step = from; step < to; step *= 10) steps.push(step);
  return [...steps, to];
}
