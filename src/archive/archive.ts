// One opened archive: what the store hands out and takes back.
import type { Manifest } from './manifest.ts';

/** One opened archive. */
export interface Archive {
  /** As asked for; of a URL, without what only its owner may know. */
  readonly url: string;
  /** Absolute path of the folder with the model's files. */
  readonly modelDir: string;
  readonly manifest: Manifest;
  /** The text of the configuration file that the manifest names. */
  readonly configText: string | undefined;
  /** Removes what was unpacked; a folder that is served in place stays. Can be called again. */
  release(): Promise<void>;
}
