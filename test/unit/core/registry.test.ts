import { beforeEach, describe, expect, it } from 'vitest';
import { Registry } from '../../../src/core/registry.ts';
import { fakeVersion } from '../../support/fake-version.ts';
import { codeOf } from '../../support/thrown.ts';

describe('the registry', () => {
  let registry: Registry;
  const add = (name: string, version: string) => {
    const added = fakeVersion({ name, version });
    registry.add(added);
    return added;
  };

  beforeEach(() => {
    registry = new Registry();
  });

  it('makes the first version of a name its default', () => {
    const [first, second] = [add('m', '1.0'), add('m', '2.0')];
    expect(registry.resolve('m', undefined)).toBe(first);
    expect(registry.resolve('m', '2.0')).toBe(second);
    expect(registry.isDefault(first)).toBe(true);
    expect(registry.isDefault(second)).toBe(false);
  });

  it('refuses a version that is there already, and keeps the old one', () => {
    const first = add('m', '1.0');
    expect(codeOf(() => add('m', '1.0'))).toBe('MODEL_ALREADY_REGISTERED');
    expect(codeOf(() => registry.checkFree('m', '1.0'))).toBe('MODEL_ALREADY_REGISTERED');
    expect(registry.resolve('m', '1.0')).toBe(first);
    registry.checkFree('m', '1.1');
    registry.checkFree('other', '1.0');
  });

  it('tells an unknown name from an unknown version', () => {
    add('m', '1.0');
    expect(codeOf(() => registry.resolve('nope', undefined))).toBe('MODEL_NOT_FOUND');
    expect(codeOf(() => registry.resolve('m', '9'))).toBe('MODEL_VERSION_NOT_FOUND');
    expect(codeOf(() => registry.versionsOf('nope'))).toBe('MODEL_NOT_FOUND');
    expect(codeOf(() => registry.setDefault('m', '9'))).toBe('MODEL_VERSION_NOT_FOUND');
    expect(codeOf(() => registry.remove('m', '9'))).toBe('MODEL_VERSION_NOT_FOUND');
  });

  it.each(['__proto__', 'constructor', 'toString'])('has no model called %s unless one was added', (name) => {
    expect(codeOf(() => registry.resolve(name, undefined))).toBe('MODEL_NOT_FOUND');
  });

  it('lists the default first, the others in the order of their registration', () => {
    const [a, b, c] = [add('m', '3'), add('m', '1'), add('m', '2')];
    registry.setDefault('m', '1');
    expect(registry.versionsOf('m')).toEqual([b, a, c]);
  });

  it('lists one default a name, sorted by name', () => {
    const [b, a] = [add('b', '1'), add('a', '1')];
    add('a', '2');
    const upper = add('Z', '1');
    expect(registry.defaults()).toEqual([upper, a, b]);
    expect(registry.all()).toHaveLength(4);
  });

  it('keeps the default version while others exist', () => {
    const [first, second] = [add('m', '1'), add('m', '2')];
    expect(codeOf(() => registry.remove('m', undefined))).toBe('DEFAULT_VERSION_IN_USE');
    expect(codeOf(() => registry.remove('m', '1'))).toBe('DEFAULT_VERSION_IN_USE');
    expect(registry.remove('m', '2')).toBe(second);
    expect(registry.remove('m', undefined)).toBe(first);
    expect(codeOf(() => registry.resolve('m', undefined))).toBe('MODEL_NOT_FOUND');
  });

  it('promotes the oldest of the others when a failed registration was the default', () => {
    const [first, second] = [add('m', '1'), add('m', '2')];
    registry.discard(first);
    expect(registry.resolve('m', undefined)).toBe(second);
  });

  it('puts a version in the place of another, default and order included', () => {
    const [former, other] = [add('m', '1'), add('m', '2')];
    const next = fakeVersion({ name: 'm', version: '1' });
    registry.replace(former, next);
    expect(registry.resolve('m', undefined)).toBe(next);
    expect(registry.resolve('m', '1')).toBe(next);
    expect(registry.versionsOf('m')).toEqual([next, other]);
  });

  it('lets the default go along to another label, and to another name', () => {
    const former = add('m', '1');
    add('m', '2');
    const renumbered = fakeVersion({ name: 'm', version: '3' });
    registry.replace(former, renumbered);
    expect(registry.resolve('m', undefined)).toBe(renumbered);
    expect(codeOf(() => registry.resolve('m', '1'))).toBe('MODEL_VERSION_NOT_FOUND');
    const renamed = fakeVersion({ name: 'n', version: '3' });
    registry.replace(renumbered, renamed);
    expect(registry.resolve('n', undefined)).toBe(renamed);
    expect(codeOf(() => registry.resolve('m', '3'))).toBe('MODEL_VERSION_NOT_FOUND');
  });

  it('changes nothing when the place is gone or the new label belongs to a third version', () => {
    const [former, third] = [add('m', '1'), add('m', '2')];
    const next = fakeVersion({ name: 'm', version: '2' });
    expect(codeOf(() => registry.replace(former, next))).toBe('MODEL_ALREADY_REGISTERED');
    expect(registry.versionsOf('m')).toEqual([former, third]);
    registry.discard(former);
    expect(codeOf(() => registry.replace(former, fakeVersion({ name: 'm', version: '1' })))).toBe(
      'MODEL_VERSION_NOT_FOUND',
    );
    expect(registry.all()).toEqual([third]);
  });

  it('does not discard a newer version that took the place of a failed one', () => {
    const failed = add('m', '1');
    registry.discard(failed);
    const retried = add('m', '1');
    registry.discard(failed);
    expect(registry.resolve('m', '1')).toBe(retried);
  });
});
