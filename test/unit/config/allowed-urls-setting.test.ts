import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load-config.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sconce-config-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function load(lines: string, env: Record<string, string> = {}) {
  await writeFile(join(cwd, 'config.properties'), lines);
  return loadConfig({ flags: {}, env, cwd });
}
const judge = async (lines: string, url: string, env: Record<string, string> = {}) =>
  (await load(lines, env)).allowedUrls.judge(new URL(url));

const ANY = 'https://models.example/a.mar';

describe('allowed_urls', () => {
  it('is a list of the dialect while nobody has set it', async () => {
    expect(await judge('', ANY)).toBe('public-only');
    expect(await judge('', 'file:///a.mar')).toBe('refused');
    expect(await judge('api_dialect=torchserve', 'file:///a.mar')).toBe('any-address');
  });

  it('is told of at start where it allows everything', async () => {
    const told = (notices: readonly string[]) => notices.some((notice) => notice.startsWith('allowed_urls is not set'));
    expect(told((await load('')).notices)).toBe(false);
    expect(told((await load('api_dialect=torchserve')).notices)).toBe(true);
    expect(told((await load('api_dialect=torchserve\nallowed_urls=https://models.example/.*')).notices)).toBe(false);
  });

  it('allows what its expressions fit', async () => {
    const lines = 'allowed_urls=https://models\\\\.example/.*\\\\.mar , file:///srv/.*';
    expect(await judge(lines, ANY)).toBe('any-address');
    expect(await judge(lines, 'file:///srv/a.mar')).not.toBe('refused');
    expect(await judge(lines, 'https://modelsXexample/a.mar')).toBe('refused');
  });

  it('allows nothing when it is set to nothing, in both dialects', async () => {
    for (const dialect of ['documented', 'torchserve'])
      expect(await judge(`api_dialect=${dialect}\nallowed_urls=`, ANY)).toBe('refused');
  });

  it('keeps the server from starting when an expression cannot be used', async () => {
    await expect(load('allowed_urls=https://ok/.*,https://(?=x)/.*')).rejects.toThrow(
      /^config\.properties: allowed_urls=.*\(\?=x\)/,
    );
  });

  it('comes from the environment only where the file allows both', async () => {
    const env = { TS_ALLOWED_URLS: 'https://elsewhere/.*' };
    const both = 'enable_envvars_config=true\nuse_env_allowed_urls=true\nallowed_urls=https://models.example/.*';
    expect(await judge(both, ANY, env)).toBe('refused');
    expect(await judge(both.replace('use_env_allowed_urls=true\n', ''), ANY, env)).toBe('any-address');
    expect(await judge(both.replace('enable_envvars_config=true\n', ''), ANY, env)).toBe('any-address');
    const { notices } = await load('enable_envvars_config=true', env);
    expect(notices.join()).toContain('TS_ALLOWED_URLS ignored');
    expect(notices.join()).toContain('use_env_allowed_urls');
  });
});

describe('the limits of a download', () => {
  it('have defaults, and refuse what cannot be meant', async () => {
    expect(await load('')).toMatchObject({ downloadTimeoutSec: 3600, maxDownloadBytes: 50 * 1024 ** 3 });
    expect(await load('download_timeout=5\nmax_download_size=10')).toMatchObject({
      downloadTimeoutSec: 5,
      maxDownloadBytes: 10,
    });
    await expect(load('download_timeout=0')).rejects.toThrow('download_timeout');
    await expect(load('max_download_size=-1')).rejects.toThrow('max_download_size');
  });
});
