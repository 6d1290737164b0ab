"""Foreign HDF5: h5py reads what signum wrote (check), and writes what signum must read or refuse (make).
SPDX-License-Identifier: MIT"""
import sys

try:
    import h5py
    import numpy as np
except ImportError:
    sys.exit(77)


def check(path):
    """The arrays of test_archive.c: element i of each is i * 7 % 100, for bool i * 7 % 2."""
    types = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
             "U16": "<u2", "U8": "u1", "BOOL": "bool"}
    with h5py.File(path, "r") as f:
        for name, dtype in types.items():
            d = f["types/" + name]
            want = np.arange(6) * 7 % (2 if name == "BOOL" else 100)
            assert d.dtype == np.dtype(dtype), (name, d.dtype)
            assert d.shape == (2, 3) and d.fletcher32 and d.chunks, name
            assert (d[...] == want.reshape(2, 3).astype(dtype)).all(), name
        big = f["group/deeper/model.layers.0.self_attn.q_proj.weight"]
        assert big.shape == (700, 601) and big[...].ravel()[12345] == 12345 * 7 % 100
        assert f["scalar"][()] == 0 and f["scalar"].shape == ()
        assert f["empty"].shape == (3, 0, 2)
        assert bytes(f.attrs["config"]).decode() == "dim: 4\nname: é\n"
        assert bytes(f.attrs["empty"]) == b""


def make(folder):
    x = np.arange(12, dtype="<f4").reshape(3, 4)
    def file(name, **how):
        return h5py.File(f"{folder}/{name}.h5", "w", **how)
    with file("good") as f:                       # the oldest format, contiguous
        f["a/b"] = x
        f["half"] = x.astype("<f2")
        f["flag"] = np.array([True, False])
        f.attrs["variable"] = "left alone"
        f.attrs.create("fixed", "kept", dtype="S4")
        f.create_dataset("chunked", data=x, chunks=(2, 3), shuffle=True, fletcher32=True)
    with file("soft") as f:
        f["a"] = x
        f["b"] = h5py.SoftLink("/a")
    with file("external_link") as f:
        f["b"] = h5py.ExternalLink("good.h5", "/half")
    with file("gzip") as f:
        f.create_dataset("a", data=x, compression="gzip")
    with file("lzf") as f:
        f.create_dataset("a", data=x, compression="lzf")
    with file("variable") as f:
        f.create_dataset("a", data=["x", "yy"], dtype=h5py.string_dtype())
    with file("big_endian") as f:
        f["a"] = x.astype(">f4")
    with file("compound") as f:
        f["a"] = np.zeros(3, dtype=[("u", "<f4"), ("v", "<i4")])
    with file("committed") as f:
        f["t"] = np.dtype("<f4")
    with file("external_storage") as f:
        open(f"{folder}/raw.bin", "wb").write(x.tobytes())
        f.create_dataset("a", x.shape, "<f4", external=[(f"{folder}/raw.bin", 0, h5py.h5f.UNLIMITED)])
    with file("virtual", libver="latest") as f:
        layout = h5py.VirtualLayout((3, 4), "<f4")
        layout[:] = h5py.VirtualSource(f"{folder}/good.h5", "half", (3, 4))
        f.create_virtual_dataset("a", layout)
    with file("sparse") as f:                     # declared, never stored: 4 TiB out of nothing
        f.create_dataset("a", (1 << 20, 1 << 20), "<f4", chunks=(1024, 1024))
    with file("unallocated") as f:
        f.create_dataset("a", (1 << 20,), "<f4")
    with file("reference") as f:
        f["a"] = x
        f.create_dataset("r", data=f["a"].ref, dtype=h5py.ref_dtype)
    with file("unlimited_rank") as f:
        f["a"] = np.zeros((1,) * 9, "<f4")
    with file("null") as f:
        f["a"] = h5py.Empty("<f4")
    with file("cycle") as f:
        f["a"] = x
        f["loop"] = f["/"]                        # a group that holds itself: visited once


{"check": check, "make": make}[sys.argv[1]](sys.argv[2])
