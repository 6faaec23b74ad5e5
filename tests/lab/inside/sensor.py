# SPDX-License-Identifier: Apache-2.0
"""A handle of a VP's camera with one buffer mapped, held from outside the VP: what counts is whose endpoint it is."""
import fcntl
import mmap
import struct

REQBUFS, QUERYBUF = 0xc0145608, 0xc0585609


class Camera:
    def __init__(self, dev):
        """`dev`: the VP's /dev, a path."""
        self.file = open(f"{dev}/video0", "r+b", buffering=0)  # pylint: disable=consider-using-with
        request = bytearray(struct.pack("=5I", 1, 1, 1, 0, 0))  # to capture into, by mmap
        fcntl.ioctl(self.file, REQBUFS, request)
        buffer = bytearray(struct.pack("=II80x", 0, 1))
        fcntl.ioctl(self.file, QUERYBUF, buffer)
        offset, length = struct.unpack_from("=I4xI", buffer, 64)
        self.memory = mmap.mmap(self.file.fileno(), length, offset=offset)
        self.memory.madvise(mmap.MADV_DONTFORK)  # a child of the test holds nothing

    def close(self):
        self.memory.close()
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
