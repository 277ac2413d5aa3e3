// `sconce archive create`: plans, checks, packs, and says what to do next.
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { contentOfFiles } from '../../archive/content.ts';
import type { PackFormat } from '../../archive/pack.ts';
import { PackError } from '../../archive/pack-error.ts';
import { manifestText, type PackDate, sourceDate } from '../../archive/pack-manifest.ts';
import { prepareOutput, refuseOwnSource } from '../../archive/pack-output.ts';
import { isModelName, MODEL_NAME_RULE } from '../../core/model-name.ts';
import { countText, printable, shellWord, sizeText } from '../terminal/words.ts';
import { checkContent } from './check.ts';
import { sha256Of } from './digest.ts';
import { findingLines, hasErrors } from './finding.ts';
import { packOnTerminal } from './packing.ts';
import { type ArchivePlan, findSource, type PlanFlags, planArchive } from './plan.ts';

export interface CreateFlags extends PlanFlags {
  readonly exportPath: string;
  readonly archiveFormat: PackFormat;
  readonly force?: boolean;
  readonly lint: boolean;
  readonly python: string;
}

/** Throws PackError; nothing is left then. */
export async function createArchive(path: string | undefined, flags: CreateFlags, version: string): Promise<void> {
  const format = flags.archiveFormat;
  const source = await findSource(path, flags);
  const { modelName } = source;
  if (!isModelName(modelName)) {
    throw new PackError(
      `--model-name: ${JSON.stringify(modelName)} is no name for a model: expected ${MODEL_NAME_RULE}.`,
    );
  }
  const output = await prepareOutput(modelName, flags.exportPath, format, flags.force === true);
  const plan = await planArchive(source, flags, output.path, `sconce-${version}`);
  const { files, notices } = plan.list;
  if (format === 'no-archive') await refuseOwnSource(output.path, files);
  const created = sourceDate(process.env['SOURCE_DATE_EPOCH']) ?? { at: new Date(), isUtc: false };
  const text = manifestText(plan.manifest, created);
  const leftOut = plan.leftOut.length === 0 ? [] : [`left out: ${plan.leftOut.join(', ')}`];
  for (const notice of [...output.notices, ...notices, ...leftOut]) tell(`  ${notice}`);
  if (flags.lint) await check(plan, text, flags.python);
  await packOnTerminal({ files, manifestText: text, modelName, format, output: output.path, created });
  process.stdout.write(await report(output.path, format, files.length + 1, created));
}

async function check({ list }: ArchivePlan, text: string, python: string): Promise<void> {
  const findings = await checkContent(await contentOfFiles(list.files, text), python);
  for (const line of findingLines(findings)) tell(line);
  if (hasErrors(findings))
    throw new PackError('Not packed, because of the errors above. --no-lint packs all the same.');
}

async function report(path: string, format: PackFormat, count: number, created: PackDate): Promise<string> {
  const name = basename(path);
  const facts =
    format === 'no-archive'
      ? [`${path}/`, `  ${countText(count, 'file')}`]
      : [
          `${path}`,
          `  ${sizeText((await stat(path)).size)}, ${countText(count, 'file')}`,
          `  sha256 ${await sha256Of(path)}`,
        ];
  const date = created.isUtc ? ['  dated by SOURCE_DATE_EPOCH'] : [];
  const query = `url=${encodeURIComponent(name)}&initial_workers=1&synchronous=true`;
  const next = [
    '',
    'Serve it:',
    `  sconce serve ${shellWord(path)}`,
    'or, once it lies in the model store of a running server:',
    `  curl -X POST "http://localhost:8081/models?${query}"`,
    '',
  ];
  return [...facts, ...date, ...next].map(printable).join('\n');
}

function tell(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}
