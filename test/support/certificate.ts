// A certificate for 127.0.0.1 that nobody vouches for, made by openssl for one test.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** The file with the certificate. */
  readonly certFile: string;
}

/** Makes one in `folder`; undefined where openssl is not installed. */
export async function selfMadeCertificate(folder: string): Promise<Certificate | undefined> {
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile, '-out', certFile, '-days', '1'];
  const isMade = await promisify(execFile)('openssl', [...args, ...subject]).then(
    () => true,
    () => false,
  );
  if (!isMade) return undefined;
  return { key: await readFile(keyFile, 'utf8'), cert: await readFile(certFile, 'utf8'), certFile };
}
