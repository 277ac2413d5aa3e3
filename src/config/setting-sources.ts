// Who said what: brings file, flags and environment into one value for each key, the stronger one winning, and tells what was said to
// no effect. It reads texts only; their meaning is in server-settings.
import { didYouMean } from '../core/did-you-mean.ts';
import { ConfigError, type GivenSetting } from './config-error.ts';
import { replacedNotice } from './replaced-settings.ts';
import { KNOWN_SETTINGS } from './server-settings.ts';
import { parseBoolean } from './setting-parsers.ts';
import { UnusableValue } from './unusable-value.ts';

/** A flag of the command line that sets a key. */
export interface SettingFlag {
  readonly key: string;
  /** The flag as it is written, for messages. */
  readonly flag: string;
  readonly value: string;
}

/** The pairs of a properties file. */
export interface PropertiesFile {
  /** The file's name as its user knows it. */
  readonly name: string;
  readonly pairs: ReadonlyMap<string, string>;
}

/** The winning text of every key that somebody set, and what has no effect. */
export interface GatheredSettings {
  readonly given: ReadonlyMap<string, GivenSetting>;
  readonly notices: readonly string[];
}

/**
 * Flags win over the file. The environment wins over both, but takes part only when the file says `enable_envvars_config=true`.
 * @throws ConfigError when `enable_envvars_config` or `use_env_allowed_urls` is neither true nor false
 */
export function gatherSettings(
  file: PropertiesFile | undefined,
  flags: readonly SettingFlag[],
  env: Readonly<Record<string, string | undefined>>,
): GatheredSettings {
  const given = new Map<string, GivenSetting>();
  const notices: string[] = [];
  for (const [key, text] of file?.pairs ?? []) {
    const setting: GivenSetting = { key, value: text.trim(), origin: 'file', where: file?.name ?? '' };
    if (KNOWN_SETTINGS.has(key)) given.set(key, setting);
    else
      notices.push(
        `${setting.where}: "${key}" is not a known setting and is ignored${didYouMean(key, KNOWN_SETTINGS.keys())}`,
      );
  }
  for (const { key, flag, value } of flags) given.set(key, { key, value: value.trim(), origin: 'flag', where: flag });

  const variables = environmentSettings(env);
  if (isSwitchedOn(given.get('enable_envvars_config'))) {
    // As in TorchServe: what may be fetched is too much to leave to the environment unasked.
    const areUrlsIncluded = isSwitchedOn(given.get('use_env_allowed_urls'));
    for (const variable of variables) {
      if (variable.key !== 'allowed_urls' || areUrlsIncluded) given.set(variable.key, variable);
      else
        notices.push(
          `environment: ${variable.where} ignored; it counts only with use_env_allowed_urls=true in the file`,
        );
    }
  } else if (variables.length > 0) {
    const names = variables.map((variable) => variable.where).join(', ');
    notices.push(`environment: ${names} ignored; TS_ variables count only with enable_envvars_config=true in the file`);
  }

  for (const { key, where } of given.values()) {
    if (KNOWN_SETTINGS.get(key)?.status === 'later')
      notices.push(`${where}: "${key}" is known, but not yet applied by this release`);
  }
  const replaced = replacedNotice(given.values());
  if (replaced !== undefined) notices.push(replaced);
  return { given, notices };
}

function isSwitchedOn(setting: GivenSetting | undefined): boolean {
  if (setting === undefined) return false;
  try {
    return parseBoolean(setting.value);
  } catch (error) {
    if (error instanceof UnusableValue) throw new ConfigError(error.message, setting, error);
    throw error;
  }
}

/** An empty variable counts as not set: it is how a shell or a container file leaves one out. */
function environmentSettings(env: Readonly<Record<string, string | undefined>>): GivenSetting[] {
  const found: GivenSetting[] = [];
  for (const [key, { env: name }] of KNOWN_SETTINGS) {
    const value = name !== undefined && Object.hasOwn(env, name) ? env[name]?.trim() : undefined;
    if (name !== undefined && value !== undefined && value !== '') {
      found.push({ key, value, origin: 'environment', where: name });
    }
  }
  return found;
}
