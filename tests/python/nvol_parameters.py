"""Adaptive decisions and groups of parameters: FORMAT.md, section PARM. Written from it alone."""

from nvol_bytes import RangeDecoder, require


class BitModel:
    def __init__(self):
        self.slow = self.fast = 32768
        self.seen = 0

    def decision(self, coder):
        p = min(max((3 * self.slow + self.fast) >> 2, 64), 65472)
        bit = coder.decode(p)
        target = 0 if bit else 65535
        weight = 131072 // (2 * self.seen + 3)
        self.slow += ((target - self.slow) * max(weight, 512)) >> 16
        self.fast += ((target - self.fast) * max(weight, 4096)) >> 16
        self.seen = min(self.seen + 1, 127)
        return bit


def models(*shape):
    return BitModel() if not shape else [models(*shape[1:]) for _ in range(shape[0])]


def context(q, n, features, lattice):
    def m(i):
        return min(abs(q[i]), 1 << 20)

    k, f = divmod(n, features)
    c = 0
    if f > 0:
        s = sum(m(n - 1 - i) for i in range(f))
        c = 1 if s == 0 else 2 if s < f else 3
    nx, ny, _ = lattice
    neighbours = []
    if k % nx > 0:
        neighbours.append(k - 1)
    if k // nx % ny > 0:
        neighbours.append(k - nx)
    if k >= nx * ny:
        neighbours.append(k - nx * ny)
    t = 0
    if neighbours:
        s = sum(m(j * features + f) for j in neighbours)
        t = -(-2 * s // len(neighbours))
    d = t if t <= 3 else 4 if t <= 5 else 5 if t <= 9 else 6 if t <= 19 else 7
    return c, d


def decode_group(stream, count, table):
    """`table` is (features, lattice) for a level's table, None for weights and biases."""
    coder = RangeDecoder(stream)
    exponent, mantissa, sign = models(4, 8, 24), models(5, 16), models()
    q = []
    for n in range(count):
        c, d = context(q, n, *table) if table else (0, 0)
        e = 0
        while exponent[c][d][e].decision(coder):
            e += 1
            require(e < 24, "PARM: exponent")
        if e <= 4:
            node = 1
            for _ in range(e):
                node = 2 * node + mantissa[e][node].decision(coder)
            below = node - 2**e
        else:
            below = coder.raw(e)
        magnitude = 2**e + below - 1
        q.append(-magnitude if magnitude and sign.decision(coder) else magnitude)
    return q
