"""Section LATG of a .nvol file: wavelet coefficients, and the field's values that they make.

Written from FORMAT.md alone, in its order and with its names. A place is a tuple (x, y, z); arrays have axes (z, y, x).
"""

from copy import deepcopy
from itertools import product

import numpy as np

from nvol_bytes import Fields, RangeDecoder, require
from nvol_mixing import AdaptiveProbability, Mixer, Models, g, mixed_decision
from nvol_parameters import decode_group, models as bit_models

ORIENTATIONS = [1, 2, 4, 3, 5, 6, 7]
EDGE = 128


class Sparse(dict):
    """Numbers by place: 0 where nothing was put."""

    def __missing__(self, place):
        return 0


def places(shape):
    """Every place of a grid, x fastest."""
    return ((x, y, z) for z, y, x in product(*(range(n) for n in reversed(shape))))


# --- Levels, bands, blocks


class Level:
    """One splitting of a grid: of an axis of n samples, the low part has ceil(n / 2), the high part floor(n / 2)."""

    def __init__(self, shape):
        self.shape = shape
        self.splits = [n >= 8 for n in shape]

    def orientations(self):
        return [o for o in ORIENTATIONS if all(self.splits[a] for a in range(3) if o >> a & 1)]

    def band_shape(self, o):
        return [(n + 1 - (o >> a & 1)) // 2 if self.splits[a] else n for a, n in enumerate(self.shape)]

    def band_slices(self, o):
        """Where, in the level's array, the samples are that a band gives: even or odd ones along split axes."""
        return tuple(slice(o >> a & 1, None, 2) if self.splits[a] else slice(None) for a in (2, 1, 0))


def levels_of(shape):
    """The levels of a volume, and the shape of the last low band."""
    levels = []
    while len(levels) < 32 and max(shape) >= 8:
        levels.append(Level(shape))
        shape = levels[-1].band_shape(0)
    return levels, list(shape)


class Tiers:
    """Which levels are in which tier, and the blocks of each."""

    def __init__(self, shape):
        self.levels, self.last_shape = levels_of(shape)
        self.shapes = [level.shape for level in self.levels] + [self.last_shape]
        self.count = 1
        while 2 * self.count < len(self.levels) and max(self.levels[2 * self.count].shape) > EDGE:
            self.count += 1

    def first_level(self, tier):
        return min(2 * tier, len(self.levels))

    def blocks(self, tier):
        return list(places([-(-n // EDGE) for n in self.shapes[self.first_level(tier)]]))

    def splits(self, tier, end, a):
        """How often levels from the tier's first up to `end`, without it, split an axis."""
        return sum(level.splits[a] for level in self.levels[self.first_level(tier) : end])

    def above(self, tier, block):
        """The block above a block; None where that is the root."""
        if tier + 1 == self.count:
            return None
        return tuple(b >> self.splits(tier, self.first_level(tier + 1), a) for a, b in enumerate(block))

    def part(self, tier, block, number, o):
        """The first place of a band of level `number` that is in the block, and the shape of the block's part."""
        start, shape = [], []
        for a, size in enumerate(self.levels[number].band_shape(o)):
            edge = EDGE >> self.splits(tier, number + 1, a)
            start.append(block[a] * edge)
            shape.append(max(min(edge, size - block[a] * edge), 0))
        return start, shape


# --- The last low band


def decode_low_band(coder, shape, R):
    exponent = [[AdaptiveProbability() for _ in range(33)] for _ in range(32)]
    bits, sign, mixer = [AdaptiveProbability() for _ in range(32)], AdaptiveProbability(), Mixer(1, 1)

    def decide(probability):
        return mixed_decision(coder, [probability], mixer, 0)

    numbers, size = {}, 0
    for x, y, z in places(shape):
        neighbours = [numbers[v] - R[v] for v in [(x - 1, y, z), (x, y - 1, z), (x, y, z - 1)] if v in numbers]
        p = R[x, y, z] + (sum(neighbours) // len(neighbours) if neighbours else 0)
        e = 0
        while e < 31 and decide(exponent[size][e]):
            e += 1
        magnitude = min(e, 1)
        for _ in range(e - 1):
            magnitude = 2 * magnitude + decide(bits[e])
        r = -magnitude if e > 0 and decide(sign) else magnitude
        numbers[x, y, z] = (p + r + (1 << 31)) % (1 << 32) - (1 << 31)
        size = (size + e + 1) // 2
    return numbers


# --- Coefficients


def with_neighbours(q, place):
    """F(q, p)."""
    x, y, z = place
    around = q[x - 1, y, z] + q[x + 1, y, z] + q[x, y - 1, z] + q[x, y + 1, z] + q[x, y, z - 1] + q[x, y, z + 1]
    return 2 * q[place] + around


def box_sum(q, start, end):
    ranges = (range(a, b) for a, b in zip(start, end))
    return sum(q[place] for place in product(*ranges))


class Band:
    """Decodes a band, or a block's part of it: afterwards, `numbers` holds those that are not 0.

    `before` is A, `parent` is M, None where there is no parent, and `halved` says along which axes the parent is halved; `R` has
    the numbers of the step before, None where the stream is not coded by any.
    """

    def __init__(self, coder, models, level, o, shape, before, parent, halved, R):
        self.coder, self.models = coder, models
        self.o, self.h, self.l = o, o.bit_count() - 1, min(level, 2)
        self.shape, self.halved = shape, halved
        self.R = R
        self.r = None if R is None else Sparse((place, min(abs(n), 255)) for place, n in R.items())
        self.A, self.M, self.has_parent = before, parent if parent is not None else Sparse(), parent is not None
        self.numbers, self.m, self.flags = Sparse(), Sparse(), Sparse()
        for cell in places([-(-n // 4) for n in shape]):
            self.flags[cell] = self.decode_flag(cell)
        for x, y, z in places(shape):
            if self.flags[x // 4, y // 4, z // 4]:
                number = self.decode_number((x, y, z))
                if number != 0:
                    self.numbers[x, y, z] = number
                    self.m[x, y, z] = min(abs(number), 255)

    def decide(self, model, i, s, second=None):
        return self.models.decide(self.coder, model, i, s, None if self.R is None else second)

    def decode_flag(self, cell):
        x, y, z = cell
        f = self.flags
        fx, fy, fz = f[x - 1, y, z], f[x, y - 1, z], f[x, y, z - 1]
        diagonal = f[x - 1, y - 1, z] + f[x - 1, y, z - 1] + f[x, y - 1, z - 1]
        diagonal += f[x + 1, y - 1, z] + f[x + 1, y, z - 1] + f[x, y + 1, z - 1]
        e = min(diagonal, 3)

        start = [4 * c for c in cell]
        end = [min(s + 4, n) for s, n in zip(start, self.shape)]
        B = box_sum(self.A, start, [s + 4 for s in start])
        lower = [s // 2 if half else s for s, half in zip(start, self.halved)]
        upper = [(s + 1) // 2 if half else s for s, half in zip(end, self.halved)]
        inner = box_sum(self.M, lower, upper)
        outer = box_sum(self.M, [s - 1 for s in lower], [s + 1 for s in upper]) - inner

        i = [
            (fx + 2 * fy + 4 * fz) * 36 + g(inner, 11) * 3 + self.h,
            (g(B, 11) * 4 + fx + fy + fz) * 4 + e,
            (((fx + fy + fz) * 4 + e) * 3 + self.l) * 8 + self.o,
            g(inner, 11) * 12 + g(outer, 11),
        ]
        second = None
        if self.R is not None:
            within = box_sum(self.r, start, end)
            around = box_sum(self.r, [s - 1 for s in start], [e + 1 for e in end]) - within
            i_2 = (g(within, 11) * 4 + fx + fy + fz) * 12 + g(inner, 11)
            second = [g(within, 11) * 12 + g(around, 11), i_2], min(g(within, 11), 3)
        return self.decide("cell", i, self.l, second)

    def decode_number(self, place):
        x, y, z = place
        m, h, o = self.m, self.h, self.o
        parent = tuple(c // 2 if half else c for c, half in zip(place, self.halved))
        a, b, c = m[x - 1, y, z], m[x, y - 1, z], m[x, y, z - 1]
        faces = a + b + c
        edges = m[x - 1, y - 1, z] + m[x + 1, y - 1, z] + m[x - 1, y, z - 1]
        edges += m[x + 1, y, z - 1] + m[x, y - 1, z - 1] + m[x, y + 1, z - 1]
        far = m[x - 2, y, z] + m[x, y - 2, z] + m[x, y, z - 2]
        near = 2 * faces + edges
        sib, par = with_neighbours(self.A, place), with_neighbours(self.M, parent)

        def t(n):
            return min(n, 2)

        M0 = self.M[parent]
        kx, ky, kz = self.next_flags(place)
        i = [
            (g(near, 13) * 8 + g(par, 7)) * 3 + h,
            ((t(a) * 9 + t(b) * 3 + t(c)) * 3 + t(M0)) * 8 + o,
            (g(sib, 9) * 10 + g(par, 9)) * 8 + o,
            g(4 * near + 2 * far + 2 * par + 3 * sib, 23) * 3 + self.l,
            (g(far, 5) * 8 + g(edges, 7)) * 6 + g(faces, 5),
            ((kx * 9 + ky * 3 + kz) * 5 + g(near, 4)) * 3 + t(M0),
            (g(self.A[place], 5) * 6 + g(M0, 5)) * 8 + g(near, 7),
        ]
        zero = sign = None
        number = 0
        if self.R is not None:
            number, here = self.R[place], self.r[place]
            around = with_neighbours(self.r, place) - 2 * here
            i_2 = (g(here, 7) * 8 + g(near, 7)) * 6 + g(M0, 5)
            zero = [(g(here, 9) * 12 + g(around, 11)) * 3 + h, i_2], g(here, 5)
            s = ((number > 0) - (number < 0) + 1) * 4 + min(here, 3)
            sign = [s, s * 27 + self.sign_contexts(place)[0] // 8], o
        if not self.decide("zero", i, (h * 4 + g(near, 3)) * 2 + self.has_parent, zero):
            return 0
        negative = self.decide("sign", self.sign_contexts(place), o, sign)
        magnitude = self.decode_magnitude(near, par, sib, abs(number))
        return -magnitude if negative else magnitude

    def next_flags(self, place):
        """k_x, k_y and k_z: 0 inside of the place's cell; at its end 1, or 2 when the next cell's flag is 1."""
        cell = [c // 4 for c in place]
        k = []
        for a in range(3):
            following = tuple(c + (b == a) for b, c in enumerate(cell))
            k.append(1 + self.flags[following] if place[a] % 4 == 3 else 0)
        return k

    def sign_contexts(self, place):
        x, y, z = place
        neighbours = [
            [(x - 1, y, z), (x, y - 1, z), (x, y, z - 1)],
            [(x - 1, y, z), (x - 2, y, z), (x, y - 1, z), (x, y - 2, z)],
            [(x - 1, y - 1, z), (x + 1, y - 1, z), (x - 1, y, z - 1), (x + 1, y, z - 1)],
            [(x, y, z - 1), (x, y, z - 2), (x, y - 1, z - 1), (x, y + 1, z - 1)],
        ]
        contexts = []
        for of_input in neighbours:
            digits = 0
            for number in (self.numbers[v] for v in of_input):
                digits = 3 * digits + (number > 0) - (number < 0) + 1
            contexts.append(digits * 8 + self.o)
        return contexts

    def decode_magnitude(self, near, par, sib, other):
        for e in range(31):
            u = min(e, 11)
            i = [
                u * 16 + g(near, 15),
                (u * 16 + g(par, 15)) * 3 + self.h,
                (u * 12 + g(sib, 11)) * 3 + self.l,
                u * 16 + max(g(near + par + sib, 19), 4) - 4,
            ]
            here = u * 16 + g(other, 15)
            if e == 30 or not self.decide("exponent", i, u, ([here, here * 8 + g(near, 7)], u)):
                break
        magnitude = 1
        for j in range(1, e + 1):
            d = 0 if j == 1 else 1 + magnitude % 2 if j == 2 else 3
            i = e * 8 + 2 * d + (near > 4 * 2**e)
            state = 0
            if other.bit_length() == e + 1:
                known = other >> e - j + 1
                state = 1 if known < magnitude else 2 if known > magnitude else 3 + (other >> e - j & 1)
            second = [state * 32 + e, state * 4 + min(j, 3)], state
            magnitude = 2 * magnitude + self.decide("mantissa", [i], 0, second)
        return magnitude


def decode_level(coder, models, levels, number, shapes, parents, R):
    """The numbers of a level's bands, or of a block's parts of them, by orientation.

    `shapes` are those of the bands or parts; `parents` are the numbers of the coarser level's, by orientation; R gives those of the
    step before.
    """
    halved = levels[number + 1].splits if number + 1 < len(levels) else [False] * 3
    bands, before = {}, Sparse()
    for o in levels[number].orientations():
        parent = None
        if o in parents:
            parent = Sparse((place, min(abs(n), 255)) for place, n in parents[o].items())
        band = Band(coder, models, number, o, shapes[o], before, parent, halved, R(number, o))
        for place, m in band.m.items():
            before[place] = min(before[place] + m, 255)
        bands[o] = band.numbers
    return bands


def moved(numbers, by):
    """The numbers, each at a place that is `by` further."""
    return Sparse((tuple(c + d for c, d in zip(place, by)), n) for place, n in numbers.items())


def decode_block(coder, models, tiers, tier, block, above, before):
    """The numbers in a block's stream by level and orientation, at their places in the whole bands.

    `above` are those of the finest level of the block above, or of the root, by orientation.
    """
    first, end = tiers.first_level(tier), tiers.first_level(tier + 1)
    found = {}
    parents = {o: moved(numbers, [-s for s in tiers.part(tier, block, end, o)[0]]) for o, numbers in above.items()}
    for number in reversed(range(first, end)):
        parts = {o: tiers.part(tier, block, number, o) for o in tiers.levels[number].orientations()}
        shapes = {o: shape for o, (_, shape) in parts.items()}

        def R(number, o):
            start, shape = parts[o]
            if before is None:
                return None
            within = moved(before.band(number, o), [-s for s in start]).items()
            return Sparse((p, n) for p, n in within if all(0 <= c < size for c, size in zip(p, shape)))

        parents = decode_level(coder, models, tiers.levels, number, shapes, parents, R)
        found[number] = {o: moved(numbers, parts[o][0]) for o, numbers in parents.items()}
    return found


# --- From coefficients to the field


def dequantised(numbers, shape, step_at, offsets):
    values = np.zeros(shape[::-1], "f4")
    for (x, y, z), n in numbers.items():
        offset = np.float32(offsets[min(abs(n), 3) - 1]) / np.float32(256)
        value = (np.float32(abs(n)) + offset) * step_at((x, y, z))
        values[z, y, x] = value if n > 0 else -value
    return values


class Focus:
    """Cells of 8 voxels along each axis, and the step of the coefficients that they reach."""

    def __init__(self, fields, shape):
        self.step = np.float32(fields.take("f"))
        require(0 < self.step <= 1024, "LATG: step of a focus")
        stream = fields.bytes(fields.whole())
        counts = [-(-n // 8) for n in shape]
        require(len(stream) >= counts[0] * counts[1] * counts[2] // 8192, "LATG: a focus too short")
        coder, inside = RangeDecoder(stream), bit_models(8)
        self.cells = np.zeros(counts[::-1], bool)
        for x, y, z in places(counts):
            n = x > 0 and self.cells[z, y, x - 1]
            n += 2 * (y > 0 and self.cells[z, y - 1, x])
            n += 4 * (z > 0 and self.cells[z - 1, y, x])
            self.cells[z, y, x] = inside[n].decision(coder)

    def voxels(self, shape):
        """Whether each voxel is in a cell of the focus."""
        z, y, x = (np.arange(n) // 8 for n in reversed(shape))
        return self.cells[np.ix_(z, y, x)]

    def reaches(self, place, splits):
        box = []
        for p, s in zip(place, splits):
            first, end = max(p - 1, 0) << s, (p + 2) << s
            box.append(slice(first // 8, (end + 7) // 8))
        return self.cells[tuple(box[::-1])].any()


def join(x):
    """Makes, in place, samples of low parts at even numbers of the first axis and high parts at odd ones."""
    even, odd = x[0::2], x[1::2]
    even *= np.float32(1 / 1.12)
    odd *= np.float32(1 / 0.86)
    k = np.arange(len(even))
    odd_before, odd_after = np.maximum(k - 1, 0), np.minimum(k, len(odd) - 1)
    k = np.arange(len(odd))
    even_before, even_after = k, np.minimum(k + 1, len(even) - 1)
    even -= np.float32(0.44350685) * (odd[odd_before] + odd[odd_after])
    odd -= np.float32(0.8829111) * (even[even_before] + even[even_after])
    even += np.float32(0.05298012) * (odd[odd_before] + odd[odd_after])
    odd += np.float32(1.5861343) * (even[even_before] + even[even_after])


# --- The perceptron

DIRECTIONS = [
    (-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1),
    (-1, -1, 0), (1, -1, 0), (-1, 1, 0), (1, 1, 0), (-1, 0, -1), (1, 0, -1), (-1, 0, 1), (1, 0, 1),
    (0, -1, -1), (0, 1, -1), (0, -1, 1), (0, 1, 1),
    (-2, 0, 0), (2, 0, 0), (0, -2, 0), (0, 2, 0), (0, 0, -2), (0, 0, 2),
]  # fmt: skip


def between(level, low):
    """A grid of the level's shape from its low band."""
    for a, n in enumerate(level.shape):
        if level.splits[a]:
            i = np.arange(n)
            axis = 2 - a
            last = low.shape[axis] - 1
            before, after = np.take(low, i // 2, axis), np.take(low, np.minimum((i + 1) // 2, last), axis)
            low = (before + after) * np.float32(0.5)
    return low


def gain(level):
    product = np.float32(1)
    for _ in range(sum(level.splits)):
        product *= np.float32(0.725797)
    return product


class Perceptron:
    def __init__(self, width, fractional_bits, stream):
        require(width in (8, 16, 32) and fractional_bits <= 8, "LATG: perceptron")
        sizes = [(27, width), (width, width), (width, 1)]
        q = np.array(decode_group(stream, sum((i + 1) * o for i, o in sizes), None))
        self.layers = []
        for inputs, outputs in sizes:
            weights, biases, q = np.split(q, [inputs * outputs, (inputs + 1) * outputs])
            require(np.abs(weights).max() <= 127 and np.abs(biases).max() <= 8191, "LATG: parameters")
            self.layers.append((weights.reshape(inputs, outputs), biases))
        self.unit = np.float32(2.0**-fractional_bits)

    def refine(self, v, levels, lows, step):
        f32 = np.float32
        scale = f32(16) / step
        u = np.rint(np.clip(v * scale, f32(-4194303), f32(4194303)))
        padded = np.pad(u, 2, "edge")
        shape = u.shape
        inputs = []
        for x, y, z in DIRECTIONS:
            moved = padded[tuple(slice(2 + d, 2 + d + n) for d, n in zip((z, y, x), shape))]
            inputs.append(np.clip(moved - u, -2047, 2047))
        near, far = between(levels[0], lows[0]), between(levels[0], between(levels[1], lows[1]))
        for low, g in [(near, gain(levels[0])), (far, gain(levels[0]) * gain(levels[1]))]:
            inputs.append(np.rint(np.clip(low * (scale * g) - u, f32(-2047), f32(2047))))
        inputs.append(np.rint(np.clip(v * f32(128), f32(0), f32(128))) - 64)

        a = np.stack([i.ravel() for i in inputs], 1).astype("i8")
        for n, (weights, biases) in enumerate(self.layers):
            sums = a @ weights + 16 * biases
            if n < 2:
                a = np.rint(np.clip(sums * float(self.unit), 0, 2047)).astype("i8")
        added = sums.astype("f4").reshape(shape) * (step * (self.unit / f32(16)))
        return v + added


class Coded:
    """What a step's grid leaves to the next one: its numbers, its step and its perceptron."""

    def __init__(self, step, perceptron, low_band, numbers):
        self.step, self.perceptron, self.low_band, self.numbers = step, perceptron, low_band, numbers


class Before:
    """The grid of the step before, in the steps of another one."""

    def __init__(self, coded, spans, step):
        self.coded = coded
        with np.errstate(all="ignore"):
            self.ratio = np.float32(float(coded.step) * spans[0] / (float(step) * spans[1]))

    def scaled(self, n):
        with np.errstate(all="ignore"):
            r = float(np.float32(n) * self.ratio)
        if np.isnan(r):
            return 0
        r = min(np.floor(abs(r) + 0.5), 2.0**30)
        return int(np.copysign(r, n)) if r else 0

    def low_band(self):
        return {place: self.scaled(n) for place, n in self.coded.low_band.items()}

    def band(self, number, o):
        found = ((place, self.scaled(n)) for place, n in self.coded.numbers[number][o].items())
        return Sparse((place, n) for place, n in found if n)


def latent_grid(section, shape, following=None):
    """The field's values at every voxel, and what is left to the next step.

    `following` has what the step before left, the spans of both ranges, and whether the perceptron is that one's.
    """
    fields = Fields(section.own, "LATG")
    step = np.float32(fields.take("f"))
    require(0 < step <= 1024, "LATG: step")
    offsets = [fields.take("3b") for _ in range(4)]
    flags = fields.take("B")
    width, has_focus = flags & 127, flags >> 7
    if width:
        fractional_bits, length = fields.take("B"), fields.take("H")
        perceptron = Perceptron(width, fractional_bits, fields.bytes(length))
    before, same_perceptron = None, False
    if following is not None:
        coded, spans, same_perceptron = following
        before = Before(coded, spans, step)
        if same_perceptron:
            require(not width and coded.perceptron is not None, "STEP: perceptron")
            perceptron = coded.perceptron
    focus = Focus(fields, shape) if has_focus else None
    tiers = Tiers(shape)
    levels, last_shape = tiers.levels, tiers.last_shape
    streams = section.streams(fields, 1 + sum(len(tiers.blocks(tier)) for tier in range(tiers.count)))

    coder, models = RangeDecoder(next(streams)), Models()
    low_band = decode_low_band(coder, last_shape, before.low_band() if before else Sparse())
    numbers = [{o: Sparse() for o in level.orientations()} for level in levels]
    above = {}
    for number in reversed(range(tiers.first_level(tiers.count), len(levels))):
        shapes = {o: levels[number].band_shape(o) for o in numbers[number]}
        R = before.band if before else lambda number, o: None
        above = numbers[number] = decode_level(coder, models, levels, number, shapes, above, R)
    contexts = {None: (models, above)}
    for tier in reversed(range(tiers.count)):
        below = {}
        for block in tiers.blocks(tier):
            models, above = contexts[tiers.above(tier, block)]
            models = deepcopy(models)
            found = decode_block(RangeDecoder(next(streams)), models, tiers, tier, block, above, before)
            for number, bands in found.items():
                for o, of_band in bands.items():
                    numbers[number][o].update(of_band)
            below[block] = models, found.get(tiers.first_level(tier), {})
        contexts = below

    grid = np.zeros(last_shape[::-1], "f4")
    for (x, y, z), n in low_band.items():
        grid[z, y, x] = np.float32(n) * (focus.step if focus else step)
    lows = {}
    for number, level in reversed(list(enumerate(levels))):
        lows[number] = grid.copy()
        low, grid = grid, np.zeros(level.shape[::-1], "f4")
        grid[level.band_slices(0)] = low
        splits = [sum(finer.splits[a] for finer in levels[: number + 1]) for a in range(3)]

        def step_at(place):
            return focus.step if focus and focus.reaches(place, splits) else step

        for o, of_band in numbers[number].items():
            values = dequantised(of_band, level.band_shape(o), step_at, offsets[min(number, 3)])
            grid[level.band_slices(o)] = values
        for axis in range(3):
            if level.splits[axis]:
                join(np.moveaxis(grid, 2 - axis, 0))
    if not width and not same_perceptron:
        return grid, Coded(step, None, low_band, numbers)
    refined = perceptron.refine(grid, levels, lows, step)
    if focus:
        refined = np.where(focus.voxels(shape), grid, refined)
    return refined, Coded(step, perceptron, low_band, numbers)
