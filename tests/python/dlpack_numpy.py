"""NumPy arrays through our DLPack import and export: dlpack_numpy.py LIBRARY (of dlpack_library.rs)."""

import ctypes
import gc
import sys
import weakref

import numpy as np

library = ctypes.CDLL(sys.argv[1])
capsule_new = ctypes.pythonapi.PyCapsule_New
capsule_new.restype = ctypes.py_object
capsule_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.restype = ctypes.c_void_p
capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
capsule_set_name = ctypes.pythonapi.PyCapsule_SetName
capsule_set_name.argtypes = [ctypes.py_object, ctypes.c_char_p]

# Capsules keep pointers to their names.
VERSIONED = (b"dltensor_versioned", b"used_dltensor_versioned", library.round_trip_versioned)
LEGACY = (b"dltensor", b"used_dltensor", library.round_trip_legacy)
for _, _, function in (VERSIONED, LEGACY):
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_void_p, ctypes.c_char_p]


class Tensor:
    """What `np.from_dlpack` takes."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **_):
        return self.capsule


def round_trip(array, abi):
    """The array that NumPy makes of our tensor, or our message."""
    name, used, function = abi
    capsule = array.__dlpack__(max_version=(1, 0)) if abi is VERSIONED else array.__dlpack__()
    pointer = capsule_pointer(capsule, name)
    # The tensor is no longer the capsule's.
    capsule_set_name(capsule, used)
    message = ctypes.create_string_buffer(500)
    result = function(pointer, message)
    if not result:
        return message.value.decode()
    return np.from_dlpack(Tensor(capsule_new(result, name, None)))


def check(array, expected=None, what=""):
    for abi in (VERSIONED, LEGACY):
        given = array.copy(order="K") if array.flags.owndata else array
        back = round_trip(given, abi)
        wanted = array if expected is None else expected
        assert isinstance(back, np.ndarray), (what, back)
        wanted = wanted.reshape((1,) * (3 - wanted.ndim) + wanted.shape)
        assert back.dtype == wanted.dtype and back.shape == wanted.shape, (what, back.dtype, back.shape)
        assert np.array_equal(back, wanted, equal_nan=back.dtype.kind == "f"), what


random = np.random.default_rng(7)
bytes_ = random.integers(0, 256, 5 * 6 * 7 * 8, dtype=np.uint8)
for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"):
    volume = np.frombuffer(bytes_.tobytes(), dtype=name)[: 5 * 6 * 7].reshape(5, 6, 7).copy()
    check(volume, what=name)
    check(volume.transpose(2, 0, 1), what=f"{name} transposed")
    check(np.asfortranarray(volume), what=f"{name} in Fortran order")
    check(volume[::-1, 1::2, ::-3], what=f"{name} by strides")
    check(volume[:, :, 2], what=f"{name} without x")
    check(volume[2, 3], what=f"{name} row")

wide = np.array([[-(2**31), 5], [2**31 - 1, 0]], dtype=np.int64)
check(wide, wide.astype(np.int32), "int64")
wide = np.array([0, 2**32 - 1], dtype=np.uint64)
check(wide, wide.astype(np.uint32), "uint64")
# Every bit pattern.
halves = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(16, 64, 64)
check(halves, halves.astype(np.float32), "float16")

for array, part in (
    (np.array([0, 2**32], dtype=np.uint64), "do not fit 32 bits"),
    (np.zeros((2, 2), dtype=bool), "booleans"),
    (np.zeros(3, dtype=np.complex64), "complex numbers"),
    (np.zeros((1, 2, 3, 4), dtype=np.uint8), "4 axes"),
    (np.zeros((2, 0), dtype=np.uint8), "is empty"),
    (np.zeros((), dtype=np.uint8), "0 axes"),
):
    for abi in (VERSIONED, LEGACY):
        message = round_trip(array, abi)
        assert isinstance(message, str) and part in message, message

# The producer's array goes when we gave it back, ours when NumPy's array goes: memory stays where it is.
array = np.ones((3, 4, 5), dtype=np.float32)
references = sys.getrefcount(array)
back = round_trip(array, VERSIONED)
assert sys.getrefcount(array) == references, "the deleter gave the array back"
assert isinstance(round_trip(array.astype(bool), VERSIONED), str)
died = weakref.ref(array)
del array
gc.collect()
assert died() is None
back += 1
assert back.flags.writeable and back.sum() == 2 * 60, "the array is its owner's to write"


def resident():
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * 4096


if sys.platform == "linux":
    large = np.zeros((16, 512, 512), dtype=np.float32)
    round_trip(large, VERSIONED)
    before = resident()
    for _ in range(40):
        for abi in (VERSIONED, LEGACY):
            round_trip(large, abi)
    grown = (resident() - before) / large.nbytes
    assert grown < 2, f"80 round trips hold {grown:.1f} arrays"
print("NumPy", np.__version__, "ok")
