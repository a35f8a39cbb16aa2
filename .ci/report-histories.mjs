// Histories as a live run leaves them, made up: for looking at the report page.
//
// Owns: a small, seeded world of producers and readers with two SIGKILLs; `lose` forgets an acknowledged record
//   in the second of them, which the checkers have to notice.

const kills = 2;

export function livesOf({ operations, lose, partitions = 3, seed = 7 }) {
  let state = seed >>> 0 || 1;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const history = [];
  const logs = Array.from({ length: partitions }, (_, number) => ({ name: `moldau-check-7-${number}`, records: [] }));
  let [atMs, incarnation, values] = [0, 1, 0];
  const add = (event, back = 2) =>
    history.push({ atMs, incarnation, invokedAt: Math.max(0, history.length - back), ...event });
  const readAll = (log, manner, process, from = 0) =>
    add({
      ...{ kind: "read", process, log: log.name, manner, from, outcome: "ok" },
      records: log.records.slice(from).map((value, at) => ({ offset: from + at, timestamp: 0, value })),
      ...{ logStartOffset: 0, highWatermark: log.records.length, nextOffset: log.records.length },
    });
  const describe = (log) =>
    add({
      ...{ kind: "describe", log: log.name, state: "online", logStartOffset: 0, highWatermark: log.records.length },
      ...{ lastStableOffset: log.records.length, logEndOffset: log.records.length, segments: 1, quiet: false },
    });
  const killAt = Array.from({ length: kills }, (_, kill) => Math.round((operations * (kill + 1)) / (kills + 1)));

  for (let operation = 0; operation < operations; operation++) {
    atMs += random() * (60_000 / operations) * 2;
    const log = logs[Math.floor(random() * partitions)];
    if (killAt.includes(operation)) {
      add({ kind: "fault", what: "SIGKILL", detail: "the restarted command, and its process group" }, 0);
      add({ kind: "crash", detail: "SIGKILL" }, 0);
      for (const { name } of logs)
        add({
          ...{ kind: "produce", process: "p0", log: name, acks: "all", outcome: "info", code: "UNREACHABLE" },
          records: [{ value: `v${values++}`, timestamp: 0 }],
        });
      if (lose && operation === killAt.at(-1)) logs[1].records.pop();
      atMs += 900;
      incarnation += 1;
      add({ kind: "open", detail: "answers again" }, 0);
      logs.forEach(describe);
    } else if (random() < 0.6) {
      const value = `v${values++}`;
      const refused = random() < 0.03;
      const offset = log.records.length;
      if (!refused) log.records.push(value);
      add({
        ...{ kind: "produce", process: `p${Math.floor(random() * 3)}`, log: log.name, acks: "all" },
        records: [{ value, timestamp: 0 }],
        ...(refused ? { outcome: "fail", code: "NOT_ENOUGH_REPLICAS" } : { outcome: "ok", offsets: [offset] }),
      });
    } else readAll(log, "fetch", `r${Math.floor(random() * 2)}`, Math.max(0, log.records.length - 3));
  }
  for (const log of logs) readAll(log, "audit", "auditor", Math.max(0, log.records.length - 500));
  return history;
}
