"""A decoded region as a PyTorch tensor on the GPU that decoded it, without a copy.

    cargo build --release --features cuda,dlpack --example neuvol_torch
    python examples/torch/region.py FILE.nvol [--device cuda:0] [--start X Y Z] [--end X Y Z]

Nothing but a driver, torch and the library that the first line builds is needed. `--device cpu` is the same in the host's
memory. neuvol and torch both work in the GPU's primary context, so that one can read what the other has made.
"""

import argparse
import ctypes
import struct
import sys
from pathlib import Path

NAME = {"linux": "libneuvol_torch.so", "darwin": "libneuvol_torch.dylib", "win32": "neuvol_torch.dll"}


def load(path):
    library = ctypes.CDLL(str(path))
    box = ctypes.c_size_t * 3
    library.neuvol_region.restype = ctypes.c_void_p
    library.neuvol_region.argtypes = [ctypes.c_char_p, ctypes.c_char_p, box, box, ctypes.c_char_p]
    library.neuvol_delete.argtypes = [ctypes.c_void_p]
    return library


def region(library, file, device, start, end):
    """The address of a DLPack tensor; RuntimeError with the reason where it cannot be had."""
    message = ctypes.create_string_buffer(1000)
    box = ctypes.c_size_t * 3
    tensor = library.neuvol_region(file.encode(), device.encode(), box(*start), box(*end), message)
    if not tensor:
        raise RuntimeError(message.value.decode(errors="replace"))
    return tensor


def to_torch(library, tensor):
    """PyTorch's tensor of the same memory: when it goes, it calls our deleter."""
    import torch

    new, is_valid = ctypes.pythonapi.PyCapsule_New, ctypes.pythonapi.PyCapsule_IsValid
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    is_valid.argtypes = [ctypes.py_object, ctypes.c_char_p]
    # A capsule keeps the pointer to its name.
    name = to_torch.name = b"dltensor"
    capsule = new(tensor, name, None)
    try:
        return torch.utils.dlpack.from_dlpack(capsule)
    finally:
        # Who takes a tensor renames its capsule.
        if is_valid(capsule, name):
            library.neuvol_delete(tensor)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--device", default="cuda:0", help="cuda, cuda:N or cpu (default cuda:0)")
    parser.add_argument("--start", type=int, nargs=3, default=[0, 0, 0], help="first voxel (default 0 0 0)")
    parser.add_argument("--end", type=int, nargs=3, default=[16, 16, 16], help="one past the last (default 16 16 16)")
    built = Path(__file__).resolve().parents[2] / "target/release/examples" / NAME.get(sys.platform, NAME["linux"])
    parser.add_argument("--library", default=built, help=f"default {built}")
    options = parser.parse_args()
    try:
        library = load(options.library)
    except OSError as error:
        sys.exit(f"{error}\nbuild it: cargo build --release --features cuda,dlpack --example neuvol_torch")
    try:
        tensor = region(library, options.file, options.device, options.start, options.end)
    except RuntimeError as error:
        sys.exit(f"no tensor on {options.device}: {error}")
    # What the consumer must find: the address is the first member of DLPack's structure.
    (address,) = struct.unpack("P", ctypes.string_at(tensor, struct.calcsize("P")))
    try:
        values = to_torch(library, tensor)
    except ImportError as error:
        library.neuvol_delete(tensor)
        sys.exit(f"PyTorch is needed for the rest: {error}")
    assert values.data_ptr() == address, "torch made a copy"
    print(f"{tuple(values.shape)} {values.dtype} on {values.device}, not copied")
    print(f"mean {values.double().mean().item():.6g}, by torch on {values.device}")


if __name__ == "__main__":
    main()
