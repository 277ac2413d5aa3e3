// A model without a network: it counts words. It answers with one document, or, for a client that accepts application/x-ndjson, with a stream
// of one line of JSON for each line of the text.
import { defineHandler, HandlerError } from 'sconce/handler';
import { type WordStatistics, wordStatistics } from './words.ts';

export const handler = defineHandler({
  load(context) {
    const { mostFrequent } = context.config;
    if (typeof mostFrequent !== 'number') throw new Error('model-config.yaml: mostFrequent must be a number');
    context.log.info('counting words', { mostFrequent });
    return { mostFrequent, wordsCounted: context.metrics.counter('words_counted') };
  },

  predictOne(request, { mostFrequent, wordsCounted }) {
    const text = request.text();
    if (text.trim() === '') throw new HandlerError(400, 'Send a text to count the words of.');
    const count = (part: string): WordStatistics => {
      const statistics = wordStatistics(part, mostFrequent);
      wordsCounted.add(statistics.words);
      return statistics;
    };
    return request.headers.get('accept') === 'application/x-ndjson' ? byLine(text, count) : count(text);
  },
});

function* byLine(text: string, count: (line: string) => WordStatistics): Generator<WordStatistics> {
  for (const line of text.split('\n')) if (line.trim() !== '') yield count(line);
}
