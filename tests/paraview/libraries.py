"""What the plugin loads into its host: libraries.py PREFIX. Small, without libtorch, and with Rust's symbols kept in."""

import re
import subprocess
import sys
from pathlib import Path

PREFIX = Path(sys.argv[1])
# Mangled names of Rust's two schemes, its runtime's, and the bridge's.
RUST = re.compile(r" (_R[A-Z]|_ZN.*17h[0-9a-f]{16}E|__rust|__rdl|rust_|cxxbridge)")

libraries = sorted({path.resolve() for pattern in ("Neuvol/*.so", "lib/*.so") for path in PREFIX.glob(pattern)})
assert len(libraries) == 4, libraries
total = sum(path.stat().st_size for path in libraries)
assert total < 10e6, total
for path in libraries:
    needed = subprocess.run(["ldd", str(path)], check=True, capture_output=True, text=True).stdout
    assert "torch" not in needed and "not found" not in needed, needed
    symbols = subprocess.run(["nm", "-D", "--defined-only", str(path)], check=True, capture_output=True, text=True).stdout
    exported = [line for line in symbols.splitlines() if RUST.search(line)]
    assert symbols.strip() and not exported, (path, exported[:5])
print(f"{len(libraries)} libraries, {total / 1e6:.2f} MB: ok")
