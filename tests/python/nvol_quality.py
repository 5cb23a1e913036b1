"""Sections QUAL and FOCS of FORMAT.md: what was asked for and achieved."""

import math
import struct

from nvol_bytes import Fields, require


def bfloat(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


def quality(section, shape, low, high):
    """The section's numbers, by the names that `neuvol info --json` has for them."""
    fields = Fields(section, "QUAL")
    target, preset, flags = fields.take("BBB")
    require(1 <= target <= 6 and 1 <= preset <= 3, "target or preset")
    found = {"seed": fields.whole(), "value": fields.take("d")}
    found["noise"] = fields.take("f") if flags & 2 else None
    found.update(rmse=0.0, max_error=0.0, mean_error=0.0, ssim=1.0, max_error_voxel=None, bands=[])
    if flags & 1:
        error = found["rmse"] = fields.take("d")
        found["max_error"] = fields.take("d")
        found["mean_error"] = fields.take("e") * error
        similarity = 1 - fields.take("e")
        found["ssim"] = None if math.isnan(similarity) else similarity
        voxel = int.from_bytes(fields.bytes(5), "little")
        nx, ny, nz = shape
        if voxel < nx * ny * nz:
            found["max_error_voxel"] = [voxel % nx, voxel // nx % ny, voxel // (nx * ny)]
        kind = fields.take("B")
        require(kind <= 2, "bands")
        limits = [[], [-900.0, -200.0, -30.0, 150.0], []][kind]
        if kind == 2:
            shares = [bfloat(fields.take("H")) for _ in range(fields.take("B"))]
            limits = [low * (1 - b) + high * b for b in shares]
        ends = list(zip([None, *limits], [*limits, None])) if kind else []
        for start, end in ends:
            share, mean, root = fields.take("eee")
            band = {"from": start, "below": end, "share": share, "mean_error": mean * error, "rmse": root * error}
            if share > 0:
                found["bands"].append(band)
    fields.text()
    fields.end()
    return found


def focus(section, shape):
    """Section FOCS."""
    fields = Fields(section, "FOCS")
    kind, value = fields.take("Bd")
    require(kind in (1, 2), "FOCS: target")
    start, end = list(fields.take("III")), list(fields.take("III"))
    require(all(0 <= s < e <= n for s, e, n in zip(start, end, shape)), "FOCS: box")
    found = {"psnr": value if kind == 1 else None, "start": start, "end": end}
    for part in ("inside", "outside"):
        found[part] = dict(zip(("voxels", "rmse", "max_error"), fields.take("Qdd")))
    fields.end()
    return found
