// The floor: what Node's own http server can do when it reads the body and sends the headers that Sconce sends, and nothing else. Runs as a
// child process and tells its parent the port.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { ANSWER } from './exchange.mjs';

const answer = Buffer.from(ANSWER);

const server = createServer({ noDelay: true }, (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    response.sendDate = false;
    response.writeHead(200, [
      'content-type',
      'text/plain; charset=utf-8',
      'x-request-id',
      randomUUID(),
      'content-length',
      String(answer.length),
      'connection',
      'keep-alive',
    ]);
    response.end(answer);
  });
});

server.listen(0, '127.0.0.1', () => process.send?.({ port: server.address().port }));
process.on('disconnect', () => process.exit(0));
