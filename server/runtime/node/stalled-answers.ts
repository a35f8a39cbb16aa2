// Answers that hold memory until their clients have taken them, and what becomes of those whose
// clients don't.
//
// Owns: how slow a client may be. Never: an answer's bytes, or answers that hold nothing.
//
// Invariants: a client that takes its answer at `leastBytesPerSecond` is never cut; one that takes
//   nothing is cut within two patiences, and the time that such a client would have needed.

export interface Patience {
  readonly patienceMs: number;
  readonly leastBytesPerSecond: number;
}

export const usualPatience: Patience = { patienceMs: 30_000, leastBytesPerSecond: 64 * 1024 };
const looksPerPatience = 4;

export interface WatchedAnswer {
  /** Written, and not with the system yet; 0 while it has nothing to send. Bytes. */
  pendingBytes(): number;
  cut(): void;
}

interface Watched {
  readonly answer: WatchedAnswer;
  pendingBytes: number;
  sinceMs: number;
}

export class StalledAnswers {
  readonly #patience: Patience;
  readonly #watched: Set<Watched> = new Set();
  #timer: NodeJS.Timeout | null = null;

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  /** The result ends the watch. */
  watch(answer: WatchedAnswer): () => void {
    const watched = { answer, pendingBytes: 0, sinceMs: 0 };
    this.#watched.add(watched);
    this.#timer ??= setInterval(() => this.#look(), this.#patience.patienceMs / looksPerPatience);
    return () => {
      this.#watched.delete(watched);
      if (this.#watched.size > 0 || this.#timer === null) return;
      clearInterval(this.#timer);
      this.#timer = null;
    };
  }

  #look(): void {
    const now = performance.now();
    const { patienceMs, leastBytesPerSecond } = this.#patience;
    for (const watched of this.#watched) {
      const pendingBytes = watched.answer.pendingBytes();
      if (pendingBytes === 0 || pendingBytes !== watched.pendingBytes) {
        watched.pendingBytes = pendingBytes;
        watched.sinceMs = now;
      } else if (now - watched.sinceMs >= patienceMs + (pendingBytes / leastBytesPerSecond) * 1000) {
        watched.answer.cut();
      }
    }
  }
}
