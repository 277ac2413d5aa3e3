"""A running total for each client: every request of a sequence adds a number to what the ones before it came to."""

import collections

from ts.utils.util import PredictionException

#: Clients that vanish do not say so: only the totals that were used last are kept. As many as one worker may have sequences.
KEPT_TOTALS = 8


class Counter:
    def initialize(self, context):
        self.totals = collections.OrderedDict()

    def handle(self, data, context):
        return [self.add(row, index, context) for index, row in enumerate(data)]

    def add(self, row, index, context):
        sequence = context.get_sequence_id(index)
        # A client that named no sequence learns by this which one it has got.
        context.set_response_header(index, context.header_key_sequence_id, sequence)
        if context.get_request_header(index, context.header_key_sequence_start):
            self.totals[sequence] = 0
        if sequence not in self.totals:
            return PredictionException("Begin the sequence first: %s: true" % context.header_key_sequence_start, 400)
        self.totals[sequence] += int(row["body"]["add"])
        self.totals.move_to_end(sequence)
        total = self.totals[sequence]
        if context.get_request_header(index, context.header_key_sequence_end):
            del self.totals[sequence]
        while len(self.totals) > KEPT_TOTALS:
            self.totals.popitem(last=False)
        return {"sequence": sequence, "total": total}
