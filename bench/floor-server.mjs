// The floor: what Node's own http server can do when it reads the body and sends the headers that Sconce sends, and nothing else. With the
// argument `echo` it sends the body back. Runs as a child process and tells its parent the port.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { ANSWER } from './exchange.mjs';

const isEcho = process.argv[2] === 'echo';
const answer = Buffer.from(ANSWER);

const server = createServer({ noDelay: true }, (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const parts = isEcho ? chunks : [answer];
    response.sendDate = false;
    response.writeHead(200, [
      'content-type',
      isEcho ? 'application/octet-stream' : 'text/plain; charset=utf-8',
      'x-request-id',
      randomUUID(),
      'content-length',
      String(parts.reduce((sum, part) => sum + part.length, 0)),
      'connection',
      'keep-alive',
    ]);
    for (const part of parts.slice(0, -1)) response.write(part);
    response.end(parts.at(-1));
  });
});

server.listen(0, '127.0.0.1', () => process.send?.({ port: server.address().port }));
process.on('disconnect', () => process.exit(0));
