// Work on many partitions, a few at a time.
//
// Owns: how many at once, and that nothing of it goes on after the end.
// Never: knows what the work is.

/** Enough to keep the disk busy with their syncs; in recovery each may hold a scan buffer of some MiB. */
const atOnce = 4;

/** Begins them in their order. After a failure none begins; rejects with the first when those under way have ended. */
export async function inParallel(work: readonly (() => Promise<void>)[]): Promise<void> {
  const left = work.values();
  let failure: { readonly error: unknown } | null = null;
  const worker = async (): Promise<void> => {
    for (const one of left) {
      if (failure !== null) return;
      try {
        await one();
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
}
