// Regular expressions in a setting: TorchServe's (Java's) syntax, matched in linear time. What Java knows and linear time does not allow, or
// what would mean something else here, keeps the server from starting.
import { ConfigError, type GivenSetting } from './config-error.ts';

export interface ExpressionOptions {
  readonly isCaseSensitive: boolean;
  /** A rule of the setting's own, for the message. */
  readonly rule?: string;
}

/**
 * Compiles an expression to a test of whole texts. The library is loaded only for this.
 * @throws ConfigError for one that cannot be read, or that is not supported
 */
export async function compileExpression(
  text: string,
  setting: GivenSetting,
  options: ExpressionOptions,
): Promise<(tested: string) => boolean> {
  const unusable = (reason: string, cause?: unknown) =>
    new ConfigError(
      `the expression ${text} cannot be used: ${reason}. Expressions are matched in linear time, so there is no look-around, no ` +
        `back-reference and no possessive quantifier${options.rule === undefined ? '' : `; ${options.rule}`}`,
      setting,
      cause,
    );
  const problem = foreignClass(text);
  if (problem !== undefined) throw unusable(problem);
  const { RE2JS } = await import('re2js');
  try {
    const compiled = RE2JS.compile(text, options.isCaseSensitive ? 0 : RE2JS.CASE_INSENSITIVE);
    return (tested) => compiled.testExact(tested);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.replace(/^error parsing regexp: /, '') : String(cause);
    throw unusable(reason, cause);
  }
}

/** Java's nested and intersected character classes would be read as something else without a word; says so where there is one. */
function foreignClass(text: string): string | undefined {
  let isInClass = false;
  for (let at = 0; at < text.length; at += 1) {
    const rest = text.slice(at, at + 2);
    if (rest === '\\Q') {
      const end = text.indexOf('\\E', at);
      at = end < 0 ? text.length : end + 1;
    } else if (rest.startsWith('\\')) {
      at += 1;
    } else if (!isInClass && rest.startsWith('[')) {
      isInClass = true;
      // A bracket that comes first is one of the characters.
      if (text[at + 1] === '^') at += 1;
      if (text[at + 1] === ']') at += 1;
    } else if (isInClass && (rest.startsWith('[') || rest === '&&')) {
      return 'a character class inside another one, or an intersection of two, is not supported';
    } else if (rest.startsWith(']')) {
      isInClass = false;
    }
  }
  return undefined;
}
