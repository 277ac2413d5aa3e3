// Why a command failed, in words for whoever typed it. Errors whose messages are meant for people are shown as they are, those of the system
// are translated, and of what nobody expected the trace is shown.
import { PackError } from '../../archive/pack-error.ts';
import { ConfigError } from '../../config/config-error.ts';
import { ServingError } from '../../core/errors.ts';

/** What the system says most often. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'permission denied'],
  ['EPERM', 'not permitted'],
  ['EROFS', 'the disk is read-only'],
  ['ENOSPC', 'the disk is full'],
  ['ENOENT', 'there is no such file or folder'],
  ['ENOTDIR', 'a part of the path is a file'],
  ['EISDIR', 'this is a folder'],
  ['EEXIST', 'a file of this name is in the way'],
]);

/** One message without the command's name; more lines only for an error that nobody expected. */
export function failureText(error: unknown): string {
  if (error instanceof ConfigError || error instanceof PackError || error instanceof ServingError) return error.message;
  const { code, address, port, path } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (address !== undefined) {
    // A socket of the file system has a path as its address, and -1 as its port.
    const where = port === undefined || port < 0 ? address : `${address}:${port}`;
    if (code === 'EADDRINUSE')
      return `${where} is in use by another process; stop it, or choose another address (inference_address, management_address, metrics_address)`;
    if (code === 'EACCES')
      return `${where} may not be opened by this user; choose a port above 1023, or another address`;
  }
  if (code !== undefined && path !== undefined) return `${path}: ${systemReason(error)}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** `permission denied (EACCES)`: what the system refused, without the path. */
export function systemReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return message ?? String(error);
  const reason = REASONS.get(code);
  return reason === undefined ? message : `${reason} (${code})`;
}
