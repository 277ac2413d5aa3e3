// What a command does when nobody reads its output any more (`| head`), or when it cannot be written (a full disk).

/**
 * Lets a command go on to its end without its output: quietly when the reader went away, with a message and exit status 1 otherwise. Without
 * this, either one would end it on the spot, with a trace of Node's, before it had cleaned up.
 */
export function surviveClosedOutput(command: string): void {
  let isTold = false;
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || isTold) return;
    isTold = true;
    process.stderr.write(`${command}: standard output cannot be written: ${message}\n`);
    process.exitCode = 1;
  });
  // There is nowhere left to say so.
  process.stderr.on('error', () => {});
}
