"""English contractions and what they stand for, for text that is to be compared word by word."""

from __future__ import annotations

from typing import Dict

_SUBJECTS = ["he", "she", "I", "i", "it", "they", "we", "you"]
_ENDINGS = {"'d": "would", "'d've": "would have", "'ll": "will", "'ll've": "will have"}

#: Verbs before "n't", and those of them that are found before "n't've", too.
_NEGATED = "are could did does do had has have is may might must need ought should was were would".split()
_NEGATED_PERFECT = "could had might must need ought should would".split()
_PERFECT = "could might must should would will to so".split()

_BE = {
    "he's": "is",
    "she's": "is",
    "it's": "is",
    "I'm": "am",
    "i'm": "am",
    "they're": "are",
    "we're": "are",
    "you're": "are",
}
_HAVE = ["I", "i", "they", "we", "you", "what", "when", "where", "who", "why"]
_QUESTIONS = ["how", "what", "when", "where", "who", "why", "that", "there"]

_OTHERS = {
    "'cause": "because",
    "ain't": "is not",
    "can't": "cannot",
    "can't've": "cannot have",
    # With the doubled word that models were trained with.
    "he'll've": "he he will have",
    "how'd": "how did",
    "how'd'y": "how do you",
    "how'll": "how will",
    "let's": "let us",
    "ma'am": "madam",
    "o'clock": "of the clock",
    "sha'n't": "shall not",
    "shan't": "shall not",
    "shan't've": "shall not have",
    "so's": "so as",
    "that'd": "that would",
    "that'd've": "that would have",
    "there'd": "there would",
    "there'd've": "there would have",
    "what'll": "what will",
    "what'll've": "what will have",
    "what're": "what are",
    "where'd": "where did",
    "who'll": "who will",
    "who'll've": "who will have",
    "won't": "will not",
    "won't've": "will not have",
    "y'all": "you all",
    "y'all'd": "you all would",
    "y'all'd've": "you all would have",
    "y'all're": "you all are",
    "y'all've": "you all have",
}


def _contractions() -> Dict[str, str]:
    table = {
        subject + ending: "%s %s" % (subject, words) for subject in _SUBJECTS for ending, words in _ENDINGS.items()
    }
    table.update({short: "%s %s" % (short.partition("'")[0], verb) for short, verb in _BE.items()})
    table.update({subject + "'ve": subject + " have" for subject in [*_HAVE, *_PERFECT]})
    table.update({word + "'s": word + " is" for word in _QUESTIONS})
    table.update({verb + "n't": verb + " not" for verb in _NEGATED})
    table.update({verb + "n't've": verb + " not have" for verb in _NEGATED_PERFECT})
    table.update(_OTHERS)
    return dict(sorted(table.items()))


CONTRACTION_MAP = _contractions()
