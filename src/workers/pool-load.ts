// What the workers of a version have to do at this moment, as the scale policy wants to see it.
import type { PoolLoad } from '../core/scale-policy.ts';
import type { PoolMember } from './pool-member.ts';

/** A worker, as far as it matters here. */
type Loaded = Pick<PoolMember, 'isReady' | 'isFailing' | 'fill' | 'room' | 'newlyFinished'> & {
  readonly worker: Pick<PoolMember['worker'], 'id'>;
};

/** Counts what was finished since the last call, so there must be one caller. */
export function poolLoad(
  members: readonly Loaded[],
  { minWorkers, maxWorkers }: Pick<PoolLoad, 'minWorkers' | 'maxWorkers'>,
  waiting: number,
): PoolLoad {
  const ready = members.filter(({ isReady }) => isReady);
  return {
    minWorkers,
    maxWorkers,
    workers: members.length,
    ready: ready.length,
    failing: members.find(({ isFailing }) => isFailing)?.worker.id,
    busy: ready.reduce((sum, member) => sum + member.fill(), 0),
    hasRoom: ready.some((member) => member.room() > 0),
    waiting,
    finished: ready.reduce((sum, member) => sum + member.newlyFinished(), 0),
  };
}
