// The setting `load_models` (and the flag --models): which archives the server registers when it starts. Reading only; finding and
// loading them is the management service's work.
import { isModelName, MODEL_NAME_RULE } from '../core/model-name.ts';
import { UnusableValue } from './unusable-value.ts';

/** One archive to load at start; without a name, the archive's manifest or file name gives it. */
export interface StartupModel {
  readonly name?: string;
  readonly url: string;
}

/** What to load at start: everything in the model store, or these. */
export type LoadModels = readonly StartupModel[] | 'all';

/**
 * Reads `all` (any case) or a comma-separated list of `[name=]url`; blanks around an entry and empty entries do not count.
 * @throws UnusableValue for an entry whose name or URL is unusable
 */
export function parseLoadModels(text: string): LoadModels {
  if (text.toLowerCase() === 'all') return 'all';
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map(parseEntry);
}

function parseEntry(entry: string): StartupModel {
  // The `=` of a query belongs to the URL, so a name ends before anything that only a URL can have.
  const [, name, url] = /^([^=/:?]*)=(.*)$/.exec(entry) ?? [];
  if (name === undefined || url === undefined) return { url: entry };
  const trimmedName = name.trim();
  if (!isModelName(trimmedName)) {
    throw new UnusableValue(`"${trimmedName}" cannot be a model name; use ${MODEL_NAME_RULE}`);
  }
  if (url.trim() === '') throw new UnusableValue(`"${entry}" has no archive after the "="; write name=archive.mar`);
  return { name: trimmedName, url: url.trim() };
}
