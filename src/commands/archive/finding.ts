// What lint has found, and how it is written for people.
import { printable } from '../terminal/words.ts';

/** `error`: the model will not load, or the archive is refused. `warning`: it loads, and something is probably not meant so. `note`: not checked. */
export type Severity = 'error' | 'warning' | 'note';

export interface Finding {
  readonly severity: Severity;
  /** The file of the archive that it is about; undefined for the archive as a whole. */
  readonly file: string | undefined;
  /** From 1; undefined where it is not known. */
  readonly line: number | undefined;
  /** What is wrong, and what to do. */
  readonly message: string;
}

/** A finding about a file, without a line unless one is given. */
export function finding(severity: Severity, file: string | undefined, message: string, line?: number): Finding {
  return { severity, file, line, message };
}

export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some(({ severity }) => severity === 'error');
}

const ORDER: readonly Severity[] = ['error', 'warning', 'note'];

/** One line each, the worst first. */
export function findingLines(findings: readonly Finding[]): string[] {
  const sorted = findings.toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
  return sorted.map(({ severity, file, line, message }) => {
    const place = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}: `;
    return printable(`  ${severity.padEnd(7)}  ${place}${message}`);
  });
}
