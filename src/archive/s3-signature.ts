// Signs the GET of an object in S3 (AWS Signature Version 4), for `s3_sse_kms`: objects that are encrypted with a key of KMS are given
// out to signed requests only. The keys come from the environment, under the names that TorchServe reads.
import { createHash, createHmac } from 'node:crypto';
import type { Environment } from './proxy-settings.ts';

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  /** Present with short-lived keys. */
  readonly sessionToken: string | undefined;
}

/** The SHA-256 of a body of no bytes. */
const NO_BODY = createHash('sha256').digest('hex');

/** The keys of the environment. Throws a plain Error that names the variables which are missing. */
export function awsKeys(env: Environment): AwsKeys {
  const accessKeyId = env['AWS_ACCESS_KEY_ID'] || undefined;
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'] || undefined;
  const region = env['AWS_DEFAULT_REGION'] || env['AWS_REGION'] || undefined;
  if (accessKeyId === undefined || secretAccessKey === undefined || region === undefined) {
    const missing = [
      accessKeyId === undefined ? 'AWS_ACCESS_KEY_ID' : '',
      secretAccessKey === undefined ? 'AWS_SECRET_ACCESS_KEY' : '',
      region === undefined ? 'AWS_DEFAULT_REGION' : '',
    ].filter((name) => name !== '');
    throw new Error(
      `s3_sse_kms signs the request with AWS keys, and the server's environment lacks ${missing.join(', ')}`,
    );
  }
  return { accessKeyId, secretAccessKey, region, sessionToken: env['AWS_SESSION_TOKEN'] || undefined };
}

/** The headers that make a GET of this URL a signed one; they count for about fifteen minutes from `at`. */
export function signedHeaders(url: URL, keys: AwsKeys, at: Date): Record<string, string> {
  const time = at.toISOString().replace(/[-:]|\.\d+/g, '');
  const headers: Record<string, string> = { 'x-amz-content-sha256': NO_BODY, 'x-amz-date': time };
  if (keys.sessionToken !== undefined) headers['x-amz-security-token'] = keys.sessionToken;
  const signed = Object.entries({ ...headers, host: url.host }).sort(([one], [other]) => (one < other ? -1 : 1));
  const names = signed.map(([name]) => name).join(';');
  const request = [
    'GET',
    canonicalPath(url),
    canonicalQuery(url),
    ...signed.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    NO_BODY,
  ].join('\n');
  const day = time.slice(0, 8);
  const scope = `${day}/${keys.region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(request).digest('hex')].join('\n');
  const key = [day, keys.region, 's3', 'aws4_request'].reduce<Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    Buffer.from(`AWS4${keys.secretAccessKey}`),
  );
  const signature = createHmac('sha256', key).update(text).digest('hex');
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope},SignedHeaders=${names},Signature=${signature}`,
  };
}

function canonicalPath(url: URL): string {
  return url.pathname.split('/').map(encoded).join('/');
}

function canonicalQuery(url: URL): string {
  return url.search
    .replace(/^\?/, '')
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(pair) ?? [];
      return `${encoded(name)}=${encoded(value)}`;
    })
    .sort()
    .join('&');
}

/** Percent-encoded as AWS wants it, whatever the URL's own spelling: all but letters, digits and -._~ */
function encoded(part: string): string {
  return encodeURIComponent(decoded(part)).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** What is not UTF-8 in percent signs is taken for plain text. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
