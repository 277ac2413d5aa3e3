// The networks of the ONNX part, made anew for each run: a model store in a temporary folder. Torch makes them; without it there are none.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NETWORKS = fileURLToPath(new URL('onnx_networks.py', import.meta.url));

/** An interpreter that imports torch and torchvision: Debian's, unless another one is named. The tests use the same variable. */
export const TORCH_PYTHON = process.env.SCONCE_TORCH_PYTHON ?? '/usr/bin/python3';

/** What a scenario says that is left out for want of it. */
export const NO_TORCH = 'it needs a Python with torch and torchvision (SCONCE_TORCH_PYTHON)';

/** @typedef {{ folder: string, remove: () => Promise<void> }} ModelStore */

/** Whether there is such an interpreter. */
export async function hasTorch() {
  return (await runPython(['-c', 'import torch, torchvision'], 'ignore')) === 0;
}

/**
 * Resolves with undefined when torch is not there.
 * @param {string} parent the folder for the temporary one
 * @returns {Promise<ModelStore | undefined>}
 */
export async function makeOnnxModels(parent = tmpdir()) {
  if (!(await hasTorch())) return undefined;
  const folder = await mkdtemp(join(parent, 'sconce-bench-onnx-'));
  const code = await runPython([NETWORKS, folder], 'inherit');
  if (code !== 0) throw new Error(`${TORCH_PYTHON} ${NETWORKS} ended with ${code}`);
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** The exit code; 127 when there is no such interpreter. */
async function runPython(args, stderr) {
  const child = spawn(TORCH_PYTHON, args, { stdio: ['ignore', 'ignore', stderr] });
  return once(child, 'exit').then(
    ([code]) => code,
    () => 127,
  );
}
