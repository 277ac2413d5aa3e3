// The parameters that paths of all APIs share.
import type { OperationParameter } from './operation.ts';

export const MODEL: OperationParameter = {
  name: 'model_name',
  in: 'path',
  type: 'string',
  description: 'Name of the model',
};

export const VERSION: OperationParameter = {
  name: 'model_version',
  in: 'path',
  type: 'string',
  description: 'Version of the model',
};
