// How long the stages of a model's way took, for people: durations that can be compared at a glance, and a small table.

/** 0.35 ms, 12 ms, 1.25 s. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

/** One line for each stage, its durations below each other. */
export function stageTable(stages: readonly (readonly [name: string, ms: number])[]): string {
  const names = Math.max(...stages.map(([name]) => name.length));
  const texts = stages.map(([, ms]) => duration(ms));
  const width = Math.max(...texts.map((text) => text.length));
  return stages.map(([name], index) => `${name.padEnd(names)}  ${texts[index]?.padStart(width)}\n`).join('');
}
