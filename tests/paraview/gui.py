"""ParaView's GUI on a virtual screen: the plugin is there without a click, a file opens, the picture shows it, and a
damaged file is a sentence among the messages.

gui.py [SCREENSHOT.png]; needs Xvfb and paraview. The screen is read from Xvfb's own frame buffer file.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

HERE = Path(__file__).parent
SIZE = (1280, 800)


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} took more than {seconds} s"
        time.sleep(0.2)


def screen(path):
    """The pixels of an XWD file (X11/XWDFile.h): rows of RGB."""
    data = path.read_bytes()
    header = struct.unpack(">25I", data[:100])
    header_size, width, height = header[0], header[4], header[5]
    big_endian, bits, stride, colours = header[7], header[11], header[12], header[19]
    assert bits == 32, f"{bits} bits a pixel"
    rows = []
    for y in range(height):
        first = header_size + 12 * colours + y * stride
        row = data[first : first + 4 * width]
        b, g, r = (row[i::4] for i in ((3, 2, 1) if big_endian else (0, 1, 2)))
        pixels = bytearray(3 * width)
        pixels[0::3], pixels[1::3], pixels[2::3] = r, g, b
        rows.append(bytes(pixels))
    return width, height, rows


def write_png(path, width, height, rows):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def cropped(rows):
    """Without the black beside and below the window."""
    height = max(y for y, row in enumerate(rows) if any(row)) + 1
    width = max(len(row.rstrip(b"\0")) for row in rows) // 3
    return width, height, [row[: 3 * width] for row in rows[:height]]


def session(name, drawn):
    """Runs a session of gui_session.py; returns the screen once `drawn` holds for its rows, and what the GUI said."""
    folder = Path(tempfile.mkdtemp())
    read, write = os.pipe()
    screen_of = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-noreset"]
    server = subprocess.Popen([*screen_of, "-fbdir", str(folder)], pass_fds=[write], stderr=subprocess.DEVNULL)
    gui = None
    try:
        display = os.read(read, 16).decode().strip()
        environment = {
            **os.environ,
            "DISPLAY": f":{display}",
            # No settings of a user's, and none left behind.
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "NEUVOL_GUI": str(folder),
            "NEUVOL_SESSION": name,
            "QT_X11_NO_MITSHM": "1",
        }
        command = ["timeout", "120", "paraview", "--dr", f"--script={HERE / 'gui_session.py'}"]
        with open(folder / "log", "wb") as log:
            gui = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        said = lambda: (folder / "log").read_text(errors="replace")
        done = folder / "done"
        wait_for(lambda: done.exists() or gui.poll() is not None, 110, "the session")
        assert done.exists(), said()
        assert done.read_text() == "ok", done.read_text()
        # The window is drawn when the script has ended; how long that takes is the machine's matter.
        frame = folder / "Xvfb_screen0"
        wait_for(lambda: drawn(screen(frame)[2]) or gui.poll() is not None, 60, "drawing what is expected")
        assert gui.poll() is None, "the GUI must live on: " + said()
        return screen(frame), said()
    finally:
        for process in (gui, server):
            if process and process.poll() is None:
                process.terminate()
                process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def share(rows, condition):
    """The share of the 3D view's pixels that fulfil a condition on red, green, blue."""
    # Inside the view's frame, whatever the rest of the window shows.
    pixels = [row[3 * x : 3 * x + 3] for row in rows[210:710:4] for x in range(320, 1130, 4)]
    return sum(condition(*pixel) for pixel in pixels) / len(pixels)


def main():
    hot = lambda r, g, b: r > 170 and r > b + 50
    cold = lambda r, g, b: b > 140 and b > r + 60
    white = lambda r, g, b: min(r, g, b) > 245
    shares = lambda rows: [share(rows, condition) for condition in (hot, cold, white)]

    def slice_is_shown(rows):
        # The ball and the rod are hot, the waves around them cold.
        a, b, c = shares(rows)
        return a > 0.01 and b > 0.03 and c < 0.01

    def messages_are_shown(rows):
        # Their panel has opened over the view, which still shows the slice.
        _, b, c = shares(rows)
        return c > 0.1 and b > 0.005

    (width, height, rows), _ = session("picture", slice_is_shown)
    assert (width, height) == SIZE
    if len(sys.argv) > 1:
        write_png(Path(sys.argv[1]), *cropped(rows))
    (_, _, over), said = session("error", messages_are_shown)
    for sentence in ("corrupt.nvol: section file header: checksum mismatch", "neuvol failed inside (a panic on purpose"):
        assert sentence in said, said
    print(f"hot, cold and white shares of the view: {shares(rows)}, with messages {shares(over)}: ok")


main()
