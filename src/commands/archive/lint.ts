// `sconce archive lint`: checks archives and folders, and tells by its exit status whether they will load.
import { PackError } from '../../archive/pack-error.ts';
import { readContent } from '../../archive/read-content.ts';
import { ServingError } from '../../core/errors.ts';
import { failureText } from '../terminal/failure.ts';
import { countText, printable } from '../terminal/words.ts';
import { checkContent } from './check.ts';
import { type Finding, finding, findingLines, hasErrors } from './finding.ts';

export interface LintFlags {
  readonly json?: boolean;
  readonly python: string;
}

/** Answers the exit status: 1 when one of them has an error. */
export async function lintArchives(paths: readonly string[], flags: LintFlags): Promise<number> {
  const results: { readonly path: string; readonly findings: readonly Finding[] }[] = [];
  for (const path of paths) results.push({ path, findings: await findingsIn(path, flags.python) });
  if (flags.json === true) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  else for (const { path, findings } of results) process.stdout.write(reportOn(path, findings));
  return results.some(({ findings }) => hasErrors(findings)) ? 1 : 0;
}

/** An archive that cannot be read is one finding. */
async function findingsIn(path: string, python: string): Promise<readonly Finding[]> {
  try {
    return await checkContent(await readContent(path), python);
  } catch (thrown) {
    if (thrown instanceof ServingError || thrown instanceof PackError)
      return [finding('error', undefined, thrown.message)];
    if (thrown instanceof Error && 'path' in thrown) return [finding('error', undefined, `${failureText(thrown)}.`)];
    throw thrown;
  }
}

function reportOn(path: string, findings: readonly Finding[]): string {
  const count = (wanted: Finding['severity']) => findings.filter(({ severity }) => severity === wanted).length;
  const total = `${countText(count('error'), 'error')}, ${countText(count('warning'), 'warning')}`;
  return `${printable(path)}: ${total}\n${findingLines(findings)
    .map((line) => `${line}\n`)
    .join('')}`;
}
