// The loads by which servers are compared: which model, how it is asked, and how many times TorchServe's rate is to be reached.

/**
 * @typedef {object} PeerModel what each server is to serve
 * @property {'noop' | 'echo' | 'mlp' | 'sleep'} handler
 * @property {number} batchSize
 * @property {number} delayMs longest wait for a fuller batch
 * @property {number} workers
 *
 * @typedef {object} Load
 * @property {string} title
 * @property {number} [connections] of a closed loop
 * @property {number} [ratePerSec] of an open loop
 * @property {number} [bodyBytes] of an echo
 * @property {import('../report.mjs').Target} [target] of Sconce's rate beside TorchServe's
 *
 * @typedef {{ name: string, model: PeerModel, sconceBatchSize: number, loads: readonly Load[] }} Group
 */

/** @param {number} value @param {number} [stretch] @returns {import('../report.mjs').Target} */
const atLeast = (value, stretch) => ({ bound: 'at least', value, stretch });

/** What one start of a server is asked for. @type {readonly Group[]} */
export const GROUPS = [
  {
    name: 'noop',
    model: { handler: 'noop', batchSize: 1, delayMs: 0, workers: 1 },
    sconceBatchSize: 1,
    loads: [
      { title: 'noop, batch size 1, 1 connection', connections: 1 },
      { title: 'noop, batch size 1, 8 connections', connections: 8 },
      { title: 'noop, batch size 1, 32 connections', connections: 32, target: atLeast(8, 12) },
      { title: 'noop, batch size 1, 128 connections', connections: 128 },
    ],
  },
  {
    name: 'noop-batch',
    model: { handler: 'noop', batchSize: 32, delayMs: 5, workers: 1 },
    sconceBatchSize: 32,
    loads: [
      {
        title: 'noop, batches of at most 32 within 5 ms, 64 connections',
        connections: 64,
        target: atLeast(12, 20),
      },
    ],
  },
  {
    name: 'at-rest',
    model: { handler: 'noop', batchSize: 8, delayMs: 50, workers: 1 },
    sconceBatchSize: 8,
    loads: [{ title: 'noop at rest, batches of at most 8 within 50 ms, 1 connection', connections: 1 }],
  },
  {
    name: 'echo',
    model: { handler: 'echo', batchSize: 1, delayMs: 0, workers: 1 },
    sconceBatchSize: 1,
    loads: [
      { title: 'echo of 10 kB, 8 connections', connections: 8, bodyBytes: 10_000 },
      { title: 'echo of 600 kB, 8 connections', connections: 8, bodyBytes: 602_112 },
    ],
  },
  {
    name: 'mlp-one',
    model: { handler: 'mlp', batchSize: 1, delayMs: 0, workers: 1 },
    sconceBatchSize: 32,
    loads: [
      {
        title: 'MLP in JSON, 64 connections; Sconce in batches of at most 32, others one by one',
        connections: 64,
        target: atLeast(3),
      },
    ],
  },
  {
    name: 'mlp-batch',
    model: { handler: 'mlp', batchSize: 32, delayMs: 5, workers: 1 },
    sconceBatchSize: 32,
    loads: [
      {
        title: 'MLP in JSON, 64 connections; all in batches of at most 32 within 5 ms',
        connections: 64,
        target: atLeast(3),
      },
    ],
  },
  {
    name: 'overload',
    model: { handler: 'sleep', batchSize: 1, delayMs: 0, workers: 2 },
    sconceBatchSize: 1,
    loads: [{ title: 'a handler that sleeps 20 ms, 2 workers, 4× their capacity in an open loop', ratePerSec: 400 }],
  },
];
