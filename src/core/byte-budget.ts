// How many bytes of requests may be in memory at a time, in the whole server and for one model. Pure counting: who keeps bytes reserves them
// here first, and gives the room back when they are gone.

/**
 * The rule of the share: a model may have as many bytes as are left free for all the others. So a model that floods the server alone gets
 * half of the budget, n of them get 1/(n + 1) each, and there is always as much left as the greediest of them has.
 */
export class ByteBudget {
  readonly limitBytes: number;
  /** Owner → bytes; an owner without any has no entry. */
  readonly #owners = new Map<string, number>();
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** What all owners have. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** What one owner has. */
  usedBy(owner: string): number {
    return this.#owners.get(owner) ?? 0;
  }

  /** Whether `reserve` would give the owner so many bytes now. */
  hasRoom(owner: string, bytes: number): boolean {
    return this.usedBy(owner) + bytes <= this.limitBytes - this.#usedBytes - bytes;
  }

  /** Gives the owner so many bytes more; false, and nothing changes, when that would be more than its share. */
  reserve(owner: string, bytes: number): boolean {
    if (!this.hasRoom(owner, bytes)) return false;
    this.#owners.set(owner, this.usedBy(owner) + bytes);
    this.#usedBytes += bytes;
    return true;
  }

  /** Takes back what `reserve` gave. */
  release(owner: string, bytes: number): void {
    const owned = this.usedBy(owner) - bytes;
    if (owned > 0) this.#owners.set(owner, owned);
    else this.#owners.delete(owner);
    this.#usedBytes -= bytes;
  }
}
