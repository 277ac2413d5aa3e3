// Preloaded into a server process under test: tells over a socket of the file system what only the process itself knows (its timers, how
// late its event loop was) and lets its wall clock jump. It is no part of the server.
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { isMainThread } from 'node:worker_threads';

const path = process.env['SCONCE_TEST_PROBE'];
// Workers and threads of the server inherit the preload; the probe is for the server alone.
if (isMainThread && path !== undefined && process.argv[2] === 'serve') listen(path);

function listen(socketPath) {
  const RealDate = Date;
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  let jumpMs = 0;

  class JumpingDate extends RealDate {
    constructor(...parts) {
      super(...(parts.length === 0 ? [RealDate.now() + jumpMs] : parts));
    }

    static now() {
      return RealDate.now() + jumpMs;
    }
  }
  globalThis.Date = JumpingDate;

  const commands = {
    /** What runs and how late it was since the last `reset`; in milliseconds. */
    state: () => ({
      timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
      lagP99Ms: delays.percentile(99) / 1e6,
      lagMaxMs: delays.max / 1e6,
    }),
    reset: () => {
      delays.reset();
      return {};
    },
    jump: ({ ms }) => {
      jumpMs += ms;
      return { now: new Date().toISOString() };
    },
  };

  rmSync(socketPath, { force: true });
  const server = createServer((socket) => {
    socket.unref();
    socket.on('error', () => socket.destroy());
    createInterface({ input: socket }).on('line', (line) => {
      const asked = JSON.parse(line);
      socket.end(`${JSON.stringify(commands[asked.do](asked))}\n`);
    });
  });
  server.listen(socketPath).unref();
}
