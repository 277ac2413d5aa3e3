"""Text, one word after the other, for many clients in one batch: who comes later joins, who has enough leaves.

There is no network: the next word follows from the one before by a table made of a few sentences. What matters is the form,
which is that of a language model: one step for all open requests in each call, and a state kept by request id.
"""

import collections
import time

SENTENCES = """
the lamp on the wall lights the hall . the hall leads to the stairs . the stairs lead to the tower .
a torch in the tower burns all night . all night the keeper reads by the torch . the keeper of the lamp sleeps by day .
"""

#: What a step of a real network would take.
STEP_SECONDS = 0.01


class Generator:
    def initialize(self, context):
        #: What belongs to each open request: its words so far, and how many are to follow.
        self.words = {}
        self.words_left = {}
        self.followers = collections.defaultdict(list)
        known = SENTENCES.split()
        for word, follower in zip(known, known[1:]):
            self.followers[word].append(follower)

    def handle(self, data, context):
        ids = [context.get_request_id(index) for index in range(len(data))]
        # A request that is not in this call is over: answered, or its client has left.
        for request_id in set(self.words) - set(ids):
            del self.words[request_id], self.words_left[request_id]
        for request_id, row in zip(ids, data):
            # The inputs of a request come with its first call; after that its row is empty.
            if row:
                self.words[request_id] = row["body"].get("prompt", "").split() or ["the"]
                self.words_left[request_id] = int(row["body"].get("max_words", 10))
        answers = self.step(ids)
        # True ends the answer with this word; False streams the word, and the request is in the next call as well.
        context.stopping_criteria = [lambda word, key=key: self.words_left[key] <= 0 for key in ids]
        return answers

    def step(self, ids):
        time.sleep(STEP_SECONDS)
        answers = []
        for request_id in ids:
            words = self.words[request_id]
            choices = self.followers.get(words[-1]) or ["the"]
            words.append(choices[len(words) % len(choices)])
            self.words_left[request_id] -= 1
            answers.append(words[-1] + ("\n" if self.words_left[request_id] <= 0 else " "))
        return answers
