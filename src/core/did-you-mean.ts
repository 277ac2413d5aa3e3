// Guesses which known word somebody meant to write: settings, query parameters and configuration keys share it. It only
// measures words; what to do about an unknown one is the caller's business.

/** The known word nearest to `word`, or undefined when none is near enough to be a slip of the fingers. Case does not count. */
export function closestWord(word: string, known: Iterable<string>): string | undefined {
  const written = word.slice(0, MAX_LENGTH).toLowerCase();
  let closest: string | undefined;
  let shortest = Math.max(1, Math.floor(written.length / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - written.length) >= shortest) continue;
    const distance = editDistance(written, candidate.toLowerCase());
    if (distance < shortest) {
      shortest = distance;
      closest = candidate;
    }
  }
  return closest;
}

/** The end of a sentence about an unknown word: `; did you mean "batch_size"?`, or nothing when no known word is near. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const closest = closestWord(word, known);
  return closest === undefined ? '' : `; did you mean "${closest}"?`;
}

// A stranger's word can be megabytes long, while the work grows with its length times a known word's.
const MAX_LENGTH = 100;

/** How many letters to insert, remove, replace or swap with their neighbour to turn one word into the other. */
function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      let cost = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (isSame ? 0 : 1),
      );
      const isSwap = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (isSwap) cost = Math.min(cost, at(beforePrevious, column - 2) + 1);
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
