// OPTIONS: what can be asked here. `/` describes the whole listener, a model's path describes what can be done with that model.
import type { Exchange } from './exchange.ts';
import { openApiDocument } from './open-api.ts';
import type { Operation } from './operation.ts';

export interface DescriptionOptions {
  readonly serverVersion: string;
  /** What the listener does, for the document's title. */
  readonly description: string;
  /** Throws unless the model (and version) exists. */
  checkModel(name: string, version: string | undefined): void;
}

/** The given operations and, before them, those that describe them. */
export function describedOperations(operations: readonly Operation[], options: DescriptionOptions): Operation[] {
  const all: Operation[] = [];
  const describe = (exchange: Exchange) => {
    const info = { title: 'TorchServe APIs', description: options.description, version: options.serverVersion };
    exchange.json(200, openApiDocument(info, all));
  };
  const describeModel = (exchange: Exchange) => {
    const { model_name: name = '', model_version: version } = exchange.params;
    options.checkModel(name, version === 'all' ? undefined : version);
    const info = {
      title: `RESTful API for: ${name}`,
      description: options.description,
      version: options.serverVersion,
    };
    exchange.json(200, openApiDocument(info, operations.filter(isAboutOneModel)));
  };
  const modelPaths = new Map(operations.filter(isAboutOneModel).map((operation) => [operation.path, operation]));
  const reserved = ({ reservedFirstParts }: Operation) => (reservedFirstParts ? { reservedFirstParts } : {});
  all.push(
    {
      id: 'apiDescription',
      methods: ['OPTIONS'],
      path: '/',
      summary: 'Describes what this listener answers, as OpenAPI 3.0.1',
      responses: { 200: 'This document' },
      handle: describe,
    },
    ...operations,
    ...[...modelPaths].map(([path, operation], index) => ({
      id: `describeApi_${index}`,
      methods: ['OPTIONS' as const],
      path,
      ...reserved(operation),
      summary: 'Describes what can be done with this model',
      parameters: (operation.parameters ?? []).filter((parameter) => parameter.in === 'path'),
      responses: { 200: 'An OpenAPI 3.0.1 document', 404: 'No such model or version' },
      handle: describeModel,
    })),
    {
      id: 'api-description',
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      path: '/api-description',
      summary: 'The same as OPTIONS /',
      responses: { 200: 'An OpenAPI 3.0.1 document' },
      isDeprecated: true,
      handle: describe,
    },
  );
  return all;
}

function isAboutOneModel(operation: Operation): boolean {
  return operation.path.includes(':model_name');
}
