// What a simulated hour must hold to count as one.
//
// Owns: the floors. Hours in which little happened prove little, however fast they pass: a run below
//   a floor is judged as any other, and its time is left out of the hours that are claimed.

/** Operations that clients began, in an hour of virtual time. */
export const operationsPerHour = 18_000;

/**
 * Faults, in an hour of virtual time: of the plan (crashes, cuts, pauses, stalls ...), of single
 * operations of the disk, and messages lost, doubled, cut off or clogged.
 */
export const faultsPerHour = 360;

export interface Density {
  readonly simulatedMs: number;
  readonly operations: number;
  readonly faults: number;
}

export function counts({ simulatedMs, operations, faults }: Density): boolean {
  const hours = simulatedMs / 3_600_000;
  return operations >= operationsPerHour * hours && faults >= faultsPerHour * hours;
}
