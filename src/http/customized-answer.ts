// Describe with `customized=true`: the handlers of the described versions are asked what they say of themselves, with the headers of the
// request.
import type { Dialect } from '../config/dialect.ts';
import { toServingError } from '../core/errors.ts';
import type { CustomizedDescription, VersionDescription } from '../core/version-description.ts';
import type { CustomizedAnswer, CustomizedDescribe } from '../services/customized-describe.ts';
import type { Exchange } from './exchange.ts';
import { headersWithType, reasonOf } from './handler-answer.ts';
import { handlerHeaders, requestTimeoutMs } from './handler-request.ts';
import { prettyJson } from './pretty-json.ts';

/** Answers with the one version, and with the status and the headers that its handler set. Throws what a prediction would throw. */
export async function answerCustomized(
  exchange: Exchange,
  customized: CustomizedDescribe,
  dialect: Dialect,
  description: VersionDescription,
): Promise<void> {
  const { metadata, head } = await askHandler(exchange, customized, description);
  const document = [dialect.answers.describe({ ...description, customized: { metadata } })];
  const headers = headersWithType(head, 'application/json');
  exchange.body(head.status, reasonOf(head, dialect), headers, [Buffer.from(prettyJson(document))]);
}

/** Every version with what its handler says. One that does not answer has the reason in its place and spoils nothing for the others. */
export function customizedVersions(
  exchange: Exchange,
  customized: CustomizedDescribe,
  descriptions: readonly VersionDescription[],
): Promise<VersionDescription[]> {
  return Promise.all(
    descriptions.map(async (description) => {
      const outcome: CustomizedDescription = await askHandler(exchange, customized, description).catch(
        (thrown: unknown) => ({ failure: toServingError(thrown) }),
      );
      return { ...description, customized: outcome };
    }),
  );
}

function askHandler(
  exchange: Exchange,
  customized: CustomizedDescribe,
  { spec }: VersionDescription,
): Promise<CustomizedAnswer> {
  return customized.ask({
    model: spec.name,
    version: spec.version,
    requestId: exchange.requestId,
    headers: handlerHeaders(exchange, [['describe', 'True']]),
    timeoutMs: requestTimeoutMs(exchange),
    onGone: (callback) => exchange.onClientGone(callback),
  });
}
