"""Training samples a second of plain PyTorch on the CPU, beside `cargo bench --bench throughput` in the same run.

The model is `field(64)` of benches/throughput.rs: a hash grid with L=5, F=4, T=2^13, N=8..80 over 128^3 samples and a
network of two hidden layers of 64 neurons with ReLU; its parameters, the batch of 2^15 positions and their targets are
the same numbers. The step is Adam's on the mean squared error. The grid is written in each way that PyTorch offers
without own kernels; the fastest one counts. Before anything is timed the forward pass is compared with the scalar
formulae of src/engine/scalar in float64.

Needs torch and numpy:  python benches/pytorch_baseline.py [--threads 1] [--steps 20] [--compile]
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

LEVELS, FEATURES, TABLE_SIZE, COARSEST, FINEST = 5, 4, 1 << 13, 8, 80
WIDTH, BATCH = 64, 1 << 15
PRIMES = (1, 2_654_435_761, 805_459_861)
LEARNING_RATE = 5e-3
WARM_UP_STEPS = 5
TOLERANCE = 1e-5


def resolutions():
    """Equations 2 and 3 as src/field/encoding/hash_grid.rs has them; the volume is a cube."""
    growth = (FINEST / COARSEST) ** (1 / (LEVELS - 1))
    return [int(np.floor(COARSEST * growth**level + 1e-9)) for level in range(LEVELS)]


def entries(resolution):
    return min((resolution + 1) ** 3, TABLE_SIZE)


def random_numbers(seed, count):
    """The generator of benches/throughput.rs: `count` numbers in [0, 1), float32."""
    out = np.empty(count, np.float32)
    for i in range(count):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = (seed >> 40) / 2**24
    return out


class HashGrid(torch.nn.Module):
    """(B, 3) positions in [0, 1] to (B, L F) features."""

    def __init__(self, parameters, gather):
        super().__init__()
        self.gather = gather
        self.resolutions = resolutions()
        self.tables = torch.nn.ParameterList()
        for resolution in self.resolutions:
            count = entries(resolution) * FEATURES
            self.tables.append(parameters[:count].reshape(-1, FEATURES).clone())
            parameters = parameters[count:]

    def forward(self, positions):
        return torch.cat([self.level(*level, positions) for level in zip(self.resolutions, self.tables)], 1)

    def level(self, resolution, table, positions):
        scaled = positions * resolution
        cell = scaled.long().clamp(max=resolution - 1)
        upper = scaled - cell
        vertices = torch.stack([cell, cell + 1])
        weights = torch.stack([1 - upper, upper])
        # A level whose vertices all have an entry is in x-fastest order; of the hash only the low bits count, and
        # those of a 64-bit product are those of the 32-bit one.
        dense = (resolution + 1) ** 3 <= TABLE_SIZE
        factors = (1, resolution + 1, (resolution + 1) ** 2) if dense else PRIMES
        x, y, z = (vertices * torch.tensor(factors)).unbind(2)
        # Every corner: (2, 1, 1, B) by (1, 2, 1, B) by (1, 1, 2, B).
        x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
        index = x + y + z if dense else (x ^ y ^ z) & (TABLE_SIZE - 1)
        wx, wy, wz = weights.unbind(2)
        weight = wx[:, None, None] * wy[None, :, None] * wz[None, None, :]
        index, weight = index.reshape(8, -1), weight.reshape(8, -1)
        if self.gather == "embedding_bag":
            bag = torch.nn.functional.embedding_bag
            return bag(index.T.contiguous(), table, mode="sum", per_sample_weights=weight.T.contiguous())
        if self.gather == "embedding":
            values = torch.nn.functional.embedding(index, table)
        elif self.gather == "index_select":
            values = table.index_select(0, index.flatten()).reshape(8, -1, FEATURES)
        else:
            values = table[index]
        return (weight.unsqueeze(2) * values).sum(0)


GATHERS = ("index", "index_select", "embedding", "embedding_bag")


def model(gather):
    """The field with the bench's parameters, tables first, then each layer's weights, input by input, and biases."""
    layers = [(LEVELS * FEATURES, WIDTH), (WIDTH, WIDTH), (WIDTH, 1)]
    of_grid = sum(entries(n) for n in resolutions()) * FEATURES
    count = of_grid + sum(inputs * outputs + outputs for inputs, outputs in layers)
    parameters = torch.from_numpy(random_numbers(7, count) * np.float32(0.5) - np.float32(0.25))
    modules = [HashGrid(parameters[:of_grid], gather)]
    rest = parameters[of_grid:]
    for inputs, outputs in layers:
        linear = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            linear.weight.copy_(rest[: inputs * outputs].reshape(inputs, outputs).T)
            linear.bias.copy_(rest[inputs * outputs :][:outputs])
        rest = rest[inputs * outputs + outputs :]
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1]), parameters.numpy()


def scalar_value(parameters, position):
    """One value by the formulae of src/engine/scalar, a number at a time, in float64."""
    features = []
    for resolution in resolutions():
        table, parameters = np.split(parameters, [entries(resolution) * FEATURES])
        table = table.reshape(-1, FEATURES).astype(np.float64)
        # The cell is found in float32, as the engines do.
        scaled = [float(np.float32(p) * np.float32(resolution)) for p in position]
        cell = [min(int(s), resolution - 1) for s in scaled]
        level = np.zeros(FEATURES)
        for corner in range(8):
            weight, vertex = 1.0, []
            for axis in range(3):
                upper = corner >> axis & 1
                fraction = scaled[axis] - cell[axis]
                vertex.append(cell[axis] + upper)
                weight *= fraction if upper else 1.0 - fraction
            n = resolution + 1
            if n**3 <= TABLE_SIZE:
                entry = vertex[0] + n * (vertex[1] + n * vertex[2])
            else:
                hashes = [v * prime % 2**32 for v, prime in zip(vertex, PRIMES)]
                entry = (hashes[0] ^ hashes[1] ^ hashes[2]) % TABLE_SIZE
            level += weight * table[entry]
        features.extend(level)
    h = np.array(features)
    for outputs in (WIDTH, WIDTH, 1):
        weights, biases, parameters = np.split(parameters, [h.size * outputs, h.size * outputs + outputs])
        h = biases + h @ weights.reshape(h.size, outputs).astype(np.float64)
        h = h if outputs == 1 else np.maximum(h, 0.0)
    assert parameters.size == 0, "parameters are left over"
    return h.item()


def check(gather):
    """Refuses to go on when the forward pass is not the scalar formula's."""
    module, parameters = model(gather)
    inside = random_numbers(3, 3 * 60).reshape(-1, 3)
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], np.float32)
    positions = np.concatenate([inside, corners])
    with torch.no_grad():
        values = module(torch.from_numpy(positions)).squeeze(1).numpy()
    expected = np.array([scalar_value(parameters, p) for p in positions])
    worst = np.abs(values - expected).max()
    print(f"{gather}: forward differs from the scalar formula by {worst:.1e} at most ({len(positions)} points)")
    if not worst < TOLERANCE:
        sys.exit(f"{gather}: this is another model than the engine's")


def samples_per_second(gather, steps, compiled):
    """Median, smallest and largest over the steps."""
    module, _ = model(gather)
    positions = torch.from_numpy(random_numbers(99, 3 * BATCH).reshape(-1, 3))
    targets = (torch.sin(positions[:, 0] * 9) * positions[:, 1]).unsqueeze(1)
    optimiser = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), eps=1e-15, fused=True)
    forward = torch.compile(module) if compiled else module

    def step():
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(forward(positions), targets)
        loss.backward()
        optimiser.step()
        return loss.item()

    first = step()
    for _ in range(WARM_UP_STEPS - 1):
        step()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        last = step()
        seconds.append(time.perf_counter() - start)
    assert last < first, "training does not reduce the loss"
    return [BATCH / s for s in (statistics.median(seconds), max(seconds), min(seconds))]


def rust_samples_per_second(threads):
    """Median, smallest and largest of the bench's row, and the line that says what it ran on."""
    command = ["cargo", "bench", "--bench", "throughput"]
    root = Path(__file__).resolve().parent.parent
    # Built before it is started, so that it runs on a machine that has come to rest.
    subprocess.run([*command, "--no-run"], cwd=root, check=True)
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    bench = subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    row = re.search(r"^\| training 2x64 \| ([\d.]+) M/s \| ([\d.]+)\.\.([\d.]+) \|", bench.stdout, re.MULTILINE)
    if row is None:
        sys.exit(f"the bench printed no row `training 2x64`:\n{bench.stdout}")
    return [float(number) * 1e6 for number in row.groups()], bench.stdout.splitlines()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of both (default 1)")
    parser.add_argument("--steps", type=int, default=20, help="timed steps (default 20)")
    parser.add_argument("--compile", action="store_true", help="torch.compile as well (needs a C++ compiler)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    for gather in GATHERS:
        check(gather)
    rows = []
    for gather in GATHERS:
        for compiled in (False, True) if options.compile else (False,):
            name = f"PyTorch, {gather}" + (", compiled" if compiled else "")
            rows.append((name, samples_per_second(gather, options.steps, compiled)))
    rust, machine = rust_samples_per_second(options.threads)
    print(f"\ntorch {torch.__version__}, {torch.get_num_threads()} threads; neuvol: {machine}\n")
    print("| training 2x64 | median | range | neuvol is faster by |\n|---|---|---|---|")
    for name, (median, least, most) in rows:
        figures = f"{median / 1e6:.3f} M/s | {least / 1e6:.3f}..{most / 1e6:.3f}"
        print(f"| {name} | {figures} | {rust[0] / median:.1f}x |")
    print(f"| neuvol | {rust[0] / 1e6:.2f} M/s | {rust[1] / 1e6:.2f}..{rust[2] / 1e6:.2f} | |")
    best = max(rows, key=lambda row: row[1][0])
    print(f"\nneuvol trains {rust[0] / best[1][0]:.1f} times as fast as {best[0]}")


if __name__ == "__main__":
    main()
