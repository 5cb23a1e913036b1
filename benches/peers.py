"""PSNR, ratio and times of SPERR, SZ3, ZFP and tthresh for one volume; `neuvol study` and `cargo xtask rd` run it.

    python peers.py RAW NX,NY,NZ psnr|ratio|bound TARGET... [--codecs A,B] [--type T] [--fill V] [--whole]
    python peers.py RAW NX,NY,NZ measure DECODED [--type T] [--fill V]

RAW holds samples of type T (NumPy's name, float32 when absent), little endian, x fastest; the codecs get them as
float32. Their point-wise tolerance is bisected until the PSNR in dB, 20 log10((max-min)/RMSE), or the ratio against
float32, is nearest to the target; a bound is a share of the range, 0.01 for 1 %, and the tolerance itself. tthresh only
knows a PSNR and is left out when it is not on the PATH.

They know no mask: samples that are NaN, infinite or V get the mean of their neighbours with a value, from the shore
inwards, and count neither in PSNR nor in errors. The mask's own bytes are not theirs.

With --whole the samples are integers. A bound b then allows a tolerance just below floor(b) + 1/2, with the
decoded samples rounded; where that is more than b, there is a result `NAME, rounded` beside NAME.

Prints one JSON object a result; what is infinite is null. `measure` compares a decoded file of RAW's type with RAW, and
says whether masked samples are what they were, bit by bit. Needs numpy; all codecs but tthresh h5py and hdf5plugin.
"""
import argparse
import json
import math
import os
import shutil
import subprocess
import tempfile
import time

import numpy as np

LOOKS = 12
# tthresh's PSNR is over half the range.
HALF_RANGE_DB = 20 * math.log10(2)


class Volume:
    def __init__(self, path, shape, dtype, fill):
        self.stored = np.fromfile(path, np.dtype(dtype).newbyteorder("<")).reshape(shape)
        self.valid = np.isfinite(self.stored)
        if fill is not None:
            self.valid &= self.stored != self.stored.dtype.type(fill)
        measured = self.stored[self.valid].astype(np.float64)
        self.span = float(measured.max() - measured.min())
        self.coded = without_holes(self.stored, self.valid)

    def result(self, codec, size, decoded, encode, decode):
        difference = np.abs(self.stored[self.valid].astype(np.float64) - decoded[self.valid])
        mse = float(np.mean(difference**2))
        psnr = None if mse == 0 else 20 * math.log10(self.span) - 10 * math.log10(mse)
        return {
            "codec": codec, "psnr": psnr, "max_error": float(difference.max()), "span": self.span, "bytes": size,
            "ratio": 4 * self.stored.size / size, "seconds": encode, "decode_seconds": decode,
        }


def without_holes(samples, valid):
    values = np.where(valid, samples, 0).astype(np.float32)
    known = valid.copy()
    while not known.all():
        total, count = np.zeros(values.shape), np.zeros(values.shape)
        for axis in range(3):
            for to, back in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
                to = tuple(to if a == axis else slice(None) for a in range(3))
                back = tuple(back if a == axis else slice(None) for a in range(3))
                total[to] += np.where(known[back], values[back], 0)
                count[to] += known[back]
        shore = ~known & (count > 0)
        values[shore] = total[shore] / count[shore]
        known |= shore
    return values


def through_hdf5(options):
    def run(volume, tolerance, folder):
        import h5py

        path = os.path.join(folder, "volume.h5")
        start = time.perf_counter()
        with h5py.File(path, "w") as file:
            file.create_dataset("volume", data=volume.coded, chunks=volume.coded.shape, **options(tolerance))
        encode = time.perf_counter() - start
        with h5py.File(path, "r") as file:
            size = file["volume"].id.get_storage_size()
            start = time.perf_counter()
            decoded = file["volume"][...]
            decode = time.perf_counter() - start
        os.remove(path)
        return size, decoded, encode, decode

    return run


def sperr(tolerance):
    import hdf5plugin

    # Without swap the axes are taken in reverse, which costs most of the ratio.
    return hdf5plugin.Sperr(absolute=tolerance, swap=True)


def sz3(tolerance):
    import hdf5plugin

    return hdf5plugin.SZ3(absolute=tolerance)


def zfp(tolerance):
    import hdf5plugin

    return hdf5plugin.Zfp(accuracy=tolerance)


CODECS = {"SPERR": through_hdf5(sperr), "SZ3": through_hdf5(sz3), "ZFP": through_hdf5(zfp)}


def tthresh(volume, psnr, folder):
    raw, packed, back = (os.path.join(folder, name) for name in ("volume.raw", "volume.tthresh", "back.raw"))
    volume.coded.tofile(raw)
    z, y, x = map(str, volume.coded.shape)
    start = time.perf_counter()
    compress = ["tthresh", "-i", raw, "-t", "float", "-s", x, y, z, "-p", str(psnr - HALF_RANGE_DB), "-c", packed]
    subprocess.run(compress, check=True, stdout=subprocess.DEVNULL)
    encode = time.perf_counter() - start
    start = time.perf_counter()
    subprocess.run(["tthresh", "-c", packed, "-o", back], check=True, stdout=subprocess.DEVNULL)
    decode = time.perf_counter() - start
    decoded = np.fromfile(back, "<f4").reshape(volume.coded.shape)
    return volume.result("tthresh", os.path.getsize(packed), decoded, encode, decode)


def nearest(volume, name, by, target, folder):
    low, high, best, least = 1e-6 * volume.span, 0.6 * volume.span, None, math.inf
    for _ in range(LOOKS):
        tolerance = math.sqrt(low * high)
        result = volume.result(name, *CODECS[name](volume, tolerance, folder))
        got = math.inf if result[by] is None else result[by]
        if best is None or abs(math.log(got / target)) < least:
            best, least = result, abs(math.log(got / target))
        # A larger tolerance lowers the PSNR and raises the ratio.
        if (got > target) == (by == "psnr"):
            low = tolerance
        else:
            high = tolerance
    return best


def bounded(volume, name, share, whole, folder):
    bound = share * volume.span
    tolerances = [(name, bound)]
    # Slightly less, for what float32 rounds.
    rounded = math.floor(bound) + 0.499
    if whole and rounded > bound:
        tolerances.append((f"{name}, rounded", rounded))
    for label, tolerance in tolerances:
        size, decoded, encode, decode = CODECS[name](volume, tolerance, folder)
        if label != name:
            decoded = np.rint(decoded)
        yield volume.result(label, size, decoded, encode, decode)


def measure(volume, path):
    decoded = np.fromfile(path, volume.stored.dtype).reshape(volume.stored.shape)
    result = volume.result("", os.path.getsize(path), decoded, 0, 0)
    masked = decoded[~volume.valid].tobytes() == volume.stored[~volume.valid].tobytes()
    voxels = int(volume.valid.sum())
    return {**{key: result[key] for key in ("psnr", "max_error", "span")}, "voxels": voxels, "mask_is_kept": masked}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw")
    parser.add_argument("dims")
    parser.add_argument("by", choices=["psnr", "ratio", "bound", "measure"])
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--codecs", default=",".join(CODECS))
    parser.add_argument("--type", default="float32")
    parser.add_argument("--fill", type=float)
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    shape = [int(n) for n in options.dims.split(",")][::-1]
    volume = Volume(options.raw, shape, options.type, options.fill)

    def say(result, **more):
        print(json.dumps({**result, **more}), flush=True)

    if options.by == "measure":
        return say(measure(volume, options.targets[0]))
    with tempfile.TemporaryDirectory() as folder:
        for target in map(float, options.targets):
            for name in options.codecs.split(","):
                if name == "tthresh":
                    if options.by == "psnr" and shutil.which("tthresh"):
                        say(tthresh(volume, target, folder), target=target)
                elif options.by == "bound":
                    for result in bounded(volume, name, target, options.whole, folder):
                        say(result, target=target)
                else:
                    say(nearest(volume, name, options.by, target, folder), target=target)


if __name__ == "__main__":
    main()
