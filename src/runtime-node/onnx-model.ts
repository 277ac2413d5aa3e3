// An ONNX file as a model that the worker's loop can serve, with no code of its author's: requests are read into tensors, joined where the
// network has a batch axis, computed, split, and answered in the form they asked for.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadMessage } from '../protocol/messages.ts';
import { type Asked, headerOf } from './asked.ts';
import { CLASSIFICATION_KEYS, classification, parseLabels } from './classify.ts';
import { openImageInput } from './image-input.ts';
import { IMAGE_KEYS, imageSettings } from './image-settings.ts';
import { joinTensors, splitTensor } from './join.ts';
import { LoadError } from './load-error.ts';
import { findNetworkFile } from './network-file.ts';
import { type OnnxSession, openOnnxSession } from './onnx-session.ts';
import { onnxSettings } from './onnx-settings.ts';
import { type OpenInferenceModel, readFields, readOpenInference } from './open-inference.ts';
import { type PlainModel, readPlainRequest } from './plain-request.ts';
import { failureOf, RequestError } from './request-error.ts';
import { planRuns } from './run-plan.ts';
import type { Outcome, RuntimeModel, RuntimeRequest } from './runtime-model.ts';
import { SettingsSection } from './settings-section.ts';
import type { Tensor } from './tensor.ts';

/** A loaded ONNX model, and the runtime that it turned out to have. */
export interface LoadedOnnxModel {
  readonly model: RuntimeModel;
  readonly runtime: { readonly name: string; readonly version: string };
  /** What whoever reads the log should know. */
  readonly remarks: readonly string[];
}

/** Loads the network of a model folder. Rejects with a LoadError that says what to change. */
export async function loadOnnxModel(load: LoadMessage): Promise<LoadedOnnxModel> {
  const path = await findNetworkFile(load.modelDir, load.modelFile);
  const session = await openOnnxSession(path, onnxSettings(load), load.gpuId);
  const config = load.modelConfig ?? {};
  const { inputs, outputs } = session;
  const image =
    config['image'] === undefined
      ? undefined
      : await openImageInput(imageSettings(new SettingsSection('image', config['image'], IMAGE_KEYS), inputs));
  const classifier =
    config['classification'] === undefined
      ? undefined
      : classification(
          new SettingsSection('classification', config['classification'], CLASSIFICATION_KEYS),
          await labelsOf(load.modelDir),
          outputs,
        );
  const plain: PlainModel = { inputs, outputs, image, classification: classifier };
  const openInference = { inputs, outputs, modelName: load.modelName, modelVersion: load.modelVersion };
  return {
    model: new OnnxModel(session, plain, openInference, load.batchSize),
    runtime: { name: 'onnxruntime', version: session.runtimeVersion },
    remarks: remarksOn(session, load.batchSize),
  };
}

class OnnxModel implements RuntimeModel {
  readonly signature: NonNullable<RuntimeModel['signature']>;
  readonly #session: OnnxSession;
  readonly #plain: PlainModel;
  readonly #openInference: OpenInferenceModel;
  readonly #batchSize: number;

  constructor(session: OnnxSession, plain: PlainModel, openInference: OpenInferenceModel, batchSize: number) {
    this.#session = session;
    this.#plain = plain;
    this.#openInference = openInference;
    this.#batchSize = batchSize;
    this.signature = {
      platform: 'onnxruntime_onnx',
      inputs: session.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
      outputs: session.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    };
  }

  async predict(batch: readonly RuntimeRequest[]): Promise<readonly Outcome[]> {
    const outcomes = new Map<number, Outcome>();
    const readable: (readonly [number, Asked])[] = [];
    const read = await Promise.all(batch.map((request) => this.#outcomeOf(() => this.#read(request))));
    for (const [index, result] of read.entries()) {
      if ('inputs' in result) readable.push([index, result]);
      else outcomes.set(index, result);
    }
    const { inputs, isJoinable } = this.#session;
    for (const run of planRuns(readable, inputs, isJoinable, this.#batchSize)) {
      const waiting = readable.filter(([index]) => run.includes(index) && batch[index]?.signal.aborted === false);
      const results = await this.#answer(waiting.map(([, asked]) => asked));
      for (const [position, [index]] of waiting.entries()) {
        const outcome = results[position];
        if (outcome !== undefined) outcomes.set(index, outcome);
      }
    }
    return batch.map((_, index) => outcomes.get(index) ?? CANCELLED);
  }

  async #read(request: RuntimeRequest): Promise<Asked | Outcome> {
    if (request.kind === 'describe')
      return { part: { bytes: Buffer.from(JSON.stringify(this.signature)), encoding: 'json' } };
    if (request.kind === 'explain') throw new RequestError('An ONNX model gives predictions, no explanations.', 501);
    if (headerOf(request, 'open_inference') === 'v2') return readOpenInference(request, this.#openInference);
    const asked = await readPlainRequest(request, this.#plain);
    return 'openInference' in asked ? readFields(asked.openInference, NO_BYTES, this.#openInference) : asked;
  }

  /** Computes requests that can be joined. When that fails, each is computed alone: only the one that is the reason fails. */
  async #answer(asked: readonly Asked[]): Promise<readonly Outcome[]> {
    const [first, ...others] = asked;
    if (first === undefined) return [];
    if (others.length === 0) return [await this.#outcomeOf(async () => this.#render(first, await this.#run(first)))];
    let outputs: readonly ReadonlyMap<string, Tensor>[];
    try {
      outputs = await this.#runJoined([first, ...others]);
    } catch {
      const alone: Outcome[] = [];
      for (const one of asked) alone.push(...(await this.#answer([one])));
      return alone;
    }
    return Promise.all(asked.map((one, index) => this.#outcomeOf(async () => this.#render(one, outputs[index]))));
  }

  #run(asked: Asked): Promise<ReadonlyMap<string, Tensor>> {
    return this.#session.run(asked.inputs, asked.outputNames);
  }

  /** The outputs of each of several requests, computed in one call. */
  async #runJoined(asked: readonly [Asked, ...Asked[]]): Promise<readonly ReadonlyMap<string, Tensor>[]> {
    const joined = new Map<string, Tensor>();
    for (const { name, batchAxis } of this.#session.inputs) {
      const tensors = asked.flatMap(({ inputs }) => inputs.get(name) ?? []);
      const [first, ...others] = tensors;
      if (first !== undefined) joined.set(name, joinTensors([first, ...others], batchAxis ?? 0));
    }
    const names = new Set(asked.flatMap(({ outputNames }) => outputNames));
    const results = await this.#session.run(joined, [...names]);
    const rowCounts = asked.map(({ rows }) => rows);
    const rows = rowCounts.reduce((sum, count) => sum + count, 0);
    const separate = asked.map(() => new Map<string, Tensor>());
    for (const { name, batchAxis = 0 } of this.#session.outputs) {
      const tensor = results.get(name);
      if (tensor === undefined) continue;
      if (tensor.shape[batchAxis] !== rows) throw new RangeError(`output ${name} does not have a row for each row in`);
      for (const [index, own] of splitTensor(tensor, batchAxis, rowCounts).entries()) separate[index]?.set(name, own);
    }
    return separate;
  }

  #render(asked: Asked, outputs: ReadonlyMap<string, Tensor> | undefined): Outcome {
    const own = new Map<string, Tensor>();
    for (const name of asked.outputNames) {
      const tensor = outputs?.get(name);
      if (tensor !== undefined) own.set(name, tensor);
    }
    return { part: asked.render(own) };
  }

  async #outcomeOf<Result>(step: () => Promise<Result>): Promise<Result | Outcome> {
    try {
      return await step();
    } catch (error) {
      return { failure: failureOf(error) };
    }
  }
}

const NO_BYTES = new Uint8Array(0);

const CANCELLED: Outcome = { failure: { code: 'PREDICTION_FAILED', message: 'The request was cancelled.' } };

async function labelsOf(modelDir: string): Promise<readonly (string | undefined)[] | undefined> {
  const path = join(modelDir, 'index_to_name.json');
  try {
    await stat(path);
  } catch {
    return undefined;
  }
  try {
    return parseLabels(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof LoadError) throw error;
    throw new LoadError('HANDLER_INITIALIZE_FAILED', `index_to_name.json cannot be read: ${String(error)}`);
  }
}

function remarksOn({ isJoinable, notJoinableReason, skippedOutputs }: OnnxSession, batchSize: number): string[] {
  const remarks: string[] = [];
  if (!isJoinable && batchSize > 1)
    remarks.push(`Requests are computed one by one, although batchSize is ${batchSize}: ${notJoinableReason}.`);
  if (skippedOutputs.length > 0)
    remarks.push(`Outputs that are no tensors are left out of answers: ${skippedOutputs.join(', ')}.`);
  return remarks;
}
