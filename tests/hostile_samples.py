"""Files made to do harm: pickles that would run something, claims of terabytes, packed zeros."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Iterator

import numpy as np

MARK = "hostile_file_ran"  # what they would make, in the folder of the process
HUGE = 2**40
ZEROS = bytes(2**24)
TIMES = 64  # so often they stand in a packed file: a gigabyte


class _Runs:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def running() -> Iterator[bytes]:
    """Pickles that would make a file, in the ways that are known."""
    import builtins
    import subprocess

    make = f"open({MARK!r}, 'w')"
    calls = [(os.system, f"touch {MARK}"), (exec, make), (eval, make), (open, MARK, "w")]
    calls += [(os.mkdir, MARK), (subprocess.Popen, ["touch", MARK]), (os.popen, f"touch {MARK}")]
    calls += [(builtins.__import__, "antigravity"), (np.save, MARK, 0), (pickle.loads, b"N.")]
    for function, *arguments in calls:
        for wrap in (lambda call: call, lambda call: {"tag a": call}, lambda call: {call: 1}):
            yield pickle.dumps(wrap(_Runs(function, *arguments)), protocol=4)
        yield pickle.dumps({"tag a": _Runs(function, *arguments)}, protocol=2)
    yield f"cos\nsystem\n(S'touch {MARK}'\ntR.".encode()
    yield f"(i__main__\nos.system\nS'touch {MARK}'\ntR.".encode()
    yield f"\x80\x04cnumpy\nload\n(S'{MARK}'\ntR.".encode()


def greedy_pickles() -> Iterator[bytes]:
    """Pickles of a few bytes that claim much, or never come to an end."""
    yield b"\x80\x04}r" + struct.pack("<I", 2**31 - 1) + b"."  # a place far out in the memo
    yield b"\x80\x04}r" + struct.pack("<I", 2**28) + b"."
    yield b"\x80\x04\x8d" + struct.pack("<Q", HUGE) + b"a."  # a text of a terabyte
    yield b"\x80\x04\x8e" + struct.pack("<Q", HUGE) + b"a."  # bytes
    yield b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b"a."  # a bytearray
    yield b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"a."  # a number
    yield b"\x80\x04\x95" + struct.pack("<Q", HUGE) + b"}."  # a frame
    yield b"(" * 10**6 + b"."
    yield b"\x80\x04" + b"]" * 10**5 + b"a" * (10**5 - 1) + b"."
    yield b""
    yield b"."
    yield b"\x80\xff."
    array = pickle.dumps({"tag a": np.ones(20, np.float32)}, protocol=4)
    for cut in range(10, len(array), 12):
        yield array[:cut]
    yield array.replace(b"K\x14", b"J\xff\xff\xff\x7f")  # of 2**31 numbers
    yield array.replace(b"f4", b"O8")
    assert list(pickletools.genops(array))


def false_arrays() -> Iterator[bytes]:
    """Files of numpy whose header is not that of their content."""

    def file(header: str, content: bytes = bytes(64), version: bytes = b"\x01\x00") -> bytes:
        raw = header.encode("latin-1") + b"\n"
        size = struct.pack("<H" if version[0] == 1 else "<I", len(raw))
        return b"\x93NUMPY" + version + size + raw + content

    def about(descr: str, shape: object, fortran: object = False) -> str:
        return f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}"

    for shape in ((HUGE,), (HUGE, HUGE), (2**32, 128), (10**9, 16), (-1, 4), (2**63,), "(1e3,)"):
        for descr in ("<f4", "<U9", "|S1000"):
            yield file(about(descr, shape))
    yield file(about("<U2147483647", (4,)))
    yield file(about("|O", (1,)), pickle.dumps(_Runs(os.system, f"touch {MARK}")))
    yield file(about("<f4", f"__import__('os').system('touch {MARK}')"))
    yield file(about("V99999999999", (1,)))
    yield file("(" * 3000)
    yield file(about("<f4", (4, 4)), bytes(10))
    yield b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{" * 100
    yield b"\x93NUMPY\x09\x00" + bytes(100)
    good = io.BytesIO()
    np.save(good, np.ones((4, 4), np.float32))
    for cut in range(0, len(good.getvalue()), 16):
        yield good.getvalue()[:cut]


def archive(program: bytes, compression: int = zipfile.ZIP_STORED, times: int = 0) -> bytes:
    """What torch.save would write, with another pickle in it, and zeros behind that."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression, compresslevel=1) as made:
        with made.open("a/data.pkl", "w") as part:
            part.write(program)
            for _ in range(times):
                part.write(ZEROS)
        for name, content in (("byteorder", b"little"), ("version", b"3\n"), ("data/0", bytes(64))):
            made.writestr(f"a/{name}", content)
    return stream.getvalue()


def archives() -> Iterator[bytes]:
    """Archives of all these pickles, some cut short, and packed zeros."""
    for program in (*running(), *greedy_pickles()):
        yield archive(program)
        yield archive(program)[:-30]
    yield archive(b"", zipfile.ZIP_DEFLATED, TIMES)
    yield archive(pickle.dumps({}, protocol=2), zipfile.ZIP_DEFLATED, TIMES)


def packed_zeros() -> Iterator[bytes]:
    """A thousandth of what they unpack to."""
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        yield pack(b"3 4\n") + pack(ZEROS) * TIMES
        yield pack(b"a\tb\t") + pack(ZEROS) * TIMES


def vectors() -> Iterator[bytes]:
    """Word vectors that claim more than they hold."""
    for first in (f"{HUGE} 300", f"3 {HUGE}", f"{2**31} {2**31}", "3 2000000000", "-1 -1"):
        yield f"{first}\njazz 1 2 3\n".encode()
        yield f"{first}\njazz ".encode() + bytes(100)
    fasttext = struct.pack("<ii", 793712314, 12)
    for numbers in ((2**31 - 1,) * 12, (300, 5, 5, 1, 1, 5, 1, 1, 2, 100, 3, 6)):
        yield fasttext + struct.pack("<12i", *numbers) + struct.pack("<iiiqq", -1, 9, 0, HUGE, -1)
    yield b"jazz " + b"1 " * 10**6  # a line without end


def tables() -> Iterator[bytes]:
    """Tables of a million columns, or of one endless field."""
    for sign in (b",", b"\t", b";", b"|"):
        yield b"file" + sign + sign.join([b"tags"] * 10**6) + b"\n"
        yield b"file,tags\n" + b"a.wav" + sign * 10**6 + b"\n"
    yield b'file,tags\n"' + b"a" * 10**7
    yield b"file,tags\n" + b"\0" * 10**6
    yield b"\xff\xfe" + b"a\0" * 10**6


def sounds() -> Iterator[tuple[str, bytes]]:
    """Audio files whose headers claim terabytes, by their ending."""
    some, most = bytes(range(256)) * 8, 2**32 - 1

    def riff(size: int, data: int, channels: int = 2, rate: int = 22050, bits: int = 16) -> bytes:
        form = struct.pack("<HHIIHH", 1, channels, rate, most, channels * bits // 8 % 65536, bits)
        parts = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", data)
        return b"RIFF" + struct.pack("<I", size) + b"WAVE" + parts + some

    for channels, rate, bits in ((65535, 22050, 16), (2, most, 16), (2, 22050, 65535), (0, 0, 0)):
        yield "wav", riff(most, most - 8, channels, rate, bits)
    yield (
        "wav",
        b"RF64"
        + riff(most, most)[4:12]
        + (b"ds64" + struct.pack("<IQQQI", 28, 2**62, 2**62, 2**60, 0) + riff(most, most)[12:]),
    )
    rate = b"\x40\x0d\xac\x44" + bytes(6)
    for channels, frames in ((2, most), (65535, most), (1, 2**31)):
        about = struct.pack(">hIh", channels - 2**16 if channels > 2**15 else channels, frames, 16)
        yield (
            "aiff",
            b"FORM"
            + struct.pack(">I", most)
            + b"AIFFCOMM"
            + struct.pack(">I", 18)
            + (about + rate + b"SSND" + struct.pack(">III", most, 0, 0) + some),
        )
    for channels in (2, 2**31 - 1):
        yield "au", b".snd" + struct.pack(">IIIII", 24, most, 3, 22050, channels) + some
    info = struct.pack(">HH", 65535, 65535) + b"\xff" * 6 + struct.pack(">Q", 2**64 - 1) + bytes(16)
    yield "flac", b"fLaC" + b"\x80\x00\x00\x22" + info + some
    yield "flac", b"fLaC" + b"\x84\xff\xff\xff" + some
    yield "mp3", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + some
    yield (
        "mp3",
        b"\xff\xfb\x90\x64" + bytes(32) + b"Xing" + struct.pack(">III", 3, most, most) + some,
    )
    yield "ogg", b"OggS\x00\x02" + b"\xff" * 20 + b"\xff" + b"\xff" * 255 + some
    for kind in (b"moov", b"mdat", b"stsz", b"ftyp"):
        head = struct.pack(">I", 1) + kind + struct.pack(">Q", 2**62)
        yield "m4a", b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + head + some
    table = struct.pack(">IIII", most, 0, most, most)
    boxes = b"stsz" + table
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        boxes = name + struct.pack(">I", len(boxes) + 4) + boxes
        boxes = struct.pack(">I", len(boxes) + 4) + boxes
    yield "m4a", b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + boxes
    yield "mka", b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 7 + some
    yield "wma", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c" + b"\xff" * 900
    yield "ape", b"MAC \x96\x0f" + b"\xff" * 900
    yield "wv", b"wvpk" + b"\xff" * 900
    yield "tta", b"TTA1" + b"\xff" * 900
    yield "wav", bytes(2**20)
