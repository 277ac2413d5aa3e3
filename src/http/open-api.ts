// The API description: an OpenAPI 3.0.1 document made from the very operations that the routes are made from.
import type { Operation, OperationParameter } from './operation.ts';
import { templatePath } from './route-path.ts';

const OPENAPI_VERSION = '3.0.1';

export interface ApiInfo {
  readonly title: string;
  readonly description: string;
  readonly version: string;
}

/** The document for a set of operations. */
export function openApiDocument(info: ApiInfo, operations: readonly Operation[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    const path = templatePath(operation.path);
    paths[path] ??= {};
    operation.methods.forEach((method, index) => {
      const id = index === 0 ? operation.id : `${operation.id}_${method.toLowerCase()}`;
      Object.assign(paths[path] ?? {}, { [method.toLowerCase()]: describeOperation(operation, id, method !== 'GET') });
    });
  }
  return { openapi: OPENAPI_VERSION, info, paths };
}

function describeOperation(operation: Operation, operationId: string, mayHaveBody: boolean): object {
  const parameters = [...(operation.parameters ?? [])];
  if (operation.path.endsWith('*')) {
    parameters.push({ name: 'url_path', in: 'path', type: 'string', description: 'Passed on to the handler' });
  }
  const bodyTypes = mayHaveBody ? operation.bodyTypes : undefined;
  return {
    description: operation.summary,
    operationId,
    parameters: parameters.map(describeParameter),
    requestBody: bodyTypes && { content: Object.fromEntries(bodyTypes.map((type) => [type, {}])) },
    responses: Object.fromEntries(
      Object.entries(operation.responses).map(([status, description]) => [status, { description }]),
    ),
    deprecated: operation.isDeprecated,
  };
}

function describeParameter(parameter: OperationParameter): object {
  return {
    in: parameter.in,
    name: parameter.name,
    description: parameter.description,
    required: parameter.in === 'path' || parameter.isRequired === true,
    schema: { type: parameter.type, default: parameter.default },
  };
}
