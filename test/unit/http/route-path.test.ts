import { describe, expect, it } from 'vitest';
import { isPathOf, routerPath, templatePath } from '../../../src/http/route-path.ts';

describe('the path of an operation', () => {
  it.each([
    ['/models', '/models'],
    ['/predictions/:model_name/:model_version/*', '/predictions/{model_name}/{model_version}/{url_path}'],
    ['/v1/models/:model_name::predict', '/v1/models/{model_name}:predict'],
  ])('%s is %s in OpenAPI', (path, template) => {
    expect(templatePath(path)).toBe(template);
  });

  it.each([
    ['/models/:model_name', '/models/a:b', true],
    ['/models/:model_name', '/models/a/b', false],
    ['/predictions/:model_name/:model_version/*', '/predictions/m/1.0/a/b', true],
    ['/v1/models/:model_name::predict', '/v1/models/m:predict', true],
    ['/v1/models/:model_name::predict', '/v1/models/m:explain', false],
    ['/v1/models/:model_name::predict', '/v1/models/m', false],
  ])('%s answers %s: %s', (path, asked, answers) => {
    expect(isPathOf({ path }, asked)).toBe(answers);
  });

  it('leaves first parts that belong to other operations to them', () => {
    const legacy = { path: '/:model_name/predict', reservedFirstParts: ['models', 'v1'] };
    expect(isPathOf(legacy, '/m/predict')).toBe(true);
    expect(isPathOf(legacy, '/models/predict')).toBe(false);
    expect(routerPath(legacy)).toBe('/:model_name(^(?!(?:models|v1)$).+$)/predict');
  });
});
