// What a simulated hour must hold to count as one.
//
// Owns: the floors. Hours in which little happened prove little, however fast they pass: a run below
//   a floor is judged as any other, and its time is left out of the hours that are claimed.

/** Operations that clients began, in an hour of virtual time: two a second. */
export const operationsPerHour = 7200;

/**
 * Faults, in an hour of virtual time, two a minute: of the plan (crashes, cuts, pauses, stalls ...), of single
 * operations of the disk, and messages lost, doubled, cut off or clogged.
 */
export const faultsPerHour = 120;

export interface Density {
  readonly simulatedMs: number;
  readonly operations: number;
  readonly faults: number;
}

export function counts({ simulatedMs, operations, faults }: Density): boolean {
  const hours = simulatedMs / 3_600_000;
  return operations >= operationsPerHour * hours && faults >= faultsPerHour * hours;
}

/** A campaign of fewer plans is told what it met, and that it owes nothing. */
export const plansThatOwe = 300;

/** What a campaign must have met in a thousand plans; one that met less proved less than it says. */
export const campaignFloors: Readonly<Record<string, number>> = {
  healings: 1000,
  ...{ "fault: crash": 200, "fault: kill": 60, "fault: restart": 80, "fault: crash during recovery": 70 },
  ...{ "fault: pause": 40, "fault: stall disk": 40, "fault: fill disk": 40, "fault: jump clock": 50 },
  ...{ "fault: partition": 80, "fault: clog": 80, "fault: rot": 8, "fault: misdirect": 8 },
  ...{ "disk: failed syncs": 40, "disk: failed appends": 8, "disk: failed reads": 2, "disk: other failures": 10 },
  ...{ "disk: refused for space": 200, "disk: short writes": 40, "disk: broken files": 8 },
  ...{ "messages lost": 6000, "messages doubled": 2000, "messages overtaken": 4000, "messages late": 2000 },
  ...{ "messages cut off": 200, "messages clogged": 200, "damage reported (CORRUPT_MESSAGE)": 15 },
  ...{ "duplicates recognised": 1500, "commits acknowledged": 6000, "records compacted away": 1000 },
  ...{ "revocations (classic)": 300, "revocations (consumer)": 250, "sequence wraps": 100 },
  ...{
    "fault: crash after recovery": 40,
    "fault: fail disk (read log) in a start": 20,
    "fault: fail disk (sync log) in a start": 20,
    "lives ended in a swap": 20,
    "fault: fail disk (create)": 30,
  },
  ...{ "fault: lose snapshots": 10, "fault: lose indexes": 10, "fault: lose cleaner point": 8 },
  ...{ "logs compacted whole": 60, "segments deleted by retention": 400 },
  ...{ "looks in the middle of everything": 800, "lent bytes given back": 1000, "leader epochs compared": 10_000 },
  ...{ "batches of a producer that was taken over from: fail INVALID_PRODUCER_EPOCH": 200 },
  ...{ "commits by keepers ok": 300, "later epochs": 2000 },
  ...{ "recoveries that truncated": 15, "indexes rebuilt": 10, "openings after a clean shutdown": 500 },
};
