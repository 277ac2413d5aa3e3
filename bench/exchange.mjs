// The one request that every run sends, and the answer that it expects: the same for the floor and for Sconce.

const BODY = JSON.stringify({ instances: [[5.1, 3.5, 1.4, 0.2]], parameters: { top_k: 1 } });

/** What the noop handler returns, and the floor as well. */
export const ANSWER = 'ok';

/**
 * The bytes of a prediction request.
 * @param {string} path
 * @returns {string}
 */
export function requestText(path) {
  const head = [
    `POST ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/json',
    `content-length: ${BODY.length}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${BODY}`;
}
