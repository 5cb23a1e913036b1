"""Decodes a .nvol file to .npy, written from FORMAT.md alone: slow, plain, and independent of the library.

    nvol_reference.py IN.nvol[#ARRAY,COMPONENT,STEP] OUT.npy [UNROUNDED.npy [QUALITY.json]]

Of a file of several volumes one is decoded, by the name of its array and two numbers. OUT.npy holds the samples in their stored type, axes (z, y, x). UNROUNDED.npy holds, as float64, the `value` of "From the
field to samples" before it is rounded to the type, without the mask; QUALITY.json what sections QUAL and FOCS say. Section LATG is in
nvol_latents.py (with nvol_mixing.py), QUAL and FOCS in nvol_quality.py, RANG in nvol_ranges.py.
"""

import json
import struct
import sys
import zlib
from copy import copy

import numpy as np

from nvol_bytes import Fields, RangeDecoder, require
from nvol_latents import latent_grid
from nvol_parameters import decode_group, models
from nvol_quality import focus, quality
from nvol_ranges import check_ranges, read_ranges

MAGIC = bytes([0x89, 0x4E, 0x56, 0x4F, 0x4C, 0x0D, 0x0A, 0x1A])
TYPES = {1: "<u1", 2: "<i1", 3: "<u2", 4: "<i2", 5: "<u4", 6: "<i4", 7: "<f4", 8: "<f8"}


class Section:
    """A section's bytes in the index, and its data."""

    def __init__(self, name, own, data):
        self.name, self.own, self.data = name, own, data

    def alone(self):
        require(not self.data, f"{self.name}: data without streams")
        return self.own

    def streams(self, fields, count):
        """The streams of the table that ends the section, one by one."""
        table = [(fields.whole(), fields.take("I")) for _ in range(count)]
        fields.end()
        require(sum(length for length, _ in table) == len(self.data), f"{self.name}: lengths of streams")
        at = 0
        found = []
        for length, checksum in table:
            found.append(self.data[at : at + length])
            require(zlib.crc32(found[-1]) == checksum, f"{self.name}: checksum of a stream")
            at += length
        return iter(found)


def read_sections(data):
    require(data[:8] == MAGIC, "magic")
    version, count, length, checksum = struct.unpack("<HHII", data[8:20])
    require(version <= 1, f"format version {version}")
    require(count <= 256, "number of sections")
    index = data[20 : 20 + length]
    require(len(index) == length, "the file ends inside the index")
    require(zlib.crc32(data[:16] + index) == checksum, "checksum of header and index")
    sections, data_at = {}, 20 + length
    fields = Fields(index, "index")
    for _ in range(count):
        name, own, data_length = fields.bytes(4), fields.whole(), fields.whole()
        require(data_at + data_length <= len(data), f"{name}: length of its data")
        require(name not in sections, f"{name}: twice")
        sections[name] = Section(name, fields.bytes(own), data[data_at : data_at + data_length])
        data_at += data_length
    fields.end()
    require(data_at == len(data), "bytes behind the last section")
    return sections


class Level:
    def __init__(self, cells, log2_table):
        self.cells = cells
        self.vertices = [n + 1 for n in cells]
        count = self.vertices[0] * self.vertices[1] * self.vertices[2]
        self.dense = count <= 1 << log2_table
        self.entries = count if self.dense else 1 << log2_table
        self.lattice = self.vertices if self.dense else [self.entries, 1, 1]

    def entry(self, x, y, z):
        if self.dense:
            return x + self.vertices[0] * (y + self.vertices[1] * z)
        mod = 0xFFFFFFFF
        return (x ^ (y * 2654435761 & mod) ^ (z * 805459861 & mod)) % self.entries


class HashGrid:
    def __init__(self, descriptor):
        levels, self.features, log2_table = descriptor.take("BBB")
        require(1 <= levels <= 64, "levels")
        require(self.features in (1, 2, 4, 8) and log2_table <= 26, "hash grid")
        self.levels = [Level(descriptor.take("III"), log2_table) for _ in range(levels)]
        self.width = levels * self.features
        self.sizes = [(level.entries * self.features, (self.features, level.lattice)) for level in self.levels]

    def take_tables(self, values):
        self.tables = [next(values).reshape(-1, self.features) for _ in self.levels]

    def encode(self, axes):
        h = []
        for level, table in zip(self.levels, self.tables):
            lower, upper, fraction = [], [], []
            for axis, n in zip(axes, level.cells):
                s = axis * np.float32(n)
                c = np.minimum(np.floor(s).astype(np.int64), max(n - 1, 0))
                lower.append(c)
                upper.append(np.minimum(c + 1, n))
                fraction.append((s - c.astype("f4")).astype("f8"))
            feature = 0.0
            for i in (0, 1):
                for j in (0, 1):
                    for k in (0, 1):
                        x, y, z = ((upper if up else lower)[a] for a, up in enumerate((i, j, k)))
                        ux, uy, uz = (fraction[a] if up else 1 - fraction[a] for a, up in enumerate((i, j, k)))
                        entry = level.entry(x[None, None, :], y[None, :, None], z[:, None, None])
                        weight = ux[None, None, :] * uy[None, :, None] * uz[:, None, None]
                        feature = feature + weight[..., None] * table[entry].astype("f8")
            h.append(feature)
        return np.concatenate(h, axis=-1)


class AxisWise:
    sizes = []

    def __init__(self, code, descriptor):
        self.code, self.count = code, descriptor.take("B")
        require(1 <= self.count <= {2: 1, 3: 16, 4: 16, 5: 128}[code], "functions an axis")
        self.width = 3 * self.count * (2 if code == 3 else 1)

    def take_tables(self, values):
        pass

    def functions(self, t):
        k = np.arange(self.count)
        t = t.astype("f8")[:, None]
        if self.code == 2:
            return 2 * t - 1
        if self.code == 3:
            return np.stack([np.sin(2.0**k * np.pi * t), np.cos(2.0**k * np.pi * t)], -1).reshape(len(t), -1)
        if self.code == 4:
            return 4 * np.abs(np.mod(2.0**k * t / 2, 1) - 0.5) - 1
        return np.exp(-((self.count * t - k - 0.5) ** 2) / 2)

    def encode(self, axes):
        x, y, z = (self.functions(t) for t in axes)
        grid = (len(z), len(y), len(x), x.shape[1])
        parts = [x[None, None], y[None, :, None], z[:, None, None]]
        return np.concatenate([np.broadcast_to(part, grid) for part in parts], axis=-1)


class Field:
    def __init__(self, section):
        fields = Fields(section.own, "MODL")
        descriptor = Fields(fields.bytes(fields.take("H")), "MODL descriptor")
        code = descriptor.take("B")
        require(1 <= code <= 5, "encoding")
        self.encoding = HashGrid(descriptor) if code == 1 else AxisWise(code, descriptor)
        descriptor.end()
        self.network, width, hidden, groups = fields.take("BHBH")
        if self.network == 1:
            require(width % 16 == 0 and 16 <= width <= 512 and 1 <= hidden <= 12, "network")
            between = hidden - 1
        else:
            require(self.network == 2 and 1 <= width <= 512 and 1 <= hidden <= 16, "network")
            between = 2 * (hidden - 1)
        layers = [[self.encoding.width, width]] + [[width, width]] * between + [[width, 1]]
        sizes = list(self.encoding.sizes)
        for inputs, outputs in layers:
            sizes += [(inputs * outputs, None), (outputs, None)]
        require(groups == len(sizes), "number of groups")
        steps = [fields.take("f") for _ in range(groups)]
        values = []
        for step, stream, (count, table) in zip(steps, section.streams(fields, groups), sizes, strict=True):
            require(np.isfinite(step) and step >= 0, "rounding step")
            if step == 0:
                require(len(stream) == 2 * count, "length of a group in half precision")
                halves = np.frombuffer(stream, "<f2").astype("f4")
                require(np.isfinite(halves).all(), "a parameter is not finite")
                values.append(halves)
                continue
            q = decode_group(stream, count, table)
            values.append(np.array(q, "<f4") * np.float32(step))
        rest = iter(values)
        self.encoding.take_tables(rest)
        self.layers = [(next(rest).reshape(inputs, outputs), next(rest)) for inputs, outputs in layers]

    def values(self, shape):
        """Values at every voxel, axes (z, y, x). Sums are taken in float64."""
        axes = [np.array([i / (n - 1) if n > 1 else 0.0 for i in range(n)]).astype("f4") for n in shape]
        h = self.encoding.encode(axes)
        layers = [(weights.astype("f8"), biases.astype("f8")) for weights, biases in self.layers]
        hidden, (weights, biases) = layers[:-1], layers[-1]
        if self.network == 1:
            for w, b in hidden:
                h = np.maximum(h @ w + b, 0)
        else:
            h = np.sin(h @ hidden[0][0] + hidden[0][1])
            for (u, a), (v, c) in zip(hidden[1::2], hidden[2::2]):
                h = (h + np.sin(np.sin(h @ u + a) @ v + c)) / 2
        return (h @ weights + biases)[..., 0].astype("f4")


NEIGHBOURS = [
    (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (-1, 1, 0), (1, 0, 1), (-1, 0, 1), (0, 1, 1),
    (0, -1, 1), (2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, 1),
]  # fmt: skip
WEIGHTS = [40960, 40960, 40960, -20480, 0, -20480, 0, -20480, 0, 0, 0, 0, 4096, 0, 0, 0]


def wrap(n):
    return (n + (1 << 63)) % (1 << 64) - (1 << 63)


def clamp(n, most):
    return min(max(n, -most), most)


def sign_of(n):
    return (n > 0) - (n < 0)


def decode_integer_block(stream, size, left_out):
    """Numbers of a brick of section INTS, by voxel (x, y, z)."""
    least, shift = struct.unpack("<qB", stream[:9])
    voxels = [(x, y, z) for z in range(size[2]) for y in range(size[1]) for x in range(size[0])]
    if shift == 255:
        return dict.fromkeys(voxels, least)
    require(shift <= 46, "INTS: shift")
    coder = RangeDecoder(stream[9:])
    exponent, mantissa, sign = models(28, 8, 65), models(7, 65, 8), models(8, 9)
    w, numbers, residuals = list(WEIGHTS), {}, {}
    for x, y, z in voxels:
        nearest = [numbers[v] for v in [(x - 1, y, z), (x, y - 1, z), (x, y, z - 1)] if v in numbers]
        fallback = nearest[0] if nearest else least
        n = [numbers.get((x - dx, y - dy, z - dz), fallback) for dx, dy, dz in NEIGHBOURS]
        d = [clamp(wrap(v - n[0]) >> shift, 1 << 24) for v in n]
        total = sum(a * b for a, b in zip(d, w)) + 32768
        p = wrap(n[0] + ((total >> 16) << shift))
        f = (total >> 13) % 8

        def r(dx, dy, dz):
            return residuals.get((x - dx, y - dy, z - dz), 0)

        def m(*step):
            return min(abs(r(*step)), 1 << 56)

        energy = 3 * (m(1, 0, 0) + m(0, 1, 0) + m(0, 0, 1)) + m(1, 1, 0) + m(-1, 1, 0) + m(0, -1, 1)
        log = energy.bit_length() - 1
        c = 0 if energy == 0 else min(27, 1 + 2 * log + (energy >> log - 1 & 1 if log else 0))
        t = 2 * (3 - f if f < 4 else f - 4) + (not n[0] == n[1] == n[2])
        s = 3 * (1 + sign_of(r(1, 0, 0))) + 1 + sign_of(r(0, 1, 0))
        if left_out is not None and left_out[z, y, x]:
            numbers[x, y, z], residuals[x, y, z] = p, 0
            continue
        e = 0
        while exponent[c][t][e].decision(coder):
            e += 1
            require(e < 64, "INTS: exponent")
        k, node = min(e, 3), 1
        for _ in range(k):
            node = 2 * node + mantissa[c // 4][e][node].decision(coder)
        rest = e - k
        below = (node - 2**k << rest) + coder.raw(rest)
        magnitude = 2**e + below - 1
        residual = -magnitude if magnitude and sign[f][s].decision(coder) else magnitude
        residual = wrap(residual)
        numbers[x, y, z], residuals[x, y, z] = wrap(p + residual), residual
        q = clamp(residual >> shift, 1 << 20)
        if q:
            power = (sum(v * v for v in d) + 32) << 7
            g = abs(q << 28) // power * sign_of(q)
            w = [clamp(a + (g * b >> 12), 1 << 19) for a, b in zip(w, d)]
    return numbers


def decode_integers(section, shape, base, dtype, codes, without):
    """Samples, axes (z, y, x), and whether the masked ones are exact. `base` has the sample of number 0 for each voxel; `without`
    has, beside a section LATG, the volume's samples without section INTS."""
    fields = Fields(section.own, "INTS")
    return decode_bricks(section, fields, shape, base, dtype, codes, without)


def decode_differences(section, shape, other, dtype):
    """Samples, axes (z, y, x): `other` has those of the component with a number."""
    fields = Fields(section.own, "DIFF")
    base = other(fields.take("B"))
    require(base.shape == shape[::-1] and base.dtype == dtype and dtype.kind != "f", "DIFF: another kind of component")
    differences, exact = decode_bricks(section, fields, shape, np.zeros(shape[::-1]), np.dtype("i8"), None, None)
    require(exact, "DIFF: step")
    return (base.astype("i8") + differences).astype(dtype)


def decode_bricks(section, fields, shape, base, dtype, codes, without):
    require(fields.take("H") == 64, "brick edge")
    step = fields.take("d")
    require(np.isfinite(step) and step >= 0, "step")
    starts = brick_starts(shape)
    corrects_exactly = without is not None and step == 0
    samples = without.copy() if corrects_exactly else np.zeros(shape[::-1], dtype)
    for (x0, y0, z0), stream in zip(starts, section.streams(fields, len(starts))):
        if corrects_exactly and not stream:
            continue
        size = [min(64, n - s) for n, s in zip(shape, (x0, y0, z0))]
        of_brick = None
        if codes is not None and step > 0:
            of_brick = codes[z0 : z0 + size[2], y0 : y0 + size[1], x0 : x0 + size[0]]
        for (x, y, z), number in decode_integer_block(stream, size, of_brick).items():
            at = (z0 + z, y0 + y, x0 + x)
            if corrects_exactly:
                number = wrap(number + integer_of(without[at], dtype))
            samples[at] = sample_of(number, step, float(base[at]), dtype)
    return samples, step == 0


def integer_of(sample, dtype):
    """The integer whose sample this is, with step 0."""
    if dtype.kind != "f":
        return int(sample)
    bits = int.from_bytes(sample.tobytes(), "little")
    sign = 1 << 8 * dtype.itemsize - 1
    return bits if bits < sign else -1 - (bits - sign)


def sample_of(number, step, base, dtype):
    if dtype.kind != "f":
        value = number if step == 0 else base + number * step
        limits = np.iinfo(dtype)
        rounded = value if step == 0 else int(np.sign(value) * np.floor(abs(value) + 0.5))
        return min(max(rounded, limits.min), limits.max)
    if step > 0:
        return base + number * step
    bits = number if number >= 0 else -1 - number | 1 << 8 * dtype.itemsize - 1
    return np.frombuffer(bits.to_bytes(dtype.itemsize, "little"), dtype)[0]


def brick_starts(shape):
    return [
        (x, y, z) for z in range(0, shape[2], 64) for y in range(0, shape[1], 64) for x in range(0, shape[0], 64)
    ]


def decode_brick(stream, size):
    coder = RangeDecoder(stream)
    masked, same, klass = models(64), models(), models(4)
    neighbours = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)]
    codes = np.zeros(size[::-1], np.uint8)
    last = 1
    for z in range(size[2]):
        for y in range(size[1]):
            for x in range(size[0]):
                n = 0
                for b, (dx, dy, dz) in enumerate(neighbours):
                    if x >= dx and y >= dy and z >= dz and codes[z - dz, y - dy, x - dx]:
                        n += 1 << b
                if masked[n].decision(coder):
                    if same.decision(coder):
                        high = klass[1].decision(coder)
                        low = klass[2 + high].decision(coder)
                        last = 1 + 2 * high + low
                    codes[z, y, x] = last
    return codes


def read_mask(section, shape):
    fields = Fields(section.own, "BRIK")
    require(fields.take("H") == 64, "brick edge")
    starts = brick_starts(shape)
    kinds = [fields.take("B") for _ in starts]
    require(all(kind <= 4 or kind == 255 for kind in kinds), "brick kind")
    streams = section.streams(fields, kinds.count(255))
    codes = np.zeros(shape[::-1], np.uint8)
    for start, kind in zip(starts, kinds):
        size = [min(64, n - s) for n, s in zip(shape, start)]
        x, y, z = start
        box = (slice(z, z + size[2]), slice(y, y + size[1]), slice(x, x + size[0]))
        codes[box] = decode_brick(next(streams), size) if kind == 255 else kind
    return codes


def masked_sample(code, fill, dtype):
    value = {1: np.nan, 2: np.inf, 3: -np.inf, 4: np.nan if fill is None else fill}[code]
    if dtype.kind == "f":
        return value
    if np.isnan(value):
        return 0
    limits = np.iinfo(dtype)
    rounded = np.sign(value) * np.floor(abs(value) + 0.5)
    return int(min(max(rounded, limits.min), limits.max))


def volumes_of_several(section, array):
    """How many steps there are, and what gives the file of a component of the array at one of them."""
    fields = Fields(section.own, "VOLS")
    arrays = []
    for _ in range(fields.take("H")):
        name = fields.text()
        arrays.append((name, fields.take("B")))
        for _ in range(arrays[-1][1]):
            fields.text()
    steps, flags = fields.take("IB")
    times = [fields.take("d") for _ in range(steps)] if flags & 1 else []
    require(1 <= len(arrays) <= 4096 and all(1 <= count <= 9 for _, count in arrays), "VOLS: arrays")
    require(len(dict(arrays)) == len(arrays), "VOLS: names")
    require(all(np.isfinite(times)) and all(a < b for a, b in zip(times, times[1:])), "VOLS: times")
    each = sum(count for _, count in arrays)
    require(1 <= each * steps <= 1 << 20, "VOLS: number of volumes")
    lengths = [fields.take("Q") for _ in range(each * steps)]
    fields.end()
    require(sum(lengths) == len(section.data), "VOLS: lengths")
    names = [name for name, _ in arrays]
    first = sum(count for _, count in arrays[: names.index(array)])

    def file(component, step):
        require(component < arrays[names.index(array)][1] and step < steps, "VOLS: component or step")
        number = step * each + first + component
        start = sum(lengths[:number])
        return section.data[start : start + lengths[number]]

    return file


def decode(data, chosen=None):
    sections = read_sections(data)
    if b"VOLS" in sections:
        require(chosen is not None and b"VOLM" not in sections, "one volume of several is to be chosen")
        array, component, step = chosen
        file = volumes_of_several(sections[b"VOLS"], array)
        first = step
        while b"STEP" in read_sections(file(component, first)):
            require(0 < first and step - first < 255, "STEP: follows nothing")
            first -= 1
        before = None
        for n in range(first, step + 1):
            samples, values, achieved, before = decode_volume(
                read_sections(file(component, n)), lambda number: decode_base(file(number, n)), before
            )
        return samples, values, achieved
    return decode_volume(sections, None, None)[:3]


def decode_base(data):
    sections = read_sections(data)
    require(b"INTS" in sections and b"LATG" not in sections, "DIFF: to a component that has no INTS alone")
    require(struct.unpack("<d", sections[b"INTS"].own[2:10])[0] == 0, "DIFF: to a component that is not exact")
    return decode_volume(sections, None, None)[0]


class Described:
    """Section VOLM, as far as samples depend on it."""

    def __init__(self, section):
        volm = Fields(section.alone(), "VOLM")
        type_code, frame, flags = volm.take("BBB")
        require(type_code in TYPES and frame in (0, 1), "type or frame")
        self.dtype = np.dtype(TYPES[type_code])
        self.shape = shape = tuple(volm.whole() for _ in range(3))
        require(all(n < 1 << 32 for n in shape), "shape")
        require(1 <= shape[0] * shape[1] * shape[2] <= 1 << 40, "shape")
        self.fill = volm.take("d") if flags & 1 else None
        self.range = volm.take("2d") if flags & 2 else (0.0, 0.0)
        for bit, numbers in [(4, "3d"), (8, "3d"), (16, "9d"), (64, "d")]:
            if flags & bit:
                volm.take(numbers)
        if flags & 32:
            axes = volm.take("B")
            require(axes < 8 and all(shape[a] == 1 for a in range(3) if axes >> a & 1), "flat axes")
        volm.text(), volm.text()
        volm.end()


def decode_volume(sections, other, before):
    """The samples, the values before they were rounded, what was achieved, and what is left to the next step.

    `other` gives the samples of another component, `before` is what the step before left.
    """
    following = None
    if b"STEP" in sections:
        require(before is not None, "STEP: alone")
        step = Fields(sections[b"STEP"].alone(), "STEP")
        flags = step.take("B")
        if flags & 1:
            require(b"VOLM" not in sections, "STEP beside VOLM")
            described = copy(before[0])
            described.range = step.take("2d")
        else:
            described = Described(sections[b"VOLM"])
        step.end()
        require(before[0].shape == described.shape and b"LATG" in sections, "STEP: shape")
        spans = [high - low for low, high in (before[0].range, described.range)]
        following = before[1], spans, bool(flags & 2)
    else:
        described = Described(sections[b"VOLM"])
    shape, dtype, fill, (low, high) = described.shape, described.dtype, described.fill, described.range
    require(b"QUAL" in sections, "QUAL is missing")
    achieved = quality(sections[b"QUAL"].alone(), shape, low, high)
    if b"FOCS" in sections:
        achieved["focus"] = focus(sections[b"FOCS"].alone(), shape)

    codes = read_mask(sections[b"BRIK"], shape) if b"BRIK" in sections else None
    samples, values, coded = samples_of(sections, shape, low, high, fill, dtype, codes, other, following)
    if b"RANG" in sections:
        require(low < high, "RANG: of a constant")
        # The values of a network are not the same bits everywhere.
        tolerance = 1 if b"MODL" in sections else 0
        edge, ranges = read_ranges(sections[b"RANG"], shape, decode_integer_block)
        check_ranges(edge, ranges, samples, None if codes is None else codes != 0, low, high, tolerance)
        achieved["range_cells"] = edge
    return samples, values, achieved, (described, coded) if coded else None


def samples_of(sections, shape, low, high, fill, dtype, codes, other, following):
    """The samples, the values before they were rounded to their type, and what a latent grid leaves to the next step."""
    coded = None
    if b"INTS" in sections and b"LATG" not in sections:
        samples, exact = decode_integers(sections[b"INTS"], shape, np.full(shape[::-1], low), dtype, codes, None)
        put_masked(samples, None if exact else codes, fill, dtype)
        return samples, samples.astype("f8"), coded
    if b"DIFF" in sections:
        require(other is not None and not {b"MODL", b"LATG", b"INTS"} & sections.keys(), "DIFF beside others")
        samples = decode_differences(sections[b"DIFF"], shape, other, dtype)
        return samples, samples.astype("f8"), coded
    if b"LATG" in sections:
        v, coded = latent_grid(sections[b"LATG"], shape, following)
    elif b"MODL" in sections:
        v = Field(sections[b"MODL"]).values(shape)
    else:
        require(low == high, "no model, but not constant")
        v = np.zeros(shape[::-1], "f4")
    distance = np.clip(v, 0, 1).astype("f8") * (high - low)
    if dtype.kind == "f":
        samples = (low + distance).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        samples = np.clip(low + np.floor(distance + 0.5), limits.min, limits.max).astype(dtype)
    if b"INTS" in sections:
        without = samples.copy()
        put_masked(without, codes, fill, dtype)
        samples, exact = decode_integers(sections[b"INTS"], shape, samples, dtype, codes, without)
        put_masked(samples, None if exact else codes, fill, dtype)
        return samples, samples.astype("f8"), coded
    put_masked(samples, codes, fill, dtype)
    return samples, low + distance, coded


def put_masked(samples, codes, fill, dtype):
    for code in (1, 2, 3, 4) if codes is not None else ():
        if (codes == code).any():
            samples[codes == code] = masked_sample(code, fill, dtype)


def main():
    path, _, chosen = sys.argv[1].partition("#")
    array, *numbers = chosen.rsplit(",", 2)
    with open(path, "rb") as file:
        samples, unrounded, achieved = decode(file.read(), (array, *map(int, numbers)) if chosen else None)
    np.save(sys.argv[2], samples)
    if len(sys.argv) > 3:
        np.save(sys.argv[3], unrounded)
    if len(sys.argv) > 4:
        with open(sys.argv[4], "w") as file:
            json.dump(achieved, file)


if __name__ == "__main__":
    main()
