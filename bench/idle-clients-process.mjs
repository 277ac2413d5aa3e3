// Opens connections, asks each of them once, and keeps them open without asking again. Tells its parent when all are there and, at its
// order, how many are left.
import { connect } from 'node:net';
import { AnswerReader } from './answer-reader.mjs';

/** So many connections are being opened at a time: a server's backlog is finite. */
const AT_A_TIME = 64;

const held = new Set();

function open(port, request) {
  return new Promise((resolve, reject) => {
    const answer = new AnswerReader();
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(request));
    socket.on('data', (chunk) => {
      if (!answer.take(chunk)) return;
      held.add(socket);
      resolve(undefined);
    });
    socket.on('error', reject);
    socket.on('close', () => {
      held.delete(socket);
      reject(new Error('the server closed a connection before it answered'));
    });
  });
}

async function openAll({ port, request, count }) {
  let left = count;
  const opener = async () => {
    while (left > 0) {
      left -= 1;
      await open(port, request);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, opener));
}

process.on('message', (order) => {
  if (order === 'count') process.send?.({ held: held.size });
  else
    openAll(order).then(
      () => process.send?.({ held: held.size }),
      (error) => process.send?.({ failed: String(error) }),
    );
});
process.on('disconnect', () => process.exit(0));
