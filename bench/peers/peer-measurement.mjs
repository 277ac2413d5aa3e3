// One peer through all loads, each beside a Sconce that takes turns with it.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { echoRequest } from '../echo.mjs';
import { requestText } from '../exchange.mjs';
import { treeResidentBytes } from '../process-tree.mjs';
import { MODEL_STORE, startSconce } from '../sconce.mjs';
import { jsonLevels } from '../tensors.mjs';
import { compare } from '../throughput.mjs';
import { removeFolder } from './scratch.mjs';

const WARM_UP_MS = 1_000;
const WARM_UP_CONNECTIONS = 32;
const QUICK_MS = 300;
/** How long an open loop goes on. */
const OPEN_MS = 10_000;
const OPEN_QUICK_MS = 2_000;
const OWN_MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/**
 * @typedef {import('../bench-run.mjs').Plan & { groups: readonly import('./loads.mjs').Group[] }} PeerPlan
 *
 * @typedef {object} Pair both at one load
 * @property {string} title of the load
 * @property {Outcome} own
 * @property {Outcome} peer
 * @property {number} times Sconce's rate beside the peer's; of what was answered in time in an open loop
 *
 * @typedef {(import('../throughput.mjs').Outcome | import('../open-load.mjs').OpenResult) & { residentMb: number }} Outcome
 */

/**
 * @param {import('./peer.mjs').Peer} peer
 * @param {{ scratch: import('./scratch.mjs').Scratch, networks: string | undefined, load: import('../load.mjs').Load, openLoad: import('../open-load.mjs').OpenLoad, plan: PeerPlan, progress: (text: string) => void }} bench
 *   `networks`: a folder with ONNX networks
 * @returns {Promise<{ pairs: Pair[], failures: string[] }>} what a server could not do does not keep it from the rest
 */
export async function measurePeer(peer, bench) {
  const { scratch, networks, progress } = bench;
  progress(`${peer.name}: installing ${peer.packages.join(' ')}`);
  const environment = await scratch.environment(peer.name, peer.packages, peer.seesSystemPackages);
  const pairs = [];
  const failures = [];
  for (const group of bench.plan.groups) {
    const { handler } = group.model;
    const loads = group.loads.filter((load) => peer.request(handler, load) !== undefined);
    if (loads.length === 0 || (handler === 'mlp' && networks === undefined)) continue;
    progress(`${peer.name}: ${group.name}`);
    const network = networks === undefined ? '' : join(networks, 'mlp', 'network.onnx');
    const room = await scratch.room(peer.name);
    try {
      const other = await peer.start(group.model, { environment, room, network, queueSize: queueSizeFor(group) });
      try {
        pairs.push(...(await measureGroup(peer, other, { ...group, loads }, environment, bench)));
      } finally {
        await other.stop();
      }
    } catch (error) {
      failures.push(`${peer.name} at ${group.name}: ${error.message}`);
    } finally {
      await removeFolder(room);
    }
  }
  return { pairs, failures };
}

/** Sconce beside a server that runs. */
async function measureGroup(peer, other, group, environment, bench) {
  const { handler, delayMs, workers } = group.model;
  const settings = { job_queue_size: String(queueSizeFor(group)), python: join(environment, 'bin', 'python') };
  const store = handler === 'mlp' ? bench.networks : MODEL_STORE;
  const sconce = await startSconce(OWN_MAIN, 'Sconce', store, settings);
  try {
    await sconce.register(handler, `batch_size=${group.sconceBatchSize}&max_batch_delay=${delayMs}`, handler, workers);
    const pairs = [];
    for (const asked of group.loads) {
      const contenders = [
        { subject: sconce, request: ownRequest(handler, asked) },
        { subject: other, request: peer.request(handler, asked) },
      ];
      const warmUpsMs = [WARM_UP_MS, asked === group.loads[0] ? peer.warmUpMs : WARM_UP_MS];
      for (const [index, { subject, request }] of contenders.entries()) {
        // Few connections warm slowly.
        const connections = Math.max(asked.connections ?? 0, WARM_UP_CONNECTIONS);
        const durationMs = bench.plan.isQuick ? QUICK_MS : warmUpsMs[index];
        await bench.load.run({ port: subject.port, request, connections, durationMs });
      }
      const measure = asked.ratePerSec === undefined ? closedPair : openPair;
      const [own, theirs] = await measure(contenders, asked, bench);
      pairs.push({
        title: asked.title,
        own: { ...own, residentMb: treeResidentBytes(sconce.pid) / 1e6 },
        peer: { ...theirs, residentMb: treeResidentBytes(other.pid) / 1e6 },
        times: own.shares[1],
      });
    }
    return pairs;
  } finally {
    await sconce.stop();
  }
}

/** Both in turns, each with one number of connections. */
async function closedPair(contenders, { connections }, { load, plan }) {
  const { rounds } = plan;
  const durationMs = plan.isQuick ? QUICK_MS : plan.durationMs;
  return compare(load, contenders, { connections, rounds, durationMs, isPatient: false });
}

/** One after the other, each with more than it can answer. */
async function openPair(contenders, { ratePerSec }, { openLoad, plan }) {
  const outcomes = [];
  for (const { subject, request } of contenders) {
    const durationMs = plan.isQuick ? OPEN_QUICK_MS : OPEN_MS;
    outcomes.push(await openLoad.run({ port: subject.port, request, ratePerSec, durationMs }));
  }
  const shareOf = (own, beside) => own.goodputPerSec / beside.goodputPerSec;
  return outcomes.map((own) => ({ ...own, shares: outcomes.map((beside) => shareOf(own, beside)) }));
}

/** What waits: in an open loop as many as by default, else all who ask. */
function queueSizeFor({ loads }) {
  return loads.some(({ ratePerSec }) => ratePerSec !== undefined) ? 100 : 1000;
}

function ownRequest(handler, { bodyBytes }) {
  if (handler === 'echo') return echoRequest(bodyBytes);
  return handler === 'mlp' ? jsonLevels('/predictions/mlp') : requestText(`/predictions/${handler}`);
}
