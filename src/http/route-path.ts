// The paths of operations: what their notation becomes for the router, for the API description and for telling an unknown path from a known
// one. `:name` is a path parameter, `::` behind it a colon that belongs to the path, `*` at the end any further path.
import type { Operation } from './operation.ts';

type Path = Pick<Operation, 'path' | 'reservedFirstParts'>;

/** The path as the router takes it. */
export function routerPath({ path, reservedFirstParts = [] }: Path): string {
  const beforeColons = path.replaceAll(/:([a-z_]+)::/g, ':$1([^:]+)::');
  if (reservedFirstParts.length === 0) return beforeColons;
  return beforeColons.replace(/^\/:([a-z_]+)/, `/:$1(^(?!(?:${reservedFirstParts.join('|')})$).+$)`);
}

/** The path as OpenAPI writes it. */
export function templatePath(path: string): string {
  const template = path.replaceAll(/::|:([a-z_]+)/g, (_, name: string | undefined) => (name ? `{${name}}` : ':'));
  return template.replace(/\*$/, '{url_path}');
}

/** Whether a path, without its query, is one that the operation would answer. */
export function isPathOf({ path, reservedFirstParts = [] }: Path, asked: string): boolean {
  if (reservedFirstParts.includes(asked.split('/', 2)[1] ?? '')) return false;
  const beforeColons = path.replaceAll(/:[a-z_]+::/g, '[^/:]+:');
  const pattern = beforeColons.replaceAll(/:[a-z_]+/g, (part, at: number) =>
    beforeColons[at - 1] === '/' ? '[^/]+' : part,
  );
  return new RegExp(`^${pattern.replace(/\*$/, '.*')}/*$`).test(asked);
}
