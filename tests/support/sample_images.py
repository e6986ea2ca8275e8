"""Sample images of every kind that users send, hostile ones included.

Most show four quarters, red, green, blue and yellow in the order of reading, so that a test can
tell by the corners whether a picture stands upright and has kept its colours.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms, ImageDraw, ImageFilter

WIDTH, HEIGHT = 120, 80
COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 60, 190),
    "yellow": (230, 210, 40),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
UPRIGHT = ("red", "green", "blue", "yellow")
_UNTURN = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that was held so has the picture lie in the file."""
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)

pillow_heif.register_heif_opener()


def color_card(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """The test card."""
    image = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(image)
    for number, name in enumerate(UPRIGHT):
        left, top = number % 2 * width // 2, number // 2 * height // 2
        pen.rectangle((left, top, left + width // 2, top + height // 2), fill=COLOURS[name])
    return image


def corner_colours(path: Path) -> tuple[str, ...]:
    """The names of the colours seen in the four quarters."""
    with Image.open(path) as image:
        shown = image.convert("RGB")
    places = ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))
    return tuple(colour_at(shown, x, y) for x, y in places)


def colour_at(image: Image.Image, x: float, y: float) -> str:
    """The name of the test card colour nearest to a point, given in shares of the sides."""
    seen = image.getpixel((int(image.width * x), int(image.height * y)))
    assert isinstance(seen, tuple)

    def distance(name: str) -> int:
        return sum((a - b) ** 2 for a, b in zip(COLOURS[name], seen, strict=True))

    return min(COLOURS, key=distance)


def photo(path: Path, width: int, height: int) -> Path:
    """Something like a photograph: soft shades, an edge, a little grain."""
    image = Image.merge(
        "RGB",
        [Image.linear_gradient("L").rotate(turn).resize((width, height)) for turn in (0, 90, 180)],
    )
    ImageDraw.Draw(image).ellipse(
        (width * 0.2, height * 0.3, width * 0.7, height * 0.6), fill=(210, 120, 40)
    )
    grain = Image.effect_noise((width, height), 20).convert("RGB")
    soft = Image.blend(image, grain, 0.08).filter(ImageFilter.GaussianBlur(1))
    soft.save(path, quality=92)
    return path


def rotated_photo(path: Path, orientation: int) -> Path:
    """A JPEG from a camera held in one of the eight ways; shown right it is the test card."""
    image = color_card()
    turn = _UNTURN[orientation]
    if turn is not None:
        image = image.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, "JPEG", quality=95, exif=exif)
    return path


def image_with_metadata(path: Path, kind: str) -> Path:
    """An image with metadata in every form of its format."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET-maker"
    exif[0x9286] = "SECRET-comment"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    extra: dict[str, object] = {"exif": exif, "icc_profile": srgb_profile() + b"SECRET-icc"}
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET-xmp</x:xmpmeta>"
    if kind in {"JPEG", "WEBP", "HEIF", "AVIF"}:
        extra["xmp"] = xmp
    if kind == "JPEG":
        extra["comment"] = b"SECRET-comment"
        iptc = b"8BIM\x04\x04\x00\x00\x00\x00\x00\x0bSECRET-iptc"
        extra["extra"] = (
            b"\xff\xed" + struct.pack(">H", len(iptc) + 16) + b"Photoshop 3.0\x00" + iptc
        )
    if kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        notes = PngInfo()
        notes.add_text("Comment", "SECRET-text")
        notes.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
        extra["pnginfo"] = notes
    if kind == "GIF":
        extra = {"comment": b"SECRET-comment"}
    color_card().save(path, kind, **extra)
    return path


def srgb_profile() -> bytes:
    """The usual colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """A profile of a screen whose red is green and whose green is red."""
    profile = bytearray(srgb_profile())
    count = int.from_bytes(profile[128:132], "big")
    entries = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = entries[b"rXYZ"] + 4, entries[b"gXYZ"] + 4
    profile[red : red + 8], profile[green : green + 8] = (
        profile[green : green + 8],
        profile[red : red + 8],
    )
    return bytes(profile)


def animated_image(path: Path, kind: str) -> Path:
    """An animation: the test card, then black."""
    black = Image.new("RGB", (WIDTH, HEIGHT))
    color_card().save(path, kind, save_all=True, append_images=[black, black], duration=100)
    return path


# --- PNG by hand: what Pillow cannot write, and what nobody should ------------------------


def png(
    path: Path, width: int, height: int, *, depth: int, colour: int, data: bytes, passes: int = 0
) -> Path:
    """A PNG of these raw rows, each with its filter byte in front."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, passes)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    content = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def interlaced_png(path: Path) -> Path:
    """The test card as an interlaced PNG."""
    pixels, rows = color_card().load(), bytearray()
    assert pixels is not None
    for left, top, right, down in _PASSES:
        for y in range(top, HEIGHT, down):
            rows.append(0)
            for x in range(left, WIDTH, right):
                rows += bytes(pixels[x, y])  # type: ignore[arg-type]
    return png(path, WIDTH, HEIGHT, depth=8, colour=2, data=bytes(rows), passes=1)


def png_16_bit(path: Path) -> Path:
    """The test card with 16 bits a colour."""
    rows = bytearray()
    pixels = color_card().tobytes()
    for y in range(HEIGHT):
        row = pixels[y * WIDTH * 3 : (y + 1) * WIDTH * 3]
        rows += b"\x00" + b"".join(bytes((level, 0x80)) for level in row)
    return png(path, WIDTH, HEIGHT, depth=16, colour=2, data=bytes(rows))


def grey_16_bit(path: Path) -> Path:
    """Grey with 16 bits: black, dark, light and white, from left to right."""
    levels = (0, 0x5555, 0xAAAA, 0xFFFF)
    row = b"\x00" + b"".join(struct.pack(">H", levels[x * 4 // WIDTH]) for x in range(WIDTH))
    return png(path, WIDTH, HEIGHT, depth=16, colour=0, data=row * HEIGHT)


def decompression_bomb(path: Path, side: int) -> Path:
    """A small file that would be `side` x `side` pixels when decoded."""
    row = zlib.compress(b"\x00" * 1000)
    return png(path, side, side, depth=8, colour=2, data=row)


def encode_image(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
