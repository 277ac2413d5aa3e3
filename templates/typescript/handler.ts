// Tells whether a text is glad or sad, by the weights of its words. Put your own model in place of it.
import { defineHandler, HandlerError } from 'sconce/handler';
import weights from './weights.json';

export const handler = defineHandler({
  /** Once in each worker: whatever takes long belongs here. What it returns is handed to `predictOne`. */
  load(context) {
    const { threshold } = context.config;
    if (typeof threshold !== 'number') throw new Error('model-config.yaml: threshold must be a number');
    return { threshold, weightOf: new Map<string, number>(Object.entries(weights)) };
  },

  /** Answers one request. An error that is thrown here is the answer to this request alone. */
  predictOne(request, { threshold, weightOf }) {
    const { text } = request.json<{ text?: unknown }>();
    if (typeof text !== 'string') throw new HandlerError(400, 'send JSON such as {"text": "what a lovely day"}');
    const words = text.toLowerCase().match(/\p{Letter}+/gu) ?? [];
    const score = words.reduce((sum, word) => sum + (weightOf.get(word) ?? 0), 0);
    return { mood: score >= threshold ? 'glad' : 'sad', score };
  },
});
