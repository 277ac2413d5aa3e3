// One HTTP request as it goes over the wire, and its answer with all that is part of the interface: reason phrase, headers in their
// order and letter case, body bytes. fetch hides these; what an answer should be is for the tests to say.
import { Agent, request } from 'node:http';

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly reason: string;
  /** Names and values as they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** The value of a header by its lower-case name, undefined when absent. */
  header(name: string): string | undefined;
  /** The body as JSON. */
  json(): unknown;
}

/** The document of every error answer. */
export interface ErrorBody {
  readonly code: number;
  readonly type: string;
  readonly message: string;
}

/** Sends one request on a connection of its own and reads the answer to its end. Rejects when the connection breaks. */
export function send(url: string, sent: Sent = {}): Promise<Answer> {
  const agent = new Agent({ keepAlive: true });
  const bytes = sent.body === undefined ? undefined : Buffer.from(sent.body);
  const length = bytes === undefined ? {} : { 'Content-Length': String(bytes.length) };
  return new Promise<Answer>((resolve, reject) => {
    const outgoing = request(
      url,
      {
        agent,
        method: sent.method ?? 'GET',
        headers: { ...sent.headers, ...length },
        ...(sent.signal === undefined ? {} : { signal: sent.signal }),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const body = Buffer.concat(chunks).toString('utf8');
          const headers = pairs(incoming.rawHeaders);
          resolve({
            status: incoming.statusCode ?? 0,
            reason: incoming.statusMessage ?? '',
            headers,
            body,
            header: (name) => headers.find(([key]) => key.toLowerCase() === name)?.[1],
            json: () => JSON.parse(body),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(bytes);
  }).finally(() => agent.destroy());
}

/** The error document of an answer. */
export function errorOf(answer: Answer): ErrorBody {
  return answer.json() as ErrorBody;
}

function pairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as [string, string]] : []));
}
