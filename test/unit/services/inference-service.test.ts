import { beforeEach, describe, expect, it } from 'vitest';
import { Registry } from '../../../src/core/registry.ts';
import { type InferenceRequest, InferenceService } from '../../../src/services/inference-service.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeVersion } from '../../support/fake-version.ts';
import { jobRequest } from '../../support/jobs.ts';
import { codeOf } from '../../support/thrown.ts';

let clock: FakeClock;
let registry: Registry;
let service: InferenceService;

beforeEach(() => {
  clock = new FakeClock();
  clock.advance(1000);
  registry = new Registry();
  service = new InferenceService(registry, clock);
});

function request(over: Partial<InferenceRequest> = {}): InferenceRequest {
  return { ...jobRequest(), model: 'm', timeoutMs: undefined, ...over };
}

describe('infer', () => {
  it.each([
    { caller: undefined, model: 0, deadlineAt: Infinity },
    { caller: 500, model: 0, deadlineAt: 1500 },
    { caller: undefined, model: 300, deadlineAt: 1300 },
    { caller: 500, model: 300, deadlineAt: 1300 },
    { caller: 200, model: 300, deadlineAt: 1200 },
  ])('lets the sooner limit count (caller $caller ms, model $model ms)', ({ caller, model, deadlineAt }) => {
    registry.add(fakeVersion({ clientTimeoutMs: model }, clock));
    expect(service.infer(request({ timeoutMs: caller })).deadlineAt).toBe(deadlineAt);
  });

  it('asks the version that was named, or the default one', () => {
    const [first, second] = [fakeVersion({ version: '1' }, clock), fakeVersion({ version: '2' }, clock)];
    registry.add(first);
    registry.add(second);
    service.infer(request());
    service.infer(request({ requestedVersion: '2' }));
    service.infer(request({ requestedVersion: '2' }));
    expect([first.scheduler.waiting, second.scheduler.waiting]).toEqual([1, 2]);
  });

  it('fails for models and versions that do not exist, as check does', () => {
    registry.add(fakeVersion());
    expect(codeOf(() => service.infer(request({ model: 'other' })))).toBe('MODEL_NOT_FOUND');
    expect(codeOf(() => service.infer(request({ requestedVersion: '9' })))).toBe('MODEL_VERSION_NOT_FOUND');
    expect(codeOf(() => service.check('m', '9'))).toBe('MODEL_VERSION_NOT_FOUND');
    service.check('m', '1.0');
  });

  it('refuses everything once the server stops, and keeps what it has', () => {
    const version = fakeVersion({}, clock);
    registry.add(version);
    const accepted = service.infer(request());
    service.close();
    expect(codeOf(() => service.infer(request()))).toBe('SERVER_STOPPING');
    expect(accepted.state).toBe('queued');
  });
});

describe('onlyModel', () => {
  it('names the model when there is just one, however many versions it has', () => {
    expect(service.onlyModel()).toBeUndefined();
    registry.add(fakeVersion({ name: 'a', version: '1' }));
    registry.add(fakeVersion({ name: 'a', version: '2' }));
    expect(service.onlyModel()).toBe('a');
    registry.add(fakeVersion({ name: 'b' }));
    expect(service.onlyModel()).toBeUndefined();
  });
});
