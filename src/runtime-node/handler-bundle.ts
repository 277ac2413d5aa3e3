// An author's TypeScript or JavaScript made runnable: esbuild joins the files of the model's folder into one module in memory.
// Packages stay where they are: they are resolved from the file that imports them, and imported by Node as always.
import { readFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type BuildFailure, build, formatMessages, type Loader, type Plugin, type PluginBuild, stop } from 'esbuild';
import { LoadError } from './load-error.ts';

const LOADERS: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.jsx': 'jsx',
};

/** This installation's own module, compiled or not. */
const HANDLER_MODULE = fileURLToPath(new URL(`./handler${extname(import.meta.url)}`, import.meta.url));

/** Names of its own place that a file may use, and which mean nothing in a bundle. */
const OWN_PLACE = {
  'import.meta.url': '__sconceFile.url',
  'import.meta.filename': '__sconceFile.filename',
  'import.meta.dirname': '__sconceFile.dirname',
  __filename: '__sconceFile.filename',
  __dirname: '__sconceFile.dirname',
};
const USES_OWN_PLACE = /\bimport\.meta\b|\b__(?:filename|dirname)\b/;

const REQUIRED = 'sconce-required';

/**
 * The source of an ES module with an inline source map, whose first line is `banner`. Rejects with HANDLER_IMPORT_FAILED, which names file, line
 * and column. One call at a time in a process: esbuild's helper process is stopped at the end.
 */
export async function bundleHandler(entry: string, modelDir: string, banner: string): Promise<string> {
  try {
    const { outputFiles } = await build({
      entryPoints: [entry],
      absWorkingDir: modelDir,
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: `node${process.versions.node}`,
      // Without this, esbuild adds the condition "module", which Node does not know.
      conditions: [],
      charset: 'utf8',
      sourcemap: 'inline',
      sourcesContent: false,
      sourceRoot: pathToFileURL(`${modelDir}/`).href,
      outdir: modelDir,
      banner: { js: banner },
      define: OWN_PLACE,
      logLevel: 'silent',
      plugins: [authorFiles],
    });
    return outputFiles[0]?.text ?? '';
  } catch (error) {
    throw await importFailure(error);
  } finally {
    await stop();
  }
}

const authorFiles: Plugin = {
  name: 'sconce-author-files',
  setup(builder) {
    builder.onResolve({ filter: /^sconce\/handler$/ }, () => ({ path: HANDLER_MODULE }));
    resolvePackages(builder);
    builder.onLoad({ filter: /\.[cm]?[jt]sx?$/ }, async ({ path }) => {
      const contents = await readFile(path, 'utf8');
      const loader = LOADERS[extname(path)] ?? 'js';
      return USES_OWN_PLACE.test(contents) ? { contents: withOwnPlace(contents, path), loader } : undefined;
    });
  },
};

function resolvePackages(builder: PluginBuild): void {
  builder.onResolve({ filter: /^[^./#]/ }, async ({ path, kind, importer, namespace, resolveDir, pluginData }) => {
    if (pluginData === REQUIRED || kind === 'entry-point' || namespace !== 'file') return undefined;
    const found = await builder.resolve(path, { kind, importer, namespace, resolveDir, pluginData: REQUIRED });
    // esbuild resolves once more by itself then, and its message has the place of the import.
    if (found.errors.length > 0) return undefined;
    const isPackage = found.path.includes('/node_modules/');
    if (!found.external && !isPackage) return found;
    if (kind === 'require-call') return { path: found.path, namespace: REQUIRED };
    return { path: isPackage ? pathToFileURL(found.path).href : found.path, external: true };
  });
  // `require` does not exist in an ES module, and a handler may declare one of its own: so each required package gets a module that asks Node.
  builder.onLoad({ filter: /./, namespace: REQUIRED }, ({ path }) => ({
    contents: `module.exports = process.getBuiltinModule('node:module').createRequire(${JSON.stringify(HANDLER_MODULE)})(${JSON.stringify(path)});`,
    loader: 'js',
  }));
}

/** The file with its own place as a constant, on its first line, so that no line moves. */
function withOwnPlace(contents: string, path: string): string {
  const place = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
  return `const __sconceFile = ${JSON.stringify(place)}; ${contents.replace(/^#!.*/, '')}`;
}

async function importFailure(error: unknown): Promise<LoadError> {
  if (!isBuildFailure(error)) {
    return new LoadError('HANDLER_IMPORT_FAILED', `The handler could not be bundled: ${String(error)}`);
  }
  const [first, ...more] = error.errors;
  const place = first?.location;
  const where = place === null || place === undefined ? '' : `${place.file}:${place.line}:${place.column + 1}: `;
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  const trace = await formatMessages([...error.errors], { kind: 'error', color: false });
  return new LoadError(
    'HANDLER_IMPORT_FAILED',
    `${where}${first?.text ?? error.message}${others}`,
    trace.join('').trimEnd(),
  );
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors);
}
