// Who goes first among requests that wait: `X-Request-Priority`, tempered by age.

/** From 1, the most urgent, to 8. */
export type Priority = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

export const PRIORITIES: readonly Priority[] = [1, 2, 3, 4, 5, 6, 7, 8];

/** Of a request that says nothing. */
export const DEFAULT_PRIORITY: Priority = 4;

/**
 * What one step of priority is worth, in milliseconds of waiting: a request overtakes those of the next lower priority that came up to this
 * long before it, and no others. So the lowest priority waits at most seven steps longer than the highest, however many of those come.
 */
export const STEP_MS = 1_000;

/** The moment by which requests are ordered: the arrival, moved back by the steps below the highest priority. */
export function turnAt(arrivedAt: number, priority: Priority): number {
  return arrivedAt + (priority - 1) * STEP_MS;
}

/** The priority that somebody wrote as a digit; undefined for anything else. */
export function findPriority(text: string): Priority | undefined {
  return PRIORITIES.find((priority) => String(priority) === text);
}
