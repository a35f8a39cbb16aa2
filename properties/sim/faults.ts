// Faults of a plan, each at its time.
//
// Owns: what each fault does to node, disk and network, that a node that went down comes up again,
//   and the record of what was done.
// Never: two ends of one life: a fault that finds nothing to hit is passed over.

import type { Coverage } from "../coverage.ts";
import { mix, Stream } from "../random.ts";
import type { LogPlace } from "./actors/actor.ts";
import { type LostFiles, loseFiles } from "./lost-files.ts";
import type { Network } from "./network.ts";
import type { Node } from "./node.ts";
import type { FaultPlan } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
import { type Damage, damage } from "./rot.ts";
import type { Scheduler } from "./scheduler.ts";

interface Stage {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly node: Node;
  readonly recorder: Recorder;
  readonly coverage: Coverage;
  readonly clientNames: readonly string[];
  readonly logs: () => readonly LogPlace[];
  /** Bytes of it changed at rest: it may be refused from now on. */
  readonly damaged: (log: LogPlace) => void;
}

/** How long a life shows what it found, when it is to end at once. */
const shownMs = 2;

export class Faults {
  readonly #stage: Stage;
  #isOver = false;
  readonly #again: number[] = [];
  #endsOnceOpen = false;
  /** What fails in the next start. */
  #inVain: number | "sync" | null = null;
  #stopsOnceOpen = false;
  readonly #supervisor: Stream;
  #downMs = 0;
  #without: readonly LostFiles[] = [];
  #damage: Extract<FaultPlan, { readonly do: Damage }> | null = null;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#supervisor = new Stream(stage.scheduler.seed, "supervisor");
  }

  begin(faults: readonly FaultPlan[]): void {
    const { scheduler } = this.#stage;
    for (const fault of faults) {
      scheduler.after("fault", fault.atMs, fault.luck, () => {
        if (!this.#isOver) this.#do(fault);
      });
    }
  }

  /** No more of them. */
  heal(): void {
    this.#isOver = true;
    this.#again.length = 0;
  }

  #note(what: string, detail: string): void {
    this.#stage.coverage.add(`fault: ${what}`);
    this.#stage.recorder.push({ kind: "fault", what, detail });
  }

  #do(fault: FaultPlan): void {
    const { node, network, clientNames, coverage } = this.#stage;
    switch (fault.do) {
      case "crash":
      case "kill":
        return this.#end(fault);
      case "rot":
      case "misdirect":
        if (node.state === "down") return coverage.add("faults that found nothing");
        this.#downMs = fault.downMs;
        this.#damage = fault;
        return node.losePower("bytes change");
      case "restart":
        if (node.state !== "up" || node.isPaused) return coverage.add("faults that found nothing");
        this.#note("restart", `${fault.downMs} ms`);
        this.#downMs = fault.downMs;
        this.#without = fault.without ?? [];
        return node.stop();
      case "pause":
        if (node.state === "down" || node.isPaused) return coverage.add("faults that found nothing");
        this.#note("pause", `${fault.forMs} ms`);
        return node.pause(fault.forMs);
      case "stall disk":
        this.#note("stall disk", `${fault.forMs} ms`);
        return node.disk.stall(fault.forMs);
      case "fill disk":
        if (node.state === "down") return coverage.add("faults that found nothing");
        this.#note("fill disk", `${fault.forMs} ms`);
        node.isFaulty = true;
        node.disk.fill(true);
        this.#stage.scheduler.after("fault", fault.forMs, mix(fault.luck, 1), () => node.disk.fill(false));
        return;
      case "partition":
      case "clog": {
        const names = fault.of === "all" ? clientNames : oneOf(clientNames, fault.luck);
        this.#note(fault.do, `${fault.way}, ${fault.forMs} ms, ${fault.of === "all" ? "everybody" : names.join()}`);
        const act = fault.do === "partition" ? "cut" : "clog";
        for (const name of names) {
          if (fault.way !== "answers") network[act](name, node.name, fault.forMs);
          if (fault.way !== "requests") network[act](node.name, name, fault.forMs);
        }
        return;
      }
      case "fail disk":
        if (node.state === "down") return coverage.add("faults that found nothing");
        this.#note(`fail disk (${fault.kind})`, `${fault.count} times`);
        node.isFaulty = true;
        return node.disk.fail(fault.kind, fault.count);
      case "jump clock":
        this.#note("jump clock", `${fault.byMs} ms`);
        node.wallOffsetMs += fault.byMs;
        return;
    }
  }

  #end(fault: Extract<FaultPlan, { readonly do: "crash" | "kill" }>): void {
    const { node, coverage } = this.#stage;
    if (node.state === "down") return coverage.add("faults that found nothing");
    const onlyProcess = fault.do === "kill";
    this.#downMs = fault.downMs;
    this.#again.splice(0, this.#again.length, ...fault.again);
    this.#inVain = fault.inVain ?? null;
    const what = fault.in === undefined ? "writes" : `writes of a ${fault.in}`;
    this.#note(onlyProcess ? "kill" : "crash", `after ${fault.afterWrites} ${what}, ${fault.downMs} ms`);
    if (fault.in !== undefined) node.disk.crashWithin(fault.in, fault.afterWrites, onlyProcess);
    else if (fault.afterWrites === 0) {
      if (onlyProcess) node.kill();
      else node.losePower("nothing in particular");
    } else node.disk.crashAfter(fault.afterWrites, onlyProcess);
  }

  /** Whoever went down comes up again. */
  ended(how: "power" | "kill" | "close"): void {
    // Whatever is lost is lost of what a stop in order left.
    const without = how === "close" ? this.#without : [];
    this.#without = [];
    this.#endsOnceOpen = false;
    this.#stopsOnceOpen = false;
    if (this.#isOver) return;
    const { scheduler } = this.#stage;
    const downMs = this.#downMs;
    this.#downMs = 0;
    const damage = this.#damage;
    this.#damage = null;
    // No other fault finds a node that is down: the bytes are changed before it can start.
    const changed = damage !== null ? this.#change(damage) : without.length > 0 ? this.#lose(without) : null;
    scheduler.after("fault", downMs + 20, this.#supervisor.id(), () => {
      if (changed === null) this.#start();
      else void changed.then(() => this.#start());
    });
  }

  #start(): void {
    const { node } = this.#stage;
    if (this.#isOver || node.state !== "down") return;
    if (this.#inVain !== null) return this.#startInVain(this.#inVain);
    const again = this.#again.shift();
    node.start();
    if (again === undefined) return;
    this.#endsOnceOpen = again === 0;
    if (this.#endsOnceOpen) return;
    this.#note("crash during recovery", `after ${again} writes`);
    node.disk.crashAfter(again, false);
  }

  #startInVain(fails: number | "sync"): void {
    const { node } = this.#stage;
    this.#inVain = null;
    node.start();
    node.isFaulty = true;
    this.#stopsOnceOpen = true;
    const kind = fails === "sync" ? "sync log" : "read log";
    const count = fails === "sync" ? 1 : fails;
    this.#note(`fail disk (${kind}) in a start`, `the ${fails === "sync" ? "first sync" : `read of number ${count}`}`);
    node.disk.fail(kind, count);
  }

  /** It is up, and shows what it found. */
  opened(): void {
    const { node, scheduler } = this.#stage;
    const { life } = node;
    if (this.#isOver) return;
    if (this.#stopsOnceOpen) {
      this.#stopsOnceOpen = false;
      scheduler.after("fault", shownMs, this.#supervisor.id(), () => {
        if (!this.#isOver && node.lives(life)) node.stop();
      });
    }
    if (!this.#endsOnceOpen) return;
    this.#endsOnceOpen = false;
    scheduler.after("fault", shownMs, this.#supervisor.id(), () => {
      if (this.#isOver || !node.lives(life)) return;
      this.#note("crash after recovery", `${shownMs} ms`);
      node.losePower("anything else");
    });
  }

  async #change({ do: kind, luck }: Extract<FaultPlan, { readonly do: Damage }>): Promise<void> {
    const { node, logs, scheduler, coverage, recorder } = this.#stage;
    const chance = new Stream(scheduler.seed, kind, luck).next();
    const hit = await node.disk.outside((storage) => damage(storage, logs(), kind, chance));
    if (hit === null) return coverage.add("faults that found nothing");
    this.#stage.damaged(hit.log);
    coverage.add(`fault: ${kind}`);
    recorder.push({ kind: "fault", what: kind, detail: hit.detail, log: hit.log.name });
  }

  async #lose(without: readonly LostFiles[]): Promise<void> {
    const { node, logs, coverage } = this.#stage;
    for (const what of without) {
      const count = await node.disk.outside((storage) => loseFiles(storage, logs(), what));
      if (count === 0) coverage.add("faults that found nothing");
      else this.#note(`lose ${what}`, `${count} files`);
    }
  }
}

/** The same one whoever else there is. */
function oneOf(names: readonly string[], luck: number): readonly string[] {
  let [chosen, lowest] = ["", Number.POSITIVE_INFINITY];
  for (const name of names) {
    const rank = new Stream(luck, "victim", name).id();
    if (rank < lowest) [chosen, lowest] = [name, rank];
  }
  return chosen === "" ? [] : [chosen];
}
