/** Every complaint about the source tree below `root`, in words; empty when it keeps its levels. */
export function checkLayers(root: string): string[];
