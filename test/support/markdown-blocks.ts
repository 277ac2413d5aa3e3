// The fenced blocks of a page of Markdown, for tests that do what a page says.

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

export function blocksOf(page: string): CodeBlock[] {
  return [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({ language, text }));
}
