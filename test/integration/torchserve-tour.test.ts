// The tour that TorchServe's documentation takes its readers on, typed as they type it: pack, start, ask, register, scale, describe, stop. Only
// the ports are others, which the system chooses, and the model needs no torch.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAlive } from '../support/processes.ts';
import { type StartedServer, TorchserveHome } from '../support/torchserve-home.ts';

const MODEL = `
class Net:
    def __call__(self, text):
        return {"length": len(text), "shouted": text.upper()}
`;

const HANDLER = `
import json, os
from model import Net


class LengthHandler:
    def initialize(self, context):
        folder = context.system_properties["model_dir"]
        with open(os.path.join(folder, "labels.json")) as labels:
            self.unit = json.load(labels)["unit"]
        self.net = Net()

    def handle(self, data, context):
        texts = [row.get("data") or row.get("body") for row in data]
        texts = [text if isinstance(text, str) else bytes(text).decode() for text in texts]
        return [{**self.net(text), "unit": self.unit} for text in texts]
`;

let home: TorchserveHome;
let server: StartedServer;

beforeAll(async () => {
  home = await TorchserveHome.create();
  await home.write('model.py', MODEL);
  await home.write('handler.py', HANDLER);
  await home.write('labels.json', '{"unit": "letters"}');
  await home.write('sample.txt', 'kitten');
});

afterAll(async () => {
  await home?.close();
});

/** Runs a script of the documentation with the ports of this server, and gives its JSON. */
async function json(script: string): Promise<unknown> {
  return JSON.parse(await shell(script));
}

function shell(script: string): Promise<string> {
  const { inference, management, metrics } = server;
  const words = [inference, management, metrics].map((address) => address.replace('http://', ''));
  return home.shell(
    script
      .replaceAll(/(?:localhost|127\.0\.0\.1):8080/g, words[0] ?? '')
      .replaceAll(/(?:localhost|127\.0\.0\.1):8081/g, words[1] ?? '')
      .replaceAll(/(?:localhost|127\.0\.0\.1):8082/g, words[2] ?? ''),
  );
}

test('the tour of TorchServe’s documentation goes as its users know it', async () => {
  // Store a model.
  const packed = await home.shell(
    'torch-model-archiver --model-name length --version 1.0 --model-file ./model.py ' +
      '--export-path model_store --extra-files ./labels.json --handler ./handler.py',
  );
  expect(packed).toBe('');

  // Start the server with it.
  server = await home.start([
    ...['--ncs', '--model-store', 'model_store', '--models', 'length.mar'],
    ...['--disable-token-auth', '--enable-model-api'],
  ]);
  expect(await json('curl -s http://localhost:8080/ping')).toEqual({ status: 'Healthy' });

  // Get predictions, by the two spellings of an upload.
  const prediction = { length: 6, shouted: 'KITTEN', unit: 'letters' };
  expect(await json('curl -s http://127.0.0.1:8080/predictions/length -T sample.txt')).toEqual(prediction);
  expect(await json('curl -s http://127.0.0.1:8080/predictions/length/1.0 -F "data=@sample.txt"')).toEqual(prediction);

  // List and describe the models.
  expect(await json('curl -s http://localhost:8081/models')).toEqual({
    models: [{ modelName: 'length', modelUrl: 'length.mar' }],
  });
  expect(await json('curl -s http://localhost:8081/models/length')).toMatchObject([
    { modelName: 'length', modelVersion: '1.0', minWorkers: 1, maxWorkers: 1, workers: [{ status: 'READY' }] },
  ]);

  // Register a second version, and give it workers.
  await home.shell(
    'torch-model-archiver --model-name length --version 2.0 --model-file ./model.py --force ' +
      '--export-path . --extra-files ./labels.json --handler ./handler.py && mv length.mar model_store/length-v2.mar',
  );
  expect(await json('curl -s -X POST "http://localhost:8081/models?url=length-v2.mar&initial_workers=0"')).toEqual({
    status:
      'Model "length" Version: 2.0 registered with 0 initial workers. ' +
      'Use scale workers API to add workers for the model.',
  });
  expect(await json('curl -s -X PUT "http://localhost:8081/models/length/2.0?min_worker=2&synchronous=true"')).toEqual({
    status: 'Workers scaled to 2 for model: length, version: 2.0',
  });
  expect(await json('curl -s -X PUT "http://localhost:8081/models/length?min_worker=3"')).toEqual({
    status: 'Processing worker updates...',
  });
  expect(await json('curl -s http://localhost:8081/models/length/all')).toMatchObject([
    { modelVersion: '1.0', minWorkers: 3 },
    { modelVersion: '2.0', minWorkers: 2 },
  ]);
  expect(await json('curl -s -X PUT http://localhost:8081/models/length/2.0/set-default')).toEqual({
    status: 'Default version successfully updated for model "length" to "2.0"',
  });

  // What the APIs say about themselves, and the metrics.
  const description = (await json('curl -s -X OPTIONS http://localhost:8081')) as { paths: Record<string, unknown> };
  expect(Object.keys(description.paths)).toContain('/models/{model_name}');
  expect(await shell('curl -s http://127.0.0.1:8082/metrics')).toMatch(
    /^ts_inference_requests_total\{.*model_name="length",.*\} 2$/m,
  );

  // Unregister, and stop.
  expect(await json('curl -s -X DELETE http://localhost:8081/models/length/1.0')).toEqual({
    status: 'Model "length" unregistered',
  });
  expect(await home.shell('torchserve --stop --foreground')).toBe('TorchServe has stopped.\n');
  expect(await isAlive(server.pid)).toBe(false);
});
