"""PSNR and ratio of SPERR, SZ3 and ZFP for one volume; neuvol's studies run it.

    python peers.py RAW NX,NY,NZ psnr|ratio TARGET...

RAW holds float32, little endian, x fastest. Each codec's point-wise tolerance is bisected until the PSNR in dB,
20 log10((max-min)/RMSE), or the ratio against float32, is nearest to the target. Prints one JSON object a result.
Needs numpy, h5py and hdf5plugin.
"""
import json
import math
import os
import sys
import tempfile
import time

import h5py
import hdf5plugin
import numpy as np

CODECS = {
    # Without swap the axes are taken in reverse, which costs most of the ratio.
    "SPERR": lambda tolerance: hdf5plugin.Sperr(absolute=tolerance, swap=True),
    "SZ3": lambda tolerance: hdf5plugin.SZ3(absolute=tolerance),
    "ZFP": lambda tolerance: hdf5plugin.Zfp(accuracy=tolerance),
}
LOOKS = 12


def psnr(original, decoded):
    mse = np.mean((original.astype(np.float64) - decoded) ** 2)
    span = float(original.max()) - float(original.min())
    return math.inf if mse == 0 else 20 * math.log10(span) - 10 * math.log10(mse)


def through(original, codec, path):
    start = time.perf_counter()
    with h5py.File(path, "w") as file:
        file.create_dataset("volume", data=original, chunks=original.shape, **codec)
    seconds = time.perf_counter() - start
    with h5py.File(path, "r") as file:
        size = file["volume"].id.get_storage_size()
        decoded = file["volume"][...]
    os.remove(path)
    return {"psnr": psnr(original, decoded), "ratio": original.nbytes / size, "bytes": size, "seconds": seconds}


def nearest(original, codec, by, target, path):
    span = float(original.max()) - float(original.min())
    low, high, best = 1e-6 * span, 0.6 * span, None
    for _ in range(LOOKS):
        tolerance = math.sqrt(low * high)
        result = through(original, codec(tolerance), path)
        if best is None or abs(math.log(result[by] / target)) < abs(math.log(best[by] / target)):
            best = result
        # A larger tolerance lowers the PSNR and raises the ratio.
        if (result[by] > target) == (by == "psnr"):
            low = tolerance
        else:
            high = tolerance
    return best


def main():
    raw, dims, by, *targets = sys.argv[1:]
    shape = [int(n) for n in dims.split(",")][::-1]
    original = np.fromfile(raw, "<f4").reshape(shape)
    with tempfile.TemporaryDirectory() as folder:
        for target in map(float, targets):
            for name, codec in CODECS.items():
                result = nearest(original, codec, by, target, os.path.join(folder, "volume.h5"))
                print(json.dumps({"codec": name, "target": target, **result}), flush=True)


if __name__ == "__main__":
    main()
