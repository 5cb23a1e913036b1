"""Section RANG of a .nvol file, from FORMAT.md."""

import numpy as np

from nvol_bytes import Fields, require


def read_ranges(section, shape, decode_integer_block):
    """The edge of cells, and their codes, axes (z, y, x, lowest or highest)."""
    fields = Fields(section.own, "RANG")
    log2_edge = fields.take("B")
    require(3 <= log2_edge <= 12, "RANG: edge")
    edge = 1 << log2_edge
    counts = [max(1, -(-(n - 1) // edge)) for n in shape]
    starts = [
        (x, y, z)
        for z in range(0, counts[2], 64)
        for y in range(0, counts[1], 64)
        for x in range(0, counts[0], 64)
    ]
    codes = np.zeros((*counts[::-1], 2), np.int64)
    for (x0, y0, z0), stream in zip(starts, section.streams(fields, len(starts))):
        sx, sy, sz = (min(64, n - s) for n, s in zip(counts, (x0, y0, z0)))
        numbers = decode_integer_block(stream, (sx, sy, 2 * sz), None)
        for (x, y, z), number in numbers.items():
            codes[z0 + z % sz, y0 + y, x0 + x, z // sz] = number
    require(0 <= codes.min() and codes.max() <= 255, "RANG: codes")
    return edge, codes


def check_ranges(edge, codes, samples, masked, low, high, tolerance):
    """Whether they are those of the samples, axes (z, y, x); `tolerance` in codes where decoders' samples may differ."""
    values = (samples.astype("f8") - low) / (high - low) * 255
    if masked is not None:
        values = np.where(masked, np.nan, values)

    def reach(n, axis):
        return slice(max(0, n * edge - 2), min(samples.shape[axis], (n + 1) * edge + 3))

    for place in np.ndindex(codes.shape[:3]):
        of_cell = values[tuple(reach(n, axis) for axis, n in enumerate(place))]
        of_cell = of_cell[~np.isnan(of_cell)]
        first, last = codes[place]
        if of_cell.size == 0:
            require(first > last, "RANG: a cell without measurements")
            continue
        least, most = max(0, np.floor(of_cell.min())), min(255, np.ceil(of_cell.max()))
        require(abs(first - least) <= tolerance and abs(last - most) <= tolerance, f"RANG: cell {place}")
