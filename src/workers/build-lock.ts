// One builder at a time for one thing in a folder that several servers share: a link to the builder's name, which appears with its content. When two take it at once (one of
// them from a builder that is gone) both build, which costs time and breaks nothing: what is built has a name of its own until it is done.
import { readlink, rm, symlink } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

const POLL_MS = 250;

/** Who builds, for others to see, also from other processes. */
export interface Builder {
  /** The name of this server. */
  readonly name: string;
  /** Whether the server of this name has ended. */
  isGone(name: string): Promise<boolean>;
}

/** Gives the lock back. */
export type Unlock = () => Promise<void>;

/**
 * Takes the lock as soon as nobody has it any more; undefined when `isDone` says meanwhile that there is nothing left to do. `onWait` is
 * called once when somebody else has it. Throws the signal's reason.
 */
export async function lockBuild(
  file: string,
  builder: Builder,
  isDone: () => Promise<boolean>,
  onWait: () => void,
  signal: AbortSignal,
): Promise<Unlock | undefined> {
  let hasWaited = false;
  for (;;) {
    signal.throwIfAborted();
    if (await isDone()) return undefined;
    try {
      await symlink(builder.name, file);
      return () => rm(file, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (await isLeft(file, builder)) {
      await rm(file, { force: true });
      continue;
    }
    if (!hasWaited) onWait();
    hasWaited = true;
    await wait(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/** Whether whoever took the lock has ended without giving it back. */
export async function isLeft(file: string, builder: Builder): Promise<boolean> {
  const holder = await readlink(file).catch(() => undefined);
  return holder !== undefined && builder.isGone(holder);
}
