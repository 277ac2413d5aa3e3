// What the pages say is there: links, files, dependencies, operations with their parameters, metrics.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DIALECTS } from '../../src/config/dialect.ts';
import type { Clock } from '../../src/core/ports.ts';
import { Registry } from '../../src/core/registry.ts';
import { describedOperations } from '../../src/http/description-routes.ts';
import { pingOperation, probeOperations } from '../../src/http/health-routes.ts';
import { inferenceOperations } from '../../src/http/inference-routes.ts';
import { kserveOperations, kserveReadyOperation } from '../../src/http/kserve-routes.ts';
import { managementOperations } from '../../src/http/management-routes.ts';
import { metricsOperation } from '../../src/http/metrics-routes.ts';
import { openInferenceOperations } from '../../src/http/open-inference-routes.ts';
import type { Operation } from '../../src/http/operation.ts';
import { templatePath } from '../../src/http/route-path.ts';
import type { CustomizedDescribe } from '../../src/services/customized-describe.ts';
import { HealthService } from '../../src/services/health-service.ts';
import { InferenceService } from '../../src/services/inference-service.ts';
import type { ManagementService } from '../../src/services/management-service.ts';
import { OpenInferenceService } from '../../src/services/open-inference-service.ts';
import { ServerMetrics } from '../../src/telemetry/server-metrics.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NOT_OURS = new Set(['node_modules', 'dist', 'coverage', '.git', '.venv']);

const pages = markdownBelow(ROOT).map((path) => ({
  path,
  name: relative(ROOT, path),
  text: readFileSync(path, 'utf8'),
}));

describe('the pages', () => {
  it('link only to files and headings that exist', () => {
    const broken = pages.flatMap((page) =>
      linksOf(page.text)
        .filter((link) => !resolves(page.path, link))
        .map((link) => `${page.name}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  it('name only source files that exist', () => {
    const missing = pages.flatMap((page) =>
      sourceFilesIn(page.text)
        .filter((file) => ![ROOT, join(ROOT, 'src'), dirname(page.path)].some((from) => existsSync(join(from, file))))
        .map((file) => `${page.name}: ${file}`),
    );
    expect(missing).toEqual([]);
  });
});

describe('docs/decisions/0004-dependencies.md', () => {
  it('has one line for each package of package.json, and none for others', () => {
    const { dependencies, devDependencies, optionalDependencies, overrides } = JSON.parse(read('package.json'));
    const used = [dependencies, devDependencies, optionalDependencies, overrides].flatMap((group) =>
      Object.keys(group ?? {}),
    );
    const reasons = [...read('docs/decisions/0004-dependencies.md').matchAll(/^\* `([^`]+)`.{20,}$/gm)];
    expect(reasons.map(([, name]) => name).toSorted()).toEqual([...new Set(used)].toSorted());
  });
});

describe.each([
  ['docs/reference/management-api.md', managementTable()],
  ['docs/reference/inference-api.md', inferenceTable()],
])('%s', (file, operations) => {
  const page = read(file);

  it.each(operations.map((operation) => [operation.id, operation] as const))('describes %s', (id, operation) => {
    const path = templatePath(operation.path);
    const row = page.split('\n').find((line) => line.startsWith('| ') && line.includes(`| \`${id}\` |`));
    expect(row, `a table row with \`${id}\``).toBeDefined();
    expect(row).toMatch(new RegExp(`[ \`]${escaped(path)}\``));
    const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
    expect(parameters.map(({ name }) => name).filter((name) => !page.includes(`\n| \`${name}\` |`))).toEqual([]);
  });
});

describe('docs/reference/metrics.md', () => {
  it('lists the metrics of the server, each with its type', async () => {
    const text = await new ServerMetrics().text();
    const served = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    const listed = [...read('docs/reference/metrics.md').matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \|/gm)];
    expect(listed.map(([, name, type]) => `${name} ${type}`).toSorted()).toEqual(served.toSorted());
  });
});

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

function markdownBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : markdownBelow(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

function withoutCodeBlocks(text: string): string {
  return text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '');
}

/** Targets of links inside this repository. */
function linksOf(text: string): string[] {
  const links = [...withoutCodeBlocks(text).matchAll(/\]\(<?([^)>\s]+)>?\)/g)].map(([, target]) => target ?? '');
  return links.filter((target) => !/^[a-z][a-z+.-]*:/i.test(target));
}

function resolves(from: string, link: string): boolean {
  const [file = '', heading] = link.split('#', 2);
  const path = file === '' ? from : join(dirname(from), decodeURIComponent(file));
  if (!existsSync(path)) return false;
  return heading === undefined || headingsOf(readFileSync(path, 'utf8')).has(heading);
}

/** The anchors that a page's headings get. */
function headingsOf(text: string): ReadonlySet<string> {
  const headings = [...withoutCodeBlocks(text).matchAll(/^#+ +(.+)$/gm)].map(([, heading]) => heading ?? '');
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Paths of source files that a page names in code: those with a folder and an ending of ours. */
function sourceFilesIn(text: string): string[] {
  const names = [...withoutCodeBlocks(text).matchAll(/`([\w.-]+\/[\w./-]+\.(?:ts|mjs|py))`/g)];
  return names.map(([, name]) => name ?? '').filter((name) => !name.startsWith('model-store/'));
}

function escaped(text: string): string {
  return text.replaceAll(/[{}.*+?^$()|[\]\\]/g, '\\$&');
}

function managementTable(): Operation[] {
  // The records are read and never called, so nothing has to stand behind them.
  const management = {} as ManagementService;
  const customized = {} as CustomizedDescribe;
  return managementOperations({ management, customized, dialect: DIALECTS.documented, isModelApiEnabled: true });
}

function inferenceTable(): Operation[] {
  const registry = new Registry();
  const dialect = DIALECTS.documented;
  const stopped: Clock = { now: () => 0, after: () => ({ cancel: () => {} }) };
  const inference = new InferenceService(registry, stopped);
  const health = new HealthService(registry, dialect.health);
  const operations = [
    pingOperation(health),
    ...inferenceOperations({ inference, dialect, isCombined: false }),
    ...kserveOperations(inference, dialect),
    kserveReadyOperation(new OpenInferenceService(registry)),
    ...probeOperations(health),
    ...openInferenceOperations({
      inference,
      models: new OpenInferenceService(registry),
      health,
      dialect,
      serverVersion: '',
    }),
    metricsOperation(new ServerMetrics()),
  ];
  const described = describedOperations(operations, { serverVersion: '', description: '', checkModel: () => {} });
  // The descriptions of single paths are numbered; the page speaks of them together.
  return described.filter(({ id }) => !id.startsWith('describeApi_'));
}
