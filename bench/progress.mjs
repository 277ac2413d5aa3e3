// One line on a terminal that says what is going on, or a line for each step where there is no terminal.

/** @param {string} text "" when nothing goes on any more */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}
