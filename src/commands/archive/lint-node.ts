// Lints a TypeScript or JavaScript handler: its syntax, the files that it imports from the archive, and its exports. esbuild reads the
// texts from memory; nothing of them is executed.
import { posix } from 'node:path';
import { type BuildFailure, build, type Loader, type Message, type Plugin, stop } from 'esbuild';
import type { ArchiveContent } from '../../archive/content.ts';
import { quoted } from '../../archive/entry-path.ts';
import { MANIFEST_PATH } from '../../archive/pack-list.ts';
import { closestWord } from '../../core/did-you-mean.ts';
import { type Finding, finding } from './finding.ts';
import { NODE_ENDINGS, nodeHandler } from './handler-names.ts';

const DEFAULT_HANDLER = 'handler';
const NAMESPACE = 'archive';

/** `handler` is the manifest's; without one the worker looks for `handler.ts`. */
export async function lintNode(content: ArchiveContent, handler: string | undefined): Promise<Finding[]> {
  const { files, entryPoint } = nodeHandler(handler ?? DEFAULT_HANDLER);
  const file = files.find((path) => content.entries.some((entry) => entry.path === path));
  if (file === undefined) return [notFound(handler, files, content)];
  if (!content.texts.has(file)) return [finding('note', file, 'It was not checked, because it is larger than 1 MiB.')];
  const result = await exportsOf(file, content);
  if ('problems' in result) {
    return result.problems.map(({ text, location }) => {
      const name = location?.file.replace(`${NAMESPACE}:`, '') ?? file;
      return finding('error', name, `${text}${text.endsWith('.') ? '' : '.'}`, location?.line);
    });
  }
  const { names } = result;
  const wanted = entryPoint === undefined ? ['default', 'handler'] : [entryPoint, 'default'];
  if (wanted.some((name) => names.includes(name))) return [];
  const has = names.length === 0 ? 'nothing' : names.join(', ');
  const what = entryPoint === undefined ? 'a handler as its default, or as "handler"' : `"${entryPoint}"`;
  const advice = "Write: export default defineHandler({ … }), with defineHandler from 'sconce/handler'.";
  return [finding('error', file, `It does not export ${what}; it exports ${has}. ${advice}`)];
}

function notFound(handler: string | undefined, files: readonly string[], content: ArchiveContent): Finding {
  const present = content.entries.map(({ path }) => path);
  const code = present.filter((path) => NODE_ENDINGS.some((ending) => path.endsWith(ending)));
  const closest = closestWord(files[0] ?? DEFAULT_HANDLER, code);
  const advice = closest === undefined ? 'Add the file, or correct the name.' : `Is it ${quoted(closest)}?`;
  const name = quoted(handler ?? DEFAULT_HANDLER);
  return finding(
    'error',
    MANIFEST_PATH,
    `model.handler: the archive has no file for ${name} (looked for ${files.join(', ')}). ${advice}`,
  );
}

async function exportsOf(
  file: string,
  content: ArchiveContent,
): Promise<{ readonly names: readonly string[] } | { readonly problems: readonly Message[] }> {
  try {
    const { metafile } = await build({
      entryPoints: [file],
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'node',
      target: `node${process.versions.node}`,
      logLevel: 'silent',
      plugins: [filesOf(content)],
    });
    return { names: Object.values(metafile.outputs)[0]?.exports ?? [] };
  } catch (error) {
    if (isBuildFailure(error)) return { problems: error.errors };
    throw error;
  } finally {
    await stop();
  }
}

/** Serves the archive's files to esbuild; packages are where the model runs, and are not looked at. */
function filesOf(content: ArchiveContent): Plugin {
  const present = new Set(content.entries.map(({ path }) => path));
  return {
    name: 'archive-files',
    setup(builder) {
      builder.onResolve({ filter: /./ }, ({ path, kind, importer }) => {
        if (kind === 'entry-point') return { path, namespace: NAMESPACE };
        if (!path.startsWith('.')) return { path, external: true };
        const target = posix.join(posix.dirname(importer), path);
        const found = candidates(target).find((one) => present.has(one));
        if (found === undefined)
          return { errors: [{ text: `The archive has no file for the import ${quoted(path)}. Add it` }] };
        return content.texts.has(found) ? { path: found, namespace: NAMESPACE } : { path: found, external: true };
      });
      builder.onLoad({ filter: /./, namespace: NAMESPACE }, ({ path }) => ({
        contents: content.texts.get(path) ?? '',
        loader: loaderFor(path),
      }));
    },
  };
}

/** As bundlers look: the name, with an ending, a .js that stands for a .ts, a folder's index. */
function candidates(path: string): string[] {
  const withEndings = [...NODE_ENDINGS, '.tsx', '.jsx', '.json'].flatMap((ending) => [
    path + ending,
    `${path}/index${ending}`,
  ]);
  return [path, path.replace(/\.([cm]?)js$/, '.$1ts'), ...withEndings];
}

function loaderFor(path: string): Loader {
  if (/\.[cm]?ts$/.test(path)) return 'ts';
  if (path.endsWith('.json')) return 'json';
  return /\.[cm]?js$/.test(path) ? 'js' : 'text';
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors);
}
