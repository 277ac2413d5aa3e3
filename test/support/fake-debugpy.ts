// A Python package in place of debugpy: it listens as debugpy does, waits for a client where it is told to, and runs the module. It debugs nothing.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const MAIN = `import runpy
import socket
import sys

arguments = sys.argv[1:]
host, port = arguments[arguments.index("--listen") + 1].split(":")
listener = socket.create_server((host, int(port)))
print("debugpy listens on %s:%s" % (host, port))
if "--wait-for-client" in arguments:
    listener.accept()
    print("a client is attached")
module = arguments[arguments.index("-m") + 1]
sys.argv = [module]
runpy.run_module(module, run_name="__main__", alter_sys=True)
`;

/** Makes the package in this folder, which belongs into PYTHONPATH. */
export async function installFakeDebugpy(folder: string): Promise<void> {
  await mkdir(join(folder, 'debugpy'), { recursive: true });
  await writeFile(join(folder, 'debugpy', '__init__.py'), '');
  await writeFile(join(folder, 'debugpy', '__main__.py'), MAIN);
}
