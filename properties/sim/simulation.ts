// Plays a plan: a broker on its node, clients beyond a network, faults; then health, and convergence.
//
// Owns: the two phases. Safety: whatever happens, nothing that was promised is broken. Liveness: once
//   everything is healed, everything under way ends and everything written is read.
// Never: judges (the invariants are handed the history when it is over).
//
// Invariant: one plan gives one history and one trace, on every runtime.

import { judge, type Violation } from "../checker/index.ts";
import { Coverage } from "../coverage.ts";
import type { HistoryEvent } from "../history.ts";
import type { Durability, Kernel } from "../subject.ts";
import { type Broker, type Storage, kernel as twin, verifyDataFolder } from "../subject.ts";
import type { ActorWorld, LogPlace } from "./actors/actor.ts";
import { Admin } from "./actors/admin.ts";
import { ClassicMember } from "./actors/classic-member.ts";
import { ConsumerMember } from "./actors/consumer-member.ts";
import { Group, type Protocol } from "./actors/group.ts";
import { Keeper } from "./actors/keeper.ts";
import { sessionTimeoutMs } from "./actors/member.ts";
import { IdempotentProducer, pipelinedProducer, plainProducer } from "./actors/producers.ts";
import { cursorReader } from "./actors/readers.ts";
import { type AuditWorld, audit, describe } from "./auditor.ts";
import { Client } from "./client.ts";
import { Faults } from "./faults.ts";
import { Network } from "./network.ts";
import { Node } from "./node.ts";
import type { ActorPlan, SimPlan } from "./plan.ts";
import { Recorder } from "./recorder.ts";
import { Scheduler } from "./scheduler.ts";

export interface SimOptions {
  readonly coverage?: Coverage;
  readonly durability?: Durability;
  readonly kernel?: Kernel;
  readonly keepsLines?: boolean;
  /** False: the history is not held against the invariants. */
  readonly judged?: boolean;
}

export interface SimResult {
  readonly history: readonly HistoryEvent[];
  readonly violations: readonly Violation[];
  /** What happened in which order, as 16 hex digits. */
  readonly fingerprint: string;
  readonly lines: readonly string[];
  readonly simulatedMs: number;
  readonly operations: number;
  readonly events: number;
  /** Of the plan, of the disk, and of messages. */
  readonly faults: number;
  readonly messages: readonly string[];
}

const sequences = 2 ** 31;
/** What nobody of the groups consumes, and what is committed of it. */
const kept = { name: "kept", offset: 4711 } as const;
const startLimitMs = 300_000;
const convergeLimitMs = 300_000;

/** The run cannot go on: the history has a `stuck` event that says why. */
class Stuck extends Error {}

export async function simulate(plan: SimPlan, options: SimOptions = {}): Promise<SimResult> {
  const run = new Simulation(plan, options);
  await run.all();
  const { history } = run.recorder;
  const violations = options.judged === false ? [] : judge(history).violations;
  options.coverage?.note(history);
  return { history, violations, ...run.figures() };
}

class Simulation {
  readonly plan: SimPlan;
  readonly recorder: Recorder;
  readonly #scheduler: Scheduler;
  readonly #network: Network;
  readonly #node: Node;
  readonly #coverage: Coverage;
  readonly #faults: Faults;
  readonly #kernel: Kernel;
  readonly #names: readonly string[];
  readonly #running: Set<string> = new Set();
  readonly #damaged: Set<string> = new Set();
  readonly #groups: Map<Protocol, Group> = new Map();
  #logs: LogPlace[] = [];
  #isHealed = false;
  #failure: Stuck | null = null;

  constructor(plan: SimPlan, options: SimOptions) {
    this.plan = plan;
    this.#kernel = options.kernel ?? twin;
    this.#names = namesOf(plan.actors);
    this.#coverage = options.coverage ?? new Coverage();
    this.#scheduler = new Scheduler(plan.seed, options.keepsLines === true ? { keepsLines: true } : {});
    this.#network = new Network(this.#scheduler, plan.network);
    this.#node = new Node(
      this.#scheduler,
      "node",
      {
        ...{ kernel: this.#kernel, durability: options.durability ?? "sync", disk: plan.disk },
        ...(plan.node?.mapKeys === undefined ? {} : { mapKeys: plan.node.mapKeys }),
        groups: {
          ...{ offsetsTopicPartitions: 2, consumerSessionTimeoutMs: sessionTimeoutMs },
          ...(plan.node?.offsetsCheckMs === undefined
            ? {}
            : { offsetsRetentionCheckIntervalMs: plan.node.offsetsCheckMs }),
        },
      },
      {
        opened: (broker) => this.#opened(broker),
        ended: (how, detail, clean) => this.#ended(how, detail, clean),
        failed: (what, error) => this.#fail(`${what}: ${error instanceof Error ? error.stack : String(error)}`),
      },
    );
    this.recorder = new Recorder(
      () => this.#scheduler.nowMs,
      () => this.#node.life,
    );
    this.#faults = new Faults({
      ...{ scheduler: this.#scheduler, network: this.#network, node: this.#node, recorder: this.recorder },
      ...{ coverage: this.#coverage, clientNames: [...this.#names] },
      logs: () => this.#logs,
      damaged: (log) => void this.#damaged.add(log.name),
    });
  }

  figures(): Omit<SimResult, "history" | "violations"> {
    const { happened, nowMs, fingerprint, lines } = this.#scheduler;
    const disk = this.#node.disk.counts;
    const network = this.#network.counts;
    const count = (name: string, number: number): void => this.#coverage.add(name, number);
    count("messages delivered", network.delivered);
    count("messages lost", network.lost);
    count("messages doubled", network.doubled);
    count("messages overtaken", network.overtaken);
    count("messages late", network.late);
    count("messages cut off", network.cut);
    count("messages clogged", network.clogged);
    count("disk: failed syncs", disk.failedSyncs);
    count("disk: failed appends", disk.failedAppends);
    count("disk: failed reads", disk.failedReads);
    count("disk: other failures", disk.failedOthers);
    count("disk: refused for space", disk.refusedForSpace);
    count("disk: short writes", disk.shortWrites);
    count("disk: broken files", disk.brokenFiles);
    return {
      ...{ fingerprint, lines: lines ?? [], simulatedMs: nowMs, operations: happened.client },
      events: network.delivered + disk.operations + happened.client + happened.fault,
      faults:
        happened.fault +
        (disk.failedSyncs + disk.failedAppends + disk.failedReads + disk.failedOthers + disk.refusedForSpace) +
        (network.lost + network.doubled + network.cut + network.clogged),
      messages: this.#node.messages,
    };
  }

  async all(): Promise<void> {
    try {
      await this.#begin();
      for (const protocol of ["classic", "consumer"] as const) {
        this.#groups.set(protocol, new Group(protocol, this.#logs));
      }
      if (this.plan.node?.offsetsCheckMs !== undefined) await this.#keepGroups();
      this.#faults.begin(this.plan.faults);
      this.plan.actors.forEach((actor, at) => void this.#act(actor, this.#names[at] as string));
      await this.#pass(this.plan.chaosMs);
      await this.#converge();
    } catch (error) {
      if (!(error instanceof Stuck)) throw error;
    }
  }

  /** How far the broker's clock jumps ahead at most: so much sooner by ours a time may have passed. */
  get #jumpsMs(): number {
    return this.plan.faults.reduce((sum, fault) => sum + (fault.do === "jump clock" ? Math.max(0, fault.byMs) : 0), 0);
  }

  // ---- phases ------------------------------------------------------------------------------

  async #begin(): Promise<void> {
    this.#node.start();
    await this.#until("the broker opens", () => this.#node.state === "up", startLimitMs);
    for (const [number, { partitions, configs }] of this.plan.topics.entries()) {
      const topic = `topic${number}`;
      const broker = this.#node.broker as Broker;
      const { id } = await this.#settle(`create ${topic}`, broker.createTopic(topic, { partitions, configs }));
      this.recorder.push({ kind: "create topic", topic, id, outcome: "ok" });
      const appendTime = configs["message.timestamp.type"] === "LogAppendTime";
      const compacted = configs["cleanup.policy"] === "compact";
      for (let partition = 0; partition < partitions; partition++) {
        const name = `${topic}-${partition}@${id.slice(0, 6)}`;
        this.#logs.push({ topic, topicId: id, partition, name, appendTime, compacted });
        if (!compacted) continue;
        const retentionMs = Number(configs["delete.retention.ms"] ?? 86_400_000);
        const deleteRetentionMs = Math.max(0, retentionMs - this.#jumpsMs);
        this.recorder.push({ kind: "policy", log: name, compact: true, deleteRetentionMs });
      }
    }
  }

  /** A group that keeps nothing is forgotten when it is empty, and its generations begin anew: each keeps something. */
  async #keepGroups(): Promise<void> {
    const broker = this.#node.broker as Broker;
    const { name: topic, offset } = kept;
    const { id } = await this.#settle(`create ${topic}`, broker.createTopic(topic, { partitions: 1 }));
    this.recorder.push({ kind: "create topic", topic, id, outcome: "ok" });
    const topics = [{ name: topic, partitions: [{ partitionIndex: 0, committedOffset: offset }] }];
    for (const { id: groupId } of this.#groups.values()) {
      await this.#settle("commit from outside", broker.groups.commitOffsets({ groupId, topics }));
      this.recorder.push({
        ...{ kind: "commit", group: groupId, member: "outsider", generation: -1, log: `${topic}-0`, offset },
        outcome: "ok",
      });
    }
  }

  async #auditKept(): Promise<void> {
    const { groups } = this.#node.broker as Broker;
    for (const { id: groupId } of this.#groups.values()) {
      const askedAt = this.recorder.now;
      const fetching = groups.fetchOffsets({ groupId, topics: [{ name: kept.name, partitionIndexes: [0] }] });
      const { topics } = await this.#settle(`fetch what is kept for ${groupId}`, fetching);
      const offset = topics[0]?.partitions[0]?.committedOffset ?? -1;
      this.recorder.push({ kind: "committed", group: groupId, log: `${kept.name}-0`, offset }, askedAt);
    }
  }

  async #converge(): Promise<void> {
    this.#faults.heal();
    this.#network.heal();
    this.#node.disk.heal();
    this.#isHealed = true;
    this.#coverage.add("healings");
    // What was fenced is online again after a start.
    if (this.#node.isFaulty && this.#node.state !== "down") this.#node.losePower("the repair");
    await this.#up();
    await this.#until(
      () =>
        `the actors end, once all is healed: ${[...this.#running].join("; ")}; ${[...this.#groups.values()].map((group) => group.state()).join("; ")}`,
      () => this.#running.size === 0,
      convergeLimitMs,
    );
    await this.#audit(0);
    this.#node.stop();
    await this.#until("the broker stops", () => this.#node.state === "down", convergeLimitMs);
    await this.#up();
    if (this.plan.node?.mapKeys !== undefined) await this.#compact();
    await this.#audit(1);
    this.#node.stop();
    await this.#until("the broker stops again", () => this.#node.state === "down", convergeLimitMs);
    await this.#verify();
  }

  /** All that can be compacted is, when nobody else is at work. */
  async #compact(): Promise<void> {
    await this.#settle("compact everything", (this.#node.broker as Broker).runCompaction());
    for (const log of this.#logs) {
      if (!log.compacted || this.#damaged.has(log.name)) continue;
      const below = await this.#node.disk.outside((storage) => activeBase(storage, log));
      this.recorder.push({ kind: "compacted", log: log.name, below });
      this.#coverage.add("logs compacted whole");
    }
  }

  /** What `moldau log verify` says of the folder that a stop in order leaves (A 19). */
  async #verify(): Promise<void> {
    const damaged = this.#logs.filter(({ name }) => this.#damaged.has(name));
    const isExpected = (file: string): boolean =>
      damaged.some(({ topic, partition }) => file.startsWith(`${topic}-${partition}`));
    const findings = await this.#node.disk.outside(async (storage) => {
      const found: string[] = [];
      for await (const { severity, kind, file, message } of verifyDataFolder({ storage, kernel: this.#kernel })) {
        if (severity === "note" || isExpected(file)) continue;
        found.push(`${severity} ${kind} ${file}: ${message}`);
      }
      return found;
    });
    this.#coverage.add("folders verified");
    this.recorder.push({ kind: "verified", findings });
  }

  async #up(): Promise<void> {
    await this.#until("the node goes down or up", () => ["up", "down"].includes(this.#node.state), startLimitMs);
    if (this.#node.state === "down") this.#node.start();
    await this.#until("the broker opens, once all is healed", () => this.#node.state === "up", startLimitMs);
  }

  async #audit(round: number): Promise<void> {
    const world: AuditWorld = {
      ...{ seed: this.plan.seed, recorder: this.recorder, isDamaged: (log) => this.#damaged.has(log.name) },
      isAsked: () => this.#network.underWay > 0 || this.#node.unanswered > 0,
      wallMs: () => this.#node.wallMs(),
      settle: (what, work) => this.#settle(what, work),
      pass: (ms) => this.#pass(ms),
      stuck: (detail) => this.#fail(detail),
      broken: (detail) => this.#break(detail),
      refused: (code) => this.#coverage.add(`damage reported (${code})`),
    };
    await audit(world, this.#node.broker as Broker, this.#logs, round);
    for (const group of this.#groups.values()) await this.#auditGroup(group);
    if (this.plan.node?.offsetsCheckMs !== undefined) await this.#auditKept();
    this.#check();
  }

  async #auditGroup({ id: group, isUsed, logs }: Group): Promise<void> {
    if (!isUsed) return;
    const { groups } = this.#node.broker as Broker;
    const asked = logs.map(({ topic, partition }) => ({ name: topic, partitionIndexes: [partition] }));
    const askedAt = this.recorder.now;
    const fetching = groups.fetchOffsets({ groupId: group, topics: asked });
    const { topics } = await this.#settle(`fetch offsets of ${group}`, fetching);
    topics.forEach(({ partitions }, at) => {
      const offset = partitions[0]?.committedOffset ?? -1;
      this.recorder.push({ kind: "committed", group, log: (logs[at] as LogPlace).name, offset }, askedAt);
    });
  }

  // ---- actors ------------------------------------------------------------------------------

  async #act(actor: ActorPlan, name: string): Promise<void> {
    const client = new Client(name, actor.luck, {
      ...{ scheduler: this.#scheduler, network: this.#network, node: this.#node },
      failed: (what, error) => this.#fail(`${what}: ${error instanceof Error ? error.stack : String(error)}`),
    });
    const what = `${actor.do} (${name})`;
    this.#running.add(what);
    try {
      await client.sleep(actor.atMs);
      await this.#play(actor, name, {
        ...{ client, recorder: this.recorder, coverage: this.#coverage },
        wallMs: () => this.#node.wallMs(),
        isHealed: () => this.#isHealed,
        isDamaged: (log) => this.#damaged.has(log),
      });
    } catch (error) {
      this.#fail(`${what} threw ${error instanceof Error ? error.stack : String(error)}`);
    }
    this.#running.delete(what);
  }

  #play(actor: ActorPlan, name: string, world: ActorWorld): Promise<void> {
    const log = this.#logs[("log" in actor ? actor.log : 0) % this.#logs.length] as LogPlace;
    switch (actor.do) {
      case "produce":
        return (actor.window === undefined ? plainProducer : pipelinedProducer)(world, { ...actor, name, log });
      case "produce idempotently":
        return new IdempotentProducer(world, {
          ...{ ...actor, name, log, firstSequence: actor.wraps ? sequences - 7 : 0 },
        }).run();
      case "read":
        return cursorReader(world, { ...actor, name, log, neighbours: this.#logs });
      case "keep offsets":
        return new Keeper(world, { ...actor, name, log }).run();
      case "consume": {
        const group = this.#groups.get(actor.protocol) as Group;
        const Member = actor.protocol === "classic" ? ClassicMember : ConsumerMember;
        return new Member(world, group, { ...actor, name }).run();
      }
      case "administer":
        return new Admin(world, { ...actor, name, logs: this.#logs }).run();
    }
  }

  // ---- lives -------------------------------------------------------------------------------

  #opened(broker: Broker): void {
    const { report } = broker;
    this.recorder.push({ kind: "open", detail: report.notes.join("; ") });
    this.#coverage.add("recoveries that truncated", report.truncatedBytes > 0 ? 1 : 0);
    this.#coverage.add("indexes rebuilt", report.rebuiltIndexes);
    this.#coverage.add("openings after a clean shutdown", report.cleanShutdown ? 1 : 0);
    const world = {
      recorder: this.recorder,
      isDamaged: (log: LogPlace) => this.#damaged.has(log.name),
      broken: (detail: string) => this.#break(detail),
    };
    for (const log of this.#logs) describe(world, broker, log, { quiet: false, faulty: this.#node.isFaulty });
    this.#faults.opened();
  }

  #ended(how: "power" | "kill" | "close", detail: string, clean: boolean): void {
    this.#coverage.add(`lives ended by ${how}`);
    if (/\.(cleaned|swap|deleted)$/.test(detail)) this.#coverage.add("lives ended in a swap");
    if (how === "close") this.recorder.push({ kind: "close", detail, clean: clean && !this.#node.isFaulty });
    else this.recorder.push({ kind: "crash", detail });
    this.#faults.ended(how);
  }

  // ---- below -------------------------------------------------------------------------------

  #fail(detail: string): void {
    if (this.#failure !== null) return;
    this.recorder.push({ kind: "stuck", detail });
    this.#failure = new Stuck(detail);
  }

  /** The history has what is wrong. */
  #break(detail: string): void {
    this.#failure ??= new Stuck(detail);
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async #pass(ms: number): Promise<void> {
    await this.#scheduler.until(() => this.#failure !== null, ms);
    this.#check();
  }

  async #until(what: string | (() => string), done: () => boolean, limitMs: number): Promise<void> {
    const inTime = await this.#scheduler.until(() => this.#failure !== null || done(), limitMs);
    if (!inTime) this.#fail(`not after ${limitMs} ms: ${typeof what === "string" ? what : what()}`);
    this.#check();
  }

  async #settle<T>(what: string, work: Promise<T>): Promise<T> {
    let ended: { readonly value: T } | { readonly error: unknown } | null = null;
    work.then(
      (value) => void (ended = { value }),
      (error: unknown) => void (ended = { error }),
    );
    await this.#until(what, () => ended !== null, convergeLimitMs);
    const outcome = ended as unknown as { readonly value: T } | { readonly error: unknown };
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }
}

/** Where the segment begins that is being written to. */
async function activeBase(storage: Storage, { topic, partition }: LogPlace): Promise<number> {
  const names = (await storage.list(`${topic}-${partition}`)).map(({ name }) => name);
  return Math.max(...names.filter((name) => /^\d{20}\.log$/.test(name)).map((name) => Number(name.slice(0, 20))));
}

/** By their luck, so that one keeps its name, and with it its links, whoever is left out. */
function namesOf(actors: readonly ActorPlan[]): string[] {
  const seen = new Map<number, number>();
  return actors.map(({ luck }) => {
    const before = seen.get(luck) ?? 0;
    seen.set(luck, before + 1);
    return `a${luck.toString(36)}${before === 0 ? "" : `_${before}`}`;
  });
}
