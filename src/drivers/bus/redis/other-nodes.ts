/** A node that was not heard of for so many of our own beats has died. */
const SILENT_BEATS = 3;

/** The other nodes, by their beats. */
export class OtherNodes {
  readonly #nodes = new Map<string, { lost: number; silentBeats: number }>();

  /** `lost` is how many events the node could not say so far. True when some were lost since it was last heard of. */
  beat(node: string, lost: number): boolean {
    const known = this.#nodes.get(node);
    this.#nodes.set(node, { lost, silentBeats: 0 });
    return lost > (known?.lost ?? 0);
  }

  leave(node: string, lost: number): boolean {
    const hasLost = this.beat(node, lost);
    this.#nodes.delete(node);
    return hasLost;
  }

  /** A beat of our own has passed. True when nodes have died since the last. */
  age(): boolean {
    let died = false;
    for (const [name, node] of this.#nodes) {
      node.silentBeats += 1;
      if (node.silentBeats < SILENT_BEATS) continue;
      this.#nodes.delete(name);
      died = true;
    }
    return died;
  }

  /** It was us who heard nothing. */
  forgive(): void {
    for (const node of this.#nodes.values()) node.silentBeats = 0;
  }
}
