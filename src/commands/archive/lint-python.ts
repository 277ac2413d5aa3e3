// Lints the Python files of an archive: their syntax, and whether the handler's entry point is there. The interpreter reads the files as
// text in a process of its own (python/sconce_lint.py); nothing of them is executed.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ArchiveContent } from '../../archive/content.ts';
import { quoted } from '../../archive/entry-path.ts';
import { MANIFEST_PATH } from '../../archive/pack-list.ts';
import { closestWord } from '../../core/did-you-mean.ts';
import { type Finding, finding } from './finding.ts';
import { BUILT_IN_HANDLERS, pythonHandler } from './handler-names.ts';

const SCRIPT = fileURLToPath(new URL('../../../python/sconce_lint.py', import.meta.url));
const TIMEOUT_MS = 30_000;

/** `handler` is the manifest's, undefined when it names none. `python` is the interpreter: a path or a command on PATH. */
export async function lintPython(
  content: ArchiveContent,
  handler: string | undefined,
  python: string,
): Promise<Finding[]> {
  const sources = new Map([...content.texts].filter(([path]) => path.endsWith('.py')));
  const name = handler === undefined ? undefined : pythonHandler(handler);
  const file = name?.files.find((path) => content.entries.some((entry) => entry.path === path));
  const isBuiltIn = handler !== undefined && BUILT_IN_HANDLERS.has(handler);
  const missing = handler !== undefined && file === undefined && !isBuiltIn ? [notFound(handler, content)] : [];
  if (sources.size === 0) return missing;
  const question = { files: Object.fromEntries(sources), handler: file, function: name?.entryPoint };
  const answer = await ask(python, JSON.stringify(question));
  if (typeof answer === 'string') {
    return [...missing, finding('note', undefined, `The Python files were not checked: ${answer}`)];
  }
  return [...missing, ...answer.map((one) => finding('error', one.file, one.message, one.line ?? undefined))];
}

function notFound(handler: string, content: ArchiveContent): Finding {
  const wanted = pythonHandler(handler).files[0] ?? handler;
  const files = content.entries.map(({ path }) => path).filter((path) => path.endsWith('.py'));
  const closest = closestWord(wanted, files) ?? closestWord(handler, BUILT_IN_HANDLERS);
  const advice = closest === undefined ? 'Add the file, or correct the name.' : `Is it ${quoted(closest)}?`;
  const message = `model.handler: the archive has no file ${quoted(wanted)}, and there is no built-in handler of this name. ${advice}`;
  // A module of a package may be installed where the model runs.
  const isModule = !handler.includes('/') && /\w\.\w/.test(handler.replace(/\.py(?=:|$)/, ''));
  return finding(isModule ? 'warning' : 'error', MANIFEST_PATH, message);
}

interface Problem {
  readonly file: string;
  readonly line: number | null;
  readonly message: string;
}

/** The problems, or in words why there is no answer. */
function ask(python: string, question: string): Promise<readonly Problem[] | string> {
  return new Promise((resolve) => {
    // Isolated: neither the environment nor the current folder adds modules.
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const child = spawn(python, ['-I', '-S', SCRIPT], { stdio: ['pipe', 'pipe', 'pipe'], signal });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', (error) => {
      if (signal.aborted) resolve(`${python} took longer than ${TIMEOUT_MS / 1000} seconds.`);
      else resolve(`${python} cannot be run (${error.message}). Name an interpreter with --python.`);
    });
    child.on('close', (code, ended) => {
      if (code === 0) resolve(JSON.parse(stdout) as Problem[]);
      else resolve(`${python} ended with ${ended ?? code}: ${stderr.trim().split('\n').at(-1) ?? ''}`);
    });
    // One that ends early says so by its exit code.
    child.stdin.on('error', () => {});
    child.stdin.end(question);
  });
}
