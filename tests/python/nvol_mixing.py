"""Mixed decisions of section LATG of FORMAT.md: adaptive probabilities, mixers, and the models of coefficients."""

from bisect import bisect_left


def squash_table():
    """squash(d) is at place d + 2560."""
    below, above, o = [], [], 1.0
    for _ in range(2561):
        s = 65536 / (1 + o)
        below.append(int(s))
        above.append(int(65536 - s))
        o *= 1.0039138893383476
    return below[:0:-1] + above


SQUASH = squash_table()
# logit(p) is at place floor(p / 16).
LOGIT = [min(bisect_left(SQUASH, 16 * n + 8) - 2560, 2560) for n in range(4096)]


class AdaptiveProbability:
    def __init__(self, p=32768, seen=0):
        self.p, self.seen = p, seen


class Mixer:
    def __init__(self, sets, inputs):
        self.weights = [[196608 // (2 * inputs + 2)] * inputs for _ in range(sets)]
        self.used = [0] * sets


def mixed(v, w):
    """The logit."""
    return min(max(sum(a * b for a, b in zip(v, w, strict=True)) >> 16, -2560), 2560)


def logits(probabilities):
    return [LOGIT[c.p // 16] * (2560 * c.seen // (10 * c.seen + 16)) >> 8 for c in probabilities]


def mixed_decision(coder, probabilities, mixer, s, second=None):
    """A decision; `second` has the probabilities, the mixer and the set that it is mixed with once more."""
    v = logits(probabilities)
    d = mixed(v, mixer.weights[s])
    layers = [(probabilities, v, mixer, s, SQUASH[d + 2560])]
    if second is not None:
        probabilities, mixer, s = second
        v = [d, *logits(probabilities)]
        layers.append((probabilities, v, mixer, s, SQUASH[mixed(v, mixer.weights[s]) + 2560]))
    bit = coder.decode(min(max(65536 - layers[-1][4], 8), 65528))
    for layer in layers:
        learn(bit, *layer)
    return bit


def learn(bit, probabilities, v, mixer, s, q):
    w, target = mixer.weights[s], 65535 if bit else 0
    rate = (24, 16, 10, 6)[min(mixer.used[s] // 200, 3)]
    mixer.used[s] += 1
    for i, a in enumerate(v):
        w[i] = min(max(w[i] + (a * (target - q) * rate >> 18), -1 << 20), 1 << 20)
    for c in probabilities:
        c.p += (target - c.p) * (655360 // (10 * c.seen + 16)) >> 16
        c.seen = min(c.seen + 1, 40)


class Models:
    """The models of coefficients: of each its probabilities, and its mixer's number of sets."""

    SIZES = {
        "cell": ([288, 192, 384, 144], 3),
        "zero": ([336, 648, 800, 72, 288, 405, 288], 24),
        "sign": ([216, 648, 648, 648], 8),
        "exponent": ([192, 576, 432, 192], 12),
        "mantissa": ([248], 1),
    }

    def __init__(self):
        self.probabilities = {m: [[AdaptiveProbability() for _ in range(n)] for n in sizes] for m, (sizes, _) in self.SIZES.items()}
        self.mixers = {m: Mixer(sets, len(sizes)) for m, (sizes, sets) in self.SIZES.items()}
        self.second = SecondModels()

    def decide(self, coder, m, i, s, second=None):
        probabilities = [of_input[index] for of_input, index in zip(self.probabilities[m], i, strict=True)]
        if second is not None:
            second = self.second.chosen(m, *second)
        return mixed_decision(coder, probabilities, self.mixers[m], s, second)


def exponent_guess(i):
    u, here = i // 16, i % 16
    return 55705 if u < ([0, 0, 1, 1][here] if here < 4 else here // 2) else 9830


class SecondModels:
    """What decisions are mixed with once more that the step before has a say in."""

    # Of each model: sets of its mixer, and for both inputs the contexts, and p of each at first.
    SIZES = {
        "cell": (4, [(144, lambda i: [3276, 26214, 39321][min(i // 12, 2)]), (576, lambda i: [3276, 26214, 39321][min(i // 48, 2)])]),
        "zero": (6, [(360, lambda i: [6553, 39321, 58982][min(i // 36, 2)]), (384, lambda i: [6553, 39321, 58982][min(i // 48, 2)])]),
        "sign": (8, [(12, lambda i: [62259, 32768, 3276][i // 4]), (324, lambda i: [62259, 32768, 3276][i // 108])]),
        "exponent": (12, [(192, exponent_guess), (1536, lambda i: exponent_guess(i // 8))]),
        "mantissa": (5, [(160, lambda i: [29491, 19660, 39321, 19660, 45875][i // 32]), (20, lambda i: [29491, 19660, 39321, 19660, 45875][i // 4])]),
    }  # fmt: skip

    def __init__(self):
        self.probabilities, self.mixers = {}, {}
        for m, (sets, inputs) in self.SIZES.items():
            self.probabilities[m] = [[AdaptiveProbability(p(i), 8) for i in range(n)] for n, p in inputs]
            self.mixers[m] = Mixer(sets, 3)
            self.mixers[m].weights = [[32768, 26214, 26214] for _ in range(sets)]

    def chosen(self, m, i, s):
        return [of_input[n] for of_input, n in zip(self.probabilities[m], i, strict=True)], self.mixers[m], s


def g(n, most):
    if n < 4:
        return min(n, most)
    log = n.bit_length() - 1
    return min(2 * log + (n >> log - 1 & 1), most)
