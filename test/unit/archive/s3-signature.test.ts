import { describe, expect, it } from 'vitest';
import { type AwsKeys, awsKeys, signedHeaders } from '../../../src/archive/s3-signature.ts';

/** The keys, the moment and the signatures of the examples that AWS publishes for Signature Version 4 and S3. */
const KEYS: AwsKeys = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
  sessionToken: undefined,
};
const AT = new Date('2013-05-24T00:00:00.000Z');
const signatureOf = (headers: Record<string, string>) => /Signature=(\w+)$/.exec(headers['authorization'] ?? '')?.[1];

describe('a signed GET', () => {
  it.each([
    [
      'https://examplebucket.s3.amazonaws.com/?lifecycle',
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    [
      'https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
  ])('has the published signature: %s', (url, signature) => {
    const headers = signedHeaders(new URL(url), KEYS, AT);
    expect(signatureOf(headers)).toBe(signature);
    expect(headers['x-amz-date']).toBe('20130524T000000Z');
    expect(headers['authorization']).toContain(
      'Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,',
    );
  });

  it('is the same however the URL spells its characters', () => {
    const sign = (url: string) => signatureOf(signedHeaders(new URL(url), KEYS, AT));
    expect(sign('https://b.s3.amazonaws.com/a%20b/(1)+.mar')).toBe(
      sign('https://b.s3.amazonaws.com/a b/%281%29%2B.mar'),
    );
    expect(sign('https://b.s3.amazonaws.com/%ff.mar')).toBeDefined();
  });

  it('carries and signs the token of short-lived keys', () => {
    const headers = signedHeaders(new URL('https://b.s3.amazonaws.com/a.mar'), { ...KEYS, sessionToken: 'T0ken' }, AT);
    expect(headers['x-amz-security-token']).toBe('T0ken');
    expect(headers['authorization']).toContain('x-amz-date;x-amz-security-token,');
  });
});

describe('the keys', () => {
  it('come from the environment, and what is missing is named', () => {
    const env = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_DEFAULT_REGION: 'c' };
    expect(awsKeys(env)).toEqual({ accessKeyId: 'a', secretAccessKey: 'b', region: 'c', sessionToken: undefined });
    expect(() => awsKeys({ ...env, AWS_SECRET_ACCESS_KEY: '' })).toThrow(/lacks AWS_SECRET_ACCESS_KEY$/);
    expect(() => awsKeys({})).toThrow(/AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION$/);
  });
});
