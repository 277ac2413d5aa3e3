// The error that keeps the server from starting: a setting that cannot be used, or that this release would have to ignore at the
// cost of safety. main prints its message as one line. Requests never meet it; they meet ServingError.

/** Where the value of a setting came from. */
export type SettingOrigin = 'default' | 'file' | 'environment' | 'flag';

/** One setting as somebody wrote it. */
export interface GivenSetting {
  readonly key: string;
  readonly value: string;
  readonly origin: SettingOrigin;
  /** The file, the variable or the flag by name; the word "default" for a default. */
  readonly where: string;
}

/** A start that is refused. `message` is one line: what was set, where, what is wrong with it, and the remedy. */
export class ConfigError extends Error {
  /** The setting that is at fault, undefined when it is the file as a whole. */
  readonly setting: GivenSetting | undefined;

  constructor(problem: string, setting?: GivenSetting, cause?: unknown) {
    super(
      setting === undefined ? problem : `${quoteSetting(setting)}: ${problem}`,
      cause === undefined ? {} : { cause },
    );
    this.name = 'ConfigError';
    this.setting = setting;
  }
}

const MAX_SHOWN_LENGTH = 200;

/** The setting as its author would recognise it: a line of the file, a variable, or a flag. */
function quoteSetting({ key, value, origin, where }: GivenSetting): string {
  const oneLine = value.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ');
  const shown = oneLine.length > MAX_SHOWN_LENGTH ? `${oneLine.slice(0, MAX_SHOWN_LENGTH)}…` : oneLine;
  switch (origin) {
    case 'file':
      return `${where}: ${key}=${shown}`;
    case 'environment':
      return `${where}=${shown}`;
    case 'flag':
      return `${where} ${shown}`;
    case 'default':
      return `${key}=${shown} (default)`;
  }
}
