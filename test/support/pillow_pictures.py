"""Pictures of the kinds that decoders disagree about, and what Pillow makes of them: for test/integration/pillow-pictures.test.ts."""

import json
import struct
import sys
import zlib
from pathlib import Path
from typing import List

from PIL import Image

WIDTH = 40
HEIGHT = 30


def main(folder: Path) -> None:
    levels = [bytes((x * (3 + n) + y * (7 - n)) % 256 for y in range(6) for x in range(8)) for n in range(4)]
    planes = [Image.frombytes("L", (8, 6), plane).resize((WIDTH, HEIGHT), Image.BICUBIC) for plane in levels]
    color = Image.merge("RGB", planes[:3])
    color.save(folder / "progressive.jpg", progressive=True)
    color.quantize(16).save(folder / "palette.png")
    color.convert("1").save(folder / "bits.png")
    planes[0].save(folder / "grey.jpg")
    Image.merge("CMYK", planes).save(folder / "cmyk.jpg", quality=92)
    write_ycck(folder / "cmyk.jpg", folder / "ycck.jpg")
    samples = [(n * 54) % 65536 for n in range(WIDTH * HEIGHT)]
    write_png(folder / "grey16.png", 0, [[level] for level in samples])
    write_png(folder / "dark16.png", 0, [[level // 300] for level in samples])
    write_png(folder / "greyAlpha16.png", 4, [[level, 65535] for level in samples])
    write_png(folder / "color16.png", 2, [[level, 65535 - level, level // 2] for level in samples])
    expected = {}
    for path in sorted(folder.iterdir()):
        picture = Image.open(path)
        expected[path.name] = {"RGB": list(picture.convert("RGB").tobytes()), "grey": list(picture.convert("L").tobytes())}
    (folder / "expected.json").write_text(json.dumps(expected))


def write_ycck(cmyk: Path, ycck: Path) -> None:
    """The same file with its Adobe marker saying YCCK: other colours, read in another way."""
    content = bytearray(cmyk.read_bytes())
    start = content.find(b"Adobe")
    content[start + 11] = 2
    ycck.write_bytes(bytes(content))


def write_png(path: Path, color_type: int, pixels: List[List[int]]) -> None:
    """A PNG of 16 bits a sample, which Pillow does not write for all colour types."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = [pixels[y * WIDTH : (y + 1) * WIDTH] for y in range(HEIGHT)]
    content = b"".join(b"\0" + struct.pack(">%dH" % (WIDTH * len(row[0])), *sum(row, [])) for row in rows)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, color_type, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(content)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


main(Path(sys.argv[1]))
