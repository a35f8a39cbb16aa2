// A coordination store as a cluster will use one, beyond a simulated network: the port, and what answers it.
//
// Owns: compare-and-set with a revision, leases, lists at a revision, watches by prefix from a revision;
//   and their faults: an answer that is lost (the transaction is then indefinite), a watch that is cut,
//   compaction, a store that stands still. Source: etcd's API; design of the cluster.
// Never: is reached by the engine yet: the port moves there with its first caller.
//
// Invariants: every change has a revision of its own, one higher than the last; a transaction takes
//   effect wholly, at one revision, or not at all; a watch tells of every change after its revision, in
//   order and once, until it ends; a lease is liveness, never a lock: its keys are gone at one revision.

import { Stream } from "../random.ts";
import type { Channel, Network } from "./network.ts";
import type { Scheduler } from "./scheduler.ts";

export interface Pair {
  readonly key: string;
  readonly value: string;
  /** Of the change that made the key, since it was last absent. */
  readonly createRevision: number;
  /** Of its last change. */
  readonly modRevision: number;
  readonly lease: number | null;
}

/** 0 is the revision of a key that is not there. */
export interface Comparison {
  readonly key: string;
  readonly of: "createRevision" | "modRevision";
  readonly is: number;
}

export type Operation =
  | { readonly do: "put"; readonly key: string; readonly value: string; readonly lease?: number }
  | { readonly do: "delete"; readonly key: string };

export interface Transacted {
  readonly succeeded: boolean;
  /** Of the store after it. */
  readonly revision: number;
}

export interface Listed {
  readonly pairs: readonly Pair[];
  readonly revision: number;
}

export interface Change {
  readonly kind: "put" | "delete";
  readonly key: string;
  /** null of a deletion. */
  readonly pair: Pair | null;
  readonly revision: number;
}

export interface WatchListener {
  /** The changes of one revision. */
  changed(changes: readonly Change[]): void;
  /** `cut`: watch again from the last revision heard + 1. `compacted`: what lies before `revision` is gone; list anew. */
  ended(why: "cut" | "compacted", revision: number): void;
}

export class CoordinationError extends Error {
  readonly kind: "no answer" | "compacted" | "no lease";
  /** `unknown`: it may have had its effect, or have it later. */
  readonly effect: "none" | "unknown";
  constructor(kind: CoordinationError["kind"], effect: CoordinationError["effect"], message: string) {
    super(message);
    this.kind = kind;
    this.effect = effect;
  }
}

/** What a broker will be handed. */
export interface Coordination {
  /** Applies all operations at one revision when every comparison holds, else none. */
  transact(comparisons: readonly Comparison[], operations: readonly Operation[]): Promise<Transacted>;
  /** What begins with `prefix`, now or as it was at a revision. */
  list(prefix: string, atRevision?: number): Promise<Listed>;
  /** Every change of what begins with `prefix` from `fromRevision` on. The result ends it. */
  watch(prefix: string, fromRevision: number, listener: WatchListener): () => void;
  /** A lease ends `ttlMs` after it was last kept alive, and with it the keys that are bound to it. */
  grant(ttlMs: number): Promise<number>;
  /** Rejects with "no lease" when it is over. */
  keepAlive(lease: number): Promise<void>;
  revoke(lease: number): Promise<void>;
}

// ---- the store -----------------------------------------------------------------------------

interface Lease {
  readonly ttlMs: number;
  readonly keys: Set<string>;
  cancel: () => void;
}

interface Watch {
  readonly prefix: string;
  readonly tell: (changes: readonly Change[]) => void;
  readonly end: (why: "cut" | "compacted", revision: number) => void;
}

export class CoordinationStore {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly #stream: Stream;
  readonly #pairs: Map<string, Pair> = new Map();
  /** Of each revision after the compacted ones, in order. */
  readonly #changes: Change[][] = [];
  /** The pairs as they were before the oldest change that is kept. */
  readonly #base: Map<string, Pair> = new Map();
  readonly #leases: Map<number, Lease> = new Map();
  readonly #watches: Set<Watch> = new Set();
  #revision = 0;
  #compactedBelow = 1;
  #nextLease = 1;
  #pausedUntilMs = 0;

  constructor(scheduler: Scheduler, name: string) {
    this.scheduler = scheduler;
    this.name = name;
    this.#stream = new Stream(scheduler.seed, "store", name);
  }

  get revision(): number {
    return this.#revision;
  }

  /** Forgets how things were before a revision. */
  compact(beforeRevision: number): void {
    const below = Math.max(this.#compactedBelow, Math.min(beforeRevision, this.#revision));
    for (const changes of this.#changes.splice(0, below - this.#compactedBelow)) {
      for (const { key, pair } of changes) {
        if (pair === null) this.#base.delete(key);
        else this.#base.set(key, pair);
      }
    }
    this.#compactedBelow = below;
  }

  cutWatches(): void {
    for (const watch of [...this.#watches]) this.#end(watch, "cut");
  }

  /** Answers nobody for a while, and then everybody. */
  pause(durationMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.scheduler.nowMs + durationMs);
  }

  /** Runs when the store next does anything. */
  whenAwake(run: () => void): void {
    const leftMs = this.#pausedUntilMs - this.scheduler.nowMs;
    if (leftMs <= 0) run();
    else this.scheduler.after("timer", leftMs, this.#stream.id(), run);
  }

  transact(comparisons: readonly Comparison[], operations: readonly Operation[]): Transacted {
    for (const operation of operations) {
      if (operation.do === "put" && operation.lease !== undefined && !this.#leases.has(operation.lease))
        throw new CoordinationError("no lease", "none", `lease ${operation.lease} is over`);
    }
    const succeeded = comparisons.every(({ key, of, is }) => (this.#pairs.get(key)?.[of] ?? 0) === is);
    if (succeeded) this.#apply(operations);
    return { succeeded, revision: this.#revision };
  }

  list(prefix: string, atRevision: number = this.#revision): Listed {
    if (atRevision < this.#compactedBelow - 1 || atRevision < 0) throw this.#compacted(atRevision);
    const pairs = new Map(this.#base);
    for (const changes of this.#changes.slice(0, atRevision + 1 - this.#compactedBelow)) {
      for (const { key, pair } of changes) {
        if (pair === null) pairs.delete(key);
        else pairs.set(key, pair);
      }
    }
    const wanted = [...pairs.values()].filter(({ key }) => key.startsWith(prefix));
    return { pairs: wanted.sort((a, b) => (a.key < b.key ? -1 : 1)), revision: atRevision };
  }

  watch(prefix: string, fromRevision: number, watch: Omit<Watch, "prefix">): () => void {
    const entry: Watch = { prefix, ...watch };
    if (fromRevision < this.#compactedBelow) {
      watch.end("compacted", this.#compactedBelow);
      return () => {};
    }
    for (const changes of this.#changes.slice(fromRevision - this.#compactedBelow)) tell(entry, changes);
    this.#watches.add(entry);
    return () => void this.#watches.delete(entry);
  }

  grant(ttlMs: number): number {
    const id = this.#nextLease++;
    this.#leases.set(id, { ttlMs, keys: new Set(), cancel: () => {} });
    this.keepAlive(id);
    return id;
  }

  keepAlive(id: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw new CoordinationError("no lease", "none", `lease ${id} is over`);
    lease.cancel();
    // A store that stood still has not counted the time.
    lease.cancel = this.scheduler.after("timer", lease.ttlMs, this.#stream.id(), () =>
      this.whenAwake(() => this.revoke(id)),
    );
  }

  revoke(id: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.cancel();
    this.#leases.delete(id);
    this.#apply([...lease.keys].sort().map((key): Operation => ({ do: "delete", key })));
  }

  #apply(operations: readonly Operation[]): void {
    const effective = operations.filter((operation) => operation.do === "put" || this.#pairs.has(operation.key));
    if (effective.length === 0) return;
    this.#revision += 1;
    const revision = this.#revision;
    const changes = effective.map((operation): Change => {
      const { key } = operation;
      const before = this.#pairs.get(key);
      if (before?.lease !== null && before?.lease !== undefined) this.#leases.get(before.lease)?.keys.delete(key);
      if (operation.do === "delete") {
        this.#pairs.delete(key);
        return { kind: "delete", key, pair: null, revision };
      }
      const lease = operation.lease ?? null;
      if (lease !== null) this.#leases.get(lease)?.keys.add(key);
      const createRevision = before?.createRevision ?? revision;
      const pair = { key, value: operation.value, createRevision, modRevision: revision, lease };
      this.#pairs.set(key, pair);
      return { kind: "put", key, pair, revision };
    });
    this.#changes.push(changes);
    for (const watch of [...this.#watches]) tell(watch, changes);
  }

  #end(watch: Watch, why: "cut" | "compacted"): void {
    if (this.#watches.delete(watch)) watch.end(why, this.#compactedBelow);
  }

  #compacted(revision: number): CoordinationError {
    return new CoordinationError("compacted", "none", `revision ${revision} is compacted: list what is now`);
  }
}

function tell(watch: Watch, changes: readonly Change[]): void {
  const wanted = changes.filter(({ key }) => key.startsWith(watch.prefix));
  if (wanted.length > 0) watch.tell(wanted);
}

// ---- beyond the network --------------------------------------------------------------------

const answerLimitMs = 3000;

/** The store as one of its clients has it. */
export class RemoteCoordination implements Coordination {
  readonly #name: string;
  readonly #store: CoordinationStore;
  readonly #network: Network;
  readonly #stream: Stream;

  constructor(name: string, store: CoordinationStore, network: Network) {
    this.#name = name;
    this.#store = store;
    this.#network = network;
    this.#stream = new Stream(store.scheduler.seed, "coordination", name);
  }

  transact(comparisons: readonly Comparison[], operations: readonly Operation[]): Promise<Transacted> {
    return this.#ask("unknown", (store) => store.transact(comparisons, operations));
  }

  list(prefix: string, atRevision?: number): Promise<Listed> {
    return this.#ask("none", (store) => store.list(prefix, atRevision));
  }

  grant(ttlMs: number): Promise<number> {
    return this.#ask("unknown", (store) => store.grant(ttlMs));
  }

  keepAlive(lease: number): Promise<void> {
    return this.#ask("unknown", (store) => store.keepAlive(lease));
  }

  revoke(lease: number): Promise<void> {
    return this.#ask("unknown", (store) => store.revoke(lease));
  }

  watch(prefix: string, fromRevision: number, listener: WatchListener): () => void {
    const channel: Channel = { lastArrivalMs: 0 };
    let isOver = false;
    let isBroken = false;
    let stop = (): void => {};
    const end = (why: "cut" | "compacted", revision: number): void => {
      if (isOver) return;
      isOver = true;
      stop();
      listener.ended(why, revision);
    };
    /** What is lost of a stream breaks it: nothing of it comes any more, and the client notices after a while. */
    const stream = (deliver: () => void): void => {
      if (isBroken) return;
      const copies = this.#network.send(this.#store.name, this.#name, () => !isOver && deliver(), { channel });
      if (copies > 0) return;
      isBroken = true;
      this.#later(() => end("cut", 0));
    };
    const begin = (): void => {
      if (isOver) return;
      stop = this.#store.watch(prefix, fromRevision, {
        tell: (changes) => stream(() => listener.changed(changes)),
        end: (why, revision) => stream(() => end(why, revision)),
      });
    };
    const asked = this.#network.send(this.#name, this.#store.name, () => this.#store.whenAwake(begin), {
      channel: { lastArrivalMs: 0 },
    });
    if (asked === 0) this.#later(() => end("cut", 0));
    return () => {
      isOver = true;
      stop();
    };
  }

  #later(run: () => void): void {
    this.#store.scheduler.after("timer", answerLimitMs, this.#stream.id(), run);
  }

  #ask<T>(effect: "none" | "unknown", request: (store: CoordinationStore) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#later(() => reject(new CoordinationError("no answer", effect, `no answer within ${answerLimitMs} ms`)));
      const answer = (settle: () => void): void =>
        void this.#network.send(this.#store.name, this.#name, settle, { once: true });
      const arrive = (): void => {
        try {
          const value = request(this.#store);
          answer(() => resolve(value));
        } catch (error) {
          answer(() => reject(error));
        }
      };
      this.#network.send(this.#name, this.#store.name, () => this.#store.whenAwake(arrive), { once: true });
    });
  }
}
