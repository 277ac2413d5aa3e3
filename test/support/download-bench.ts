// What tests of downloads stand on: a model store of their own, Downloads with short limits, and looks at what is in the store.
import { mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Downloads, type DownloadsOptions } from '../../src/archive/downloads.ts';
import type { SourceFile, SourceRequest } from '../../src/archive/source-file.ts';
import type { GivenSetting } from '../../src/config/config-error.ts';
import { compilePatterns, parsePatternList } from '../../src/config/url-patterns.ts';
import { AllowedUrls, type UnlistedUrls } from '../../src/core/allowed-urls.ts';

export interface DownloadBench {
  readonly store: string;
  readonly folder: string;
  readonly downloads: Downloads;
  readonly log: { readonly level: string; readonly message: string; readonly details: object }[];
  fetch(url: string, request?: Partial<SourceRequest>): Promise<SourceFile>;
  /** Everything in the store, hidden files too. */
  names(): Promise<string[]>;
  close(): Promise<void>;
}

/** Limits at which tests are over soon. */
export const QUICK = { maxBreaks: 3, backOffMs: 1, minWindowBytes: 1, windowMs: 60_000 };

/** A list of expressions as the setting would have it; undefined for one that is not set. */
export async function allowedUrls(
  list: string | undefined,
  unlisted: UnlistedUrls = 'public-http',
): Promise<AllowedUrls> {
  const setting: GivenSetting = { key: 'allowed_urls', value: list ?? '', origin: 'file', where: 'config.properties' };
  return new AllowedUrls(
    list === undefined ? undefined : await compilePatterns(parsePatternList(list), setting),
    unlisted,
  );
}

/** With `allowed`, the list of expressions; by default every URL of 127.0.0.1. */
export async function downloadBench(
  options: Partial<Omit<DownloadsOptions, 'allowed'>> & { allowed?: string | undefined; unlisted?: UnlistedUrls } = {},
): Promise<DownloadBench> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sconce-download-')));
  const store = join(folder, 'store');
  await mkdir(store);
  const log: DownloadBench['log'] = [];
  const { allowed, unlisted, ...others } = { allowed: 'https?://127\\.0\\.0\\.1[:/].*', ...options };
  const downloads = new Downloads({
    modelStore: store,
    allowed: await allowedUrls(allowed, unlisted),
    isShared: true,
    timeoutMs: 30_000,
    maxBytes: 1024 ** 3,
    env: {},
    log: (level, message, details) => log.push({ level, message, details }),
    silenceMs: 10_000,
    limits: QUICK,
    ...others,
  });
  return {
    store,
    folder,
    downloads,
    log,
    fetch: (url, request) =>
      downloads.fetch(url, {
        sha256: undefined,
        s3SseKms: false,
        meter: { count: () => {} },
        signal: new AbortController().signal,
        ...request,
      }),
    names: async () => (await readdir(store)).sort(),
    close: async () => {
      await downloads.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The names that users see. */
export function visible(names: readonly string[]): string[] {
  return names.filter((name) => !name.startsWith('.'));
}
