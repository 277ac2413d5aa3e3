// Finds the Python that tests with real networks run: SCONCE_TORCH_PYTHON, or /usr/bin/python3, where Debian's python3-torch lives.
// Without torch such tests are skipped, unless SCONCE_REQUIRE_TORCH=1 says that this machine is meant to run them.

import { execFileSync } from 'node:child_process';

/** An interpreter that imports torch and torchvision, undefined when it cannot; an Error instead when SCONCE_REQUIRE_TORCH is 1. */
export function torchPython(): string | undefined {
  const python = process.env['SCONCE_TORCH_PYTHON'] ?? '/usr/bin/python3';
  try {
    execFileSync(python, ['-c', 'import torch, torchvision'], { stdio: 'pipe' });
    return python;
  } catch (cause) {
    if (process.env['SCONCE_REQUIRE_TORCH'] === '1') {
      throw new Error(
        `SCONCE_REQUIRE_TORCH is 1, but ${python} cannot import torch and torchvision: install python3-torch and ` +
          'python3-torchvision, or name another interpreter in SCONCE_TORCH_PYTHON',
        { cause },
      );
    }
    return undefined;
  }
}
