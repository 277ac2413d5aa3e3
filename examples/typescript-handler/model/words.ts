// What there is to say about the words of a text.

export interface WordStatistics {
  readonly words: number;
  readonly distinct: number;
  readonly longest: string;
  readonly mostFrequent: readonly string[];
}

/** Counts the words of a text; `howMany` of the most frequent are named, the earlier one first where two are as frequent. */
export function wordStatistics(text: string, howMany: number): WordStatistics {
  const words = text.toLowerCase().match(/\p{Letter}+/gu) ?? [];
  const counts = new Map<string, number>();
  let longest = '';
  for (const word of words) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
    if (word.length > longest.length) longest = word;
  }
  const byCount = [...counts].sort(([, left], [, right]) => right - left);
  return {
    words: words.length,
    distinct: counts.size,
    longest,
    mostFrequent: byCount.slice(0, howMany).map(([word]) => word),
  };
}
