// One request on a connection of its own: for what is asked once, and not measured.
import { request } from 'node:http';

/**
 * The answer; undefined while nobody listens.
 * @param {string} method
 * @param {number} port on 127.0.0.1
 * @param {string} path
 * @returns {Promise<{ status: number, text: string } | undefined>}
 */
export function ask(method, port, path) {
  return new Promise((resolve) => {
    const sent = request({ method, port, path, host: '127.0.0.1', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
      response.on('error', () => resolve(undefined));
    });
    sent.on('error', () => resolve(undefined));
    sent.end();
  });
}
