// Lints the model's configuration file: what the server would refuse, ignore, or take for the handler's own.
import type { ArchiveContent } from '../../archive/content.ts';
import { plainPath } from '../../archive/entry-path.ts';
import type { Manifest } from '../../archive/manifest.ts';
import { MANIFEST_PATH } from '../../archive/pack-list.ts';
import { parseModelConfig } from '../../config/model-config.ts';
import { ServingError } from '../../core/errors.ts';
import { type Finding, finding } from './finding.ts';
import { lineOfKey } from './line-of-key.ts';

const DEFAULT_CONFIG = 'model-config.yaml';
/** How the parser's messages begin, whatever the file is called. */
const PREFIX = /^model-config\.yaml: /;

export async function lintConfig(content: ArchiveContent, manifest: Manifest | undefined): Promise<Finding[]> {
  const hasManifest = content.texts.has(MANIFEST_PATH);
  const name = manifest?.configFile ?? (hasManifest ? undefined : DEFAULT_CONFIG);
  const unused = name === undefined && content.texts.has(DEFAULT_CONFIG) ? [notNamed()] : [];
  const text = name === undefined ? undefined : content.texts.get(plainPath(name));
  if (name === undefined || text === undefined) return unused;
  try {
    const { notices } = await parseModelConfig(text, 'ignore');
    return notices.map((notice) => {
      const message = notice.replace(PREFIX, '').replace(/; the value is not used as it stands$/, '');
      const isWrong = message !== notice.replace(PREFIX, '');
      return finding(isWrong ? 'error' : 'warning', name, message, lineOf(text, message));
    });
  } catch (thrown) {
    if (!(thrown instanceof ServingError)) throw thrown;
    const message = thrown.message.replace(PREFIX, '');
    const line = /^line (\d+), /.exec(message)?.[1];
    return [finding('error', name, message, line === undefined ? undefined : Number(line))];
  }
}

function notNamed(): Finding {
  return finding(
    'warning',
    DEFAULT_CONFIG,
    'The manifest does not name it, so it has no effect. Add "configFile": "model-config.yaml" to the model.',
  );
}

/** The line of the key that a message begins with. */
function lineOf(text: string, message: string): number | undefined {
  const key = /^"?([\w-]+)"?[: ]/.exec(message)?.[1];
  return key === undefined ? undefined : lineOfKey(text, key);
}
