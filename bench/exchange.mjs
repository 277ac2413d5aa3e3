// Requests as the bytes that a load generator sends over and over, and the answer that noop gives: the same for floors, Sconce and peers.

const BODY = Buffer.from(JSON.stringify({ instances: [[5.1, 3.5, 1.4, 0.2]], parameters: { top_k: 1 } }));

/** What the noop handler returns, and the floor as well. */
export const ANSWER = 'ok';

/**
 * A small prediction request.
 * @param {string} path
 * @param {readonly string[]} more headers
 * @returns {string} its bytes, one character each
 */
export function requestText(path, more = []) {
  return post(path, ['content-type: application/json', ...more], BODY);
}

/**
 * @param {string} path
 * @param {readonly string[]} headers without the length
 * @param {Buffer} body
 * @returns {string} the request's bytes, one character each
 */
export function post(path, headers, body) {
  const head = [`POST ${path} HTTP/1.1`, 'host: 127.0.0.1', ...headers, `content-length: ${body.length}`];
  return `${head.join('\r\n')}\r\n\r\n${body.toString('latin1')}`;
}

/**
 * @param {string} path
 * @returns {string} the request's bytes, one character each
 */
export function get(path) {
  return `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`;
}
