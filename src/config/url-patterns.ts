// The setting `allowed_urls`: a comma-separated list of expressions in TorchServe's (Java's) syntax, without regard to case. How they are read
// and what they cannot have is expression's business.
import type { UrlPattern } from '../core/allowed-urls.ts';
import type { GivenSetting } from './config-error.ts';
import { compileExpression } from './expression.ts';

/** The expressions of a list; a comma always ends one, as in TorchServe. */
export function parsePatternList(text: string): readonly string[] {
  return text
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '');
}

/**
 * Compiles the expressions.
 * @throws ConfigError for one that cannot be read, or that is not supported
 */
export function compilePatterns(texts: readonly string[], setting: GivenSetting): Promise<UrlPattern[]> {
  const options = { isCaseSensitive: false, rule: 'a comma always begins the next expression' };
  return Promise.all(texts.map(async (text) => ({ text, matches: await compileExpression(text, setting, options) })));
}
