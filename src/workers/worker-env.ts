// The environment of processes that run what models bring along: the server's own without the variables that are hidden from them.

/** Everything but the variables whose names are hidden. */
export function workerEnv(env: NodeJS.ProcessEnv, isHidden: (name: string) => boolean): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isHidden(name)));
}
