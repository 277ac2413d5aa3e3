// A command line read as Python's argparse reads it, for commands that take the place of Python ones: abbreviated flags, `--flag=value`,
// `-fv VALUE`, flags with many values, flags that exclude one another, and its words for mistakes. What the flags mean is their
// commands' business.

export interface ArgumentFlag<Field extends string> {
  /** Its spellings; the first one stands in the usage. */
  readonly names: readonly string[];
  readonly field: Field;
  readonly takes: 'nothing' | 'one' | 'many';
  readonly help: string;
  /** Of the flags that share this word, one may be given. */
  readonly only?: string;
  readonly isRequired?: boolean;
  /** The only values it takes. */
  readonly choices?: readonly string[];
}

/** What was written behind each flag; a flag that takes nothing has no values. */
export type ArgumentValues<Field extends string> = ReadonlyMap<Field, readonly string[]>;

/** A command line that cannot be read. Its message is argparse's, without the name of the command. */
export class ArgumentError extends Error {}

/**
 * Reads the arguments behind the command's name. A flag that is in `endings` (that of the help) ends the reading at once.
 * @throws ArgumentError
 */
export function readArguments<Field extends string>(
  flags: readonly ArgumentFlag<Field>[],
  args: readonly string[],
  endings: readonly Field[],
): ArgumentValues<Field> {
  const values = new Map<Field, readonly string[]>();
  const surplus: string[] = [];
  let rest = args;
  while (rest[0] !== undefined) {
    const [arg, ...behind] = rest;
    rest = behind;
    if (arg === '--') {
      surplus.push(...behind);
      break;
    }
    const found = looksLikeFlag(flags, arg) ? findFlag(flags, arg) : undefined;
    if (found === undefined) {
      surplus.push(arg);
      continue;
    }
    for (const each of bundledWith(flags, found)) {
      const { flag, value } = each;
      refuseRival(flags, values, flag);
      const taken = value === undefined ? leadingValues(flags, flag, behind) : [value];
      checkValues(each, taken);
      values.set(flag.field, flag.takes === 'nothing' ? [] : taken);
      if (endings.includes(flag.field)) return values;
      if (value === undefined) rest = behind.slice(taken.length);
    }
  }
  refuseAbsent(flags, values);
  if (surplus.length > 0) throw new ArgumentError(`unrecognized arguments: ${surplus.join(' ')}`);
  return values;
}

/** What `--help` prints; `about` is a sentence. */
export function helpText<Field extends string>(
  command: string,
  about: string,
  flags: readonly ArgumentFlag<Field>[],
): string {
  return `${usageText(command, flags)}\n${about}\n\n${optionsText(flags)}`;
}

/** What a command line that cannot be read is answered with, for exit status 2. */
export function usageError<Field extends string>(
  command: string,
  message: string,
  flags: readonly ArgumentFlag<Field>[],
): string {
  return `${usageText(command, flags)}${command}: error: ${message}\n`;
}

/** The line, or lines, that show how a command is called. */
function usageText<Field extends string>(command: string, flags: readonly ArgumentFlag<Field>[]): string {
  const groups = [...new Set(flags.map(groupOf))].map((group) => flags.filter((flag) => groupOf(flag) === group));
  const parts = groups.map((group) => {
    const text = group.map((flag) => spelled(flag, flag.names[0] ?? '')).join(' | ');
    return group.every(({ isRequired }) => isRequired === true) ? text : `[${text}]`;
  });
  const indent = ' '.repeat('usage:  '.length + command.length);
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last === undefined || indent.length + last.length + part.length > 98) lines.push(part);
    else lines[lines.length - 1] = `${last} ${part}`;
  }
  return `usage: ${command} ${lines.join(`\n${indent}`)}\n`;
}

/** One paragraph for each flag. */
function optionsText<Field extends string>(flags: readonly ArgumentFlag<Field>[]): string {
  const rows = flags.map(
    (flag) => `  ${flag.names.map((name) => spelled(flag, name)).join(', ')}\n      ${flag.help}\n`,
  );
  return `options:\n${rows.join('')}`;
}

interface FoundFlag<Field extends string> {
  readonly flag: ArgumentFlag<Field>;
  /** What stands behind `=`, or behind a single letter; undefined when nothing does. */
  readonly value: string | undefined;
  /** Whether the value may be more flags of one letter. */
  readonly isShort?: boolean;
}

/** A dash before a number, or in a text with blanks, belongs to a value. */
function looksLikeFlag<Field extends string>(flags: readonly ArgumentFlag<Field>[], arg: string): boolean {
  if (!arg.startsWith('-') || arg === '-' || /^-\d+$|^-\d*\.\d+$/.test(arg)) return false;
  return !arg.includes(' ') || findFlag(flags, arg) !== undefined;
}

function findFlag<Field extends string>(
  flags: readonly ArgumentFlag<Field>[],
  arg: string,
): FoundFlag<Field> | undefined {
  const equals = arg.indexOf('=');
  const name = equals < 0 ? arg : arg.slice(0, equals);
  const value = equals < 0 ? undefined : arg.slice(equals + 1);
  const exact = flags.find(({ names }) => names.includes(name));
  if (exact !== undefined) return { flag: exact, value };
  if (!name.startsWith('--')) {
    const short = flags.find(({ names }) => names.includes(arg.slice(0, 2)));
    return short && { flag: short, value: arg.slice(2), isShort: true };
  }
  const candidates = flags.flatMap((flag) =>
    flag.names.filter((each) => each.startsWith(name)).map((each) => ({ flag, each })),
  );
  const [first, ...others] = candidates;
  if (first === undefined) return undefined;
  // Two spellings of one flag leave no doubt.
  if (others.every(({ flag }) => flag === first.flag)) return { flag: first.flag, value };
  throw new ArgumentError(`ambiguous option: ${arg} could match ${candidates.map(({ each }) => each).join(', ')}`);
}

/** The values right behind a flag, as many of them as it takes. */
function leadingValues<Field extends string>(
  flags: readonly ArgumentFlag<Field>[],
  flag: ArgumentFlag<Field>,
  args: readonly string[],
): readonly string[] {
  if (flag.takes === 'nothing') return [];
  const end = args.findIndex((arg) => arg === '--' || looksLikeFlag(flags, arg));
  const most = flag.takes === 'one' ? 1 : args.length;
  return args.slice(0, Math.min(most, end < 0 ? args.length : end));
}

/** The flag and those of one letter that are written right behind it: `-fv1.0` is `-f -v 1.0`. */
function bundledWith<Field extends string>(
  flags: readonly ArgumentFlag<Field>[],
  first: FoundFlag<Field>,
): readonly FoundFlag<Field>[] {
  if (first.isShort !== true || first.flag.takes !== 'nothing') return [first];
  const next = findFlag(flags, `-${first.value}`);
  return next === undefined ? [first] : [{ flag: first.flag, value: undefined }, ...bundledWith(flags, next)];
}

function checkValues<Field extends string>({ flag, value }: FoundFlag<Field>, taken: readonly string[]): void {
  if (flag.takes === 'nothing' && value !== undefined) {
    throw problem(flag, `ignored explicit argument ${pythonText(value)}`);
  }
  if (flag.takes !== 'nothing' && taken.length === 0) {
    throw problem(flag, flag.takes === 'one' ? 'expected one argument' : 'expected at least one argument');
  }
  const { choices } = flag;
  const odd = taken.find((each) => choices?.includes(each) === false);
  if (choices === undefined || odd === undefined) return;
  throw problem(flag, `invalid choice: ${pythonText(odd)} (choose from ${choices.map(pythonText).join(', ')})`);
}

function refuseAbsent<Field extends string>(
  flags: readonly ArgumentFlag<Field>[],
  values: ArgumentValues<Field>,
): void {
  const absent = flags.filter(({ isRequired, field }) => isRequired === true && !values.has(field));
  if (absent.length === 0) return;
  const names = absent.map(({ names: each }) => each.join('/')).join(', ');
  throw new ArgumentError(`the following arguments are required: ${names}`);
}

function refuseRival<Field extends string>(
  flags: readonly ArgumentFlag<Field>[],
  values: ArgumentValues<Field>,
  flag: ArgumentFlag<Field>,
): void {
  const rival = flags.find(
    (other) => other !== flag && flag.only !== undefined && other.only === flag.only && values.has(other.field),
  );
  if (rival !== undefined) throw problem(flag, `not allowed with argument ${rival.names.join('/')}`);
}

function problem<Field extends string>(flag: ArgumentFlag<Field>, message: string): ArgumentError {
  return new ArgumentError(`argument ${flag.names.join('/')}: ${message}`);
}

function groupOf<Field extends string>({ only, field }: ArgumentFlag<Field>): string {
  return only ?? field;
}

/** With the name of its value, which argparse makes of the flag's first long name. */
function spelled<Field extends string>({ names, takes, choices }: ArgumentFlag<Field>, name: string): string {
  if (takes === 'nothing') return name;
  const long = names.find((each) => each.startsWith('--')) ?? name;
  const plain = long.replace(/^-+/, '').replaceAll('-', '_').toUpperCase();
  const value = choices === undefined ? plain : `{${choices.join(',')}}`;
  return takes === 'one' ? `${name} ${value}` : `${name} ${value} [${value} ...]`;
}

/** As Python prints a text. */
function pythonText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  return quote + text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`) + quote;
}
