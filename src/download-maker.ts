// Opens the door through which archives come from URLs, with what the settings allow.
import { Downloads } from './archive/downloads.ts';
import type { ServerConfig } from './config/server-config.ts';
import type { Log } from './telemetry/logger.ts';

/** The downloads of a server, in a model store that is clear of what a killed one has left. */
export async function openDownloads(config: ServerConfig, log: Log): Promise<Downloads> {
  const downloads = new Downloads({
    modelStore: config.modelStore,
    allowed: config.allowedUrls,
    isShared: config.dialect.isDownloadShared,
    timeoutMs: config.downloadTimeoutSec * 1000,
    maxBytes: config.maxDownloadBytes,
    env: process.env,
    log: (level, message, details) => log[level](details, message),
  });
  await downloads.removeLeftovers();
  return downloads;
}
