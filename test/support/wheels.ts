// Python packages made in the test: wheels are zip files, so pip needs neither a network nor a build for them.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeMar } from './archive-forge.ts';

export interface WheelOptions {
  /** What this package needs, as pip writes it. */
  readonly requires?: readonly string[];
  /** Python source of the package's only module. */
  readonly source?: string;
}

/** Puts a wheel into the folder, which is made: a module of the package's name with its `VERSION`. Returns the wheel's file name. */
export async function makeWheel(
  folder: string,
  name: string,
  version: string,
  { requires = [], source = `VERSION = ${JSON.stringify(version)}\n` }: WheelOptions = {},
): Promise<string> {
  const info = `${name}-${version}.dist-info`;
  const metadata = [
    'Metadata-Version: 2.1',
    `Name: ${name}`,
    `Version: ${version}`,
    ...requires.map((one) => `Requires-Dist: ${one}`),
  ];
  const files = {
    [`${name}/__init__.py`]: source,
    [`${info}/METADATA`]: `${metadata.join('\n')}\n`,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  };
  const record = [...Object.keys(files), `${info}/RECORD`].map((path) => `${path},,\n`).join('');
  const file = `${name}-${version}-py3-none-any.whl`;
  await mkdir(folder, { recursive: true });
  await makeMar(join(folder, file), { ...files, [`${info}/RECORD`]: record });
  return file;
}
