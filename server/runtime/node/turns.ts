// The turns of Node's event loop, as answers see them.
//
// Owns: when the turn in which a request came is over: everything that had arrived was handled.
// Never: holds up an answer that was not ready within that turn.
//
// An answer written alone wakes its client, which costs more than small answers do. Those that
// are ready in one turn are written one after the other at its end, and wake their clients once.

export interface Turn {
  readonly isOver: boolean;
  readonly end: Promise<void>;
}

export class Turns {
  #turn: { isOver: boolean; end: Promise<void> } | null = null;

  current(): Turn {
    if (this.#turn !== null) return this.#turn;
    const turn = { isOver: false, end: Promise.resolve() };
    turn.end = new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = null;
        turn.isOver = true;
        resolve();
      });
    });
    this.#turn = turn;
    return turn;
  }
}
