// The networks of the ONNX part, made anew for each run: a model store in a temporary folder. Torch makes them; without it there are none.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NETWORKS = fileURLToPath(new URL('onnx_networks.py', import.meta.url));

/** An interpreter that imports torch and torchvision: Debian's, unless another one is named. The tests use the same variable. */
const PYTHON = process.env.SCONCE_TORCH_PYTHON ?? '/usr/bin/python3';

/** @typedef {{ folder: string, remove: () => Promise<void> }} ModelStore */

/**
 * Resolves with undefined when torch is not there.
 * @returns {Promise<ModelStore | undefined>}
 */
export async function makeOnnxModels() {
  if ((await runPython(['-c', 'import torch, torchvision'], 'ignore')) !== 0) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'sconce-bench-onnx-'));
  const code = await runPython([NETWORKS, folder], 'inherit');
  if (code !== 0) throw new Error(`${PYTHON} ${NETWORKS} ended with ${code}`);
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** The exit code; 127 when there is no such interpreter. */
async function runPython(args, stderr) {
  const child = spawn(PYTHON, args, { stdio: ['ignore', 'ignore', stderr] });
  return once(child, 'exit').then(
    ([code]) => code,
    () => 127,
  );
}
