// What became of work, as a value: what it threw can wait until somebody is there to hear it.
//
// Owns: the shape, and that nothing is left unhandled meanwhile. Never: decides who hears it.

export type Settled<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

export async function settle<T>(effect: () => Promise<T>): Promise<Settled<T>> {
  try {
    return { ok: true, value: await effect() };
  } catch (error) {
    return { ok: false, error };
  }
}
