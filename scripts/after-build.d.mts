/** Removes outputs below `dist` whose source below `src` is gone, and folders that are empty then. */
export function removeStale(dist: string, src: string): void;
