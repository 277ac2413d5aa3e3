import { describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import { Job, type JobKeeper } from '../../../src/core/job.ts';
import { CustomizedDescribe } from '../../../src/services/customized-describe.ts';
import type { InferenceRequest } from '../../../src/services/inference-service.ts';
import { jobRequest, textPart } from '../../support/jobs.ts';
import { rejectionOf } from '../../support/thrown.ts';

function bench() {
  const abandoned: ServingError[] = [];
  const warnings: object[] = [];
  const keeper: JobKeeper = {
    abandoned: (job, error) => {
      abandoned.push(error);
      job.fail(error);
    },
    taken: () => {},
    begun: () => {},
    ended: () => {},
  };
  const requests: InferenceRequest[] = [];
  const job = new Job(1, jobRequest({ kind: 'describe' }), 0, Infinity, keeper);
  const inference = {
    infer: (request: InferenceRequest) => {
      requests.push(request);
      return job;
    },
  };
  const customized = new CustomizedDescribe(inference, (_message, details) => warnings.push(details));
  let leave = () => {};
  const asked = customized.ask({
    model: 'm',
    version: '1.0',
    requestId: 'r',
    headers: [['describe', 'True']],
    timeoutMs: 5,
    onGone: (callback) => {
      leave = callback;
    },
  });
  return { job, asked, abandoned, warnings, requests, leave: () => leave() };
}

describe('what a model says of itself', () => {
  it('is asked by a job of its own kind without inputs', async () => {
    const { requests, job, asked } = bench();
    expect(requests).toMatchObject([
      { kind: 'describe', model: 'm', requestedVersion: '1.0', inputs: [], timeoutMs: 5 },
    ]);
    job.deliver(textPart('{"a": 1}', { status: 203, headers: [['x', 'y']] }));
    expect(await asked).toMatchObject({ metadata: { a: 1 }, head: { status: 203, headers: [['x', 'y']] } });
  });

  it('may come in parts; the first one has the status', async () => {
    const { job, asked } = bench();
    job.deliver(textPart('{"a":', { isLast: false, status: 201 }));
    job.deliver(textPart(' [1]', { isLast: false }));
    job.deliver(textPart('}'));
    expect(await asked).toMatchObject({ metadata: { a: [1] }, head: { status: 201 } });
  });

  it.each(['[]', '"text"', 'NaN', '{', 'null'])('is empty when it is %s, and that is told', async (text) => {
    const { job, asked, warnings } = bench();
    job.deliver(textPart(text));
    expect((await asked).metadata).toEqual({});
    expect(warnings).toEqual([{ model: 'm', version: '1.0', requestId: 'r' }]);
  });

  it('is no more of the stream than a mebibyte: then the handler is told to stop', async () => {
    const { job, asked, abandoned } = bench();
    job.deliver(textPart('x'.repeat(600_000), { isLast: false }));
    job.deliver(textPart('x'.repeat(600_000), { isLast: false }));
    expect((await rejectionOf(asked)).code).toBe('RESPONSE_TOO_LARGE');
    expect(abandoned).toHaveLength(1);
  });

  it('is not waited for when the client has gone', async () => {
    const { asked, abandoned, leave } = bench();
    leave();
    expect((await rejectionOf(asked)).code).toBe('CANCELLED');
    expect(abandoned).toHaveLength(1);
  });

  it.each(['NO_WORKER', 'QUEUE_FULL'] as const)('is refused with %s in words of its own', async (code) => {
    const refusing = {
      infer: () => {
        throw new ServingError(code, 'text', { model: 'm' });
      },
    };
    const request = {
      model: 'm',
      version: undefined,
      requestId: 'r',
      headers: [],
      timeoutMs: undefined,
      onGone: () => {},
    };
    const error = await rejectionOf(new CustomizedDescribe(refusing, () => {}).ask(request));
    expect(error).toMatchObject({ code, message: 'text', details: { model: 'm', parameter: 'customized' } });
  });
});
