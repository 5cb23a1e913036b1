"""Training samples a second of plain PyTorch, beside `cargo bench --bench throughput` in the same run.

On the CPU the model is `field(64)` of benches/throughput.rs: a hash grid with L=5, F=4, T=2^13, N=8..80 over 128^3 samples
and a network of two hidden layers of 64 neurons with ReLU, in batches of 2^15; on a GPU (`--device cuda`) that of its
`--gpu`: L=8, F=4, T=2^14, N=8..128 over 256^3 samples, batches of 2^18, in mixed precision. Parameters, positions and
targets come from the bench's generator. The step is Adam's on the mean squared error. The grid is written in each way
that PyTorch offers without own kernels, on a GPU with tables looked up in float32 and in float16; the fastest one counts.
Before anything is timed the forward pass is compared with the scalar formulae of src/engine/scalar in float64.

Needs torch and numpy:  python benches/pytorch_baseline.py [--device cuda] [--threads 1] [--steps 20] [--compile]

On a GPU neuvol trains through libtorch: export LIBTORCH, the folder of the same torch, and eval "$(cargo xtask torch)"
before it. Without a GPU it ends with `not measured: no CUDA device`.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

PRIMES = (1, 2_654_435_761, 805_459_861)
WIDTH = 64
LEARNING_RATE = 5e-3
WARM_UP_STEPS = 5
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Model:
    """The hyper-parameters of a row of the bench."""

    levels: int
    features: int
    table_size: int
    coarsest: int
    finest: int
    batch: int

    def resolutions(self):
        """Equations 2 and 3 as src/field/encoding/hash_grid.rs has them; the volume is a cube."""
        growth = (self.finest / self.coarsest) ** (1 / (self.levels - 1))
        return [int(np.floor(self.coarsest * growth**level + 1e-9)) for level in range(self.levels)]

    def entries(self, resolution):
        return min((resolution + 1) ** 3, self.table_size)


ON_CPU = Model(levels=5, features=4, table_size=1 << 13, coarsest=8, finest=80, batch=1 << 15)
ON_CUDA = Model(levels=8, features=4, table_size=1 << 14, coarsest=8, finest=128, batch=1 << 18)


def random_numbers(seed, count):
    """The generator of benches/throughput.rs: `count` numbers in [0, 1), float32."""
    out = np.empty(count, np.float32)
    for i in range(count):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = (seed >> 40) / 2**24
    return out


class HashGrid(torch.nn.Module):
    """(B, 3) positions in [0, 1] to (B, L F) features. With `half`, what is looked up is a copy in float16."""

    def __init__(self, shape, parameters, gather, half=False):
        super().__init__()
        self.shape, self.gather, self.half_tables = shape, gather, half
        self.tables = torch.nn.ParameterList()
        for n, resolution in enumerate(shape.resolutions()):
            count = shape.entries(resolution) * shape.features
            self.tables.append(parameters[:count].reshape(-1, shape.features).clone())
            parameters = parameters[count:]
            # A level whose vertices all have an entry is in x-fastest order; of the hash only the low bits count, and
            # those of a 64-bit product are those of the 32-bit one.
            factors = (1, resolution + 1, (resolution + 1) ** 2) if self.is_dense(resolution) else PRIMES
            # Where the positions are: a copy from the host in every step would be waited for.
            self.register_buffer(f"factors{n}", torch.tensor(factors))

    def is_dense(self, resolution):
        return (resolution + 1) ** 3 <= self.shape.table_size

    def forward(self, positions):
        levels = enumerate(zip(self.shape.resolutions(), self.tables))
        return torch.cat([self.level(n, *level, positions) for n, level in levels], 1)

    def level(self, n, resolution, table, positions):
        scaled = positions * resolution
        cell = scaled.long().clamp(max=resolution - 1)
        upper = scaled - cell
        vertices = torch.stack([cell, cell + 1])
        weights = torch.stack([1 - upper, upper])
        x, y, z = (vertices * getattr(self, f"factors{n}")).unbind(2)
        # Every corner: (2, 1, 1, B) by (1, 2, 1, B) by (1, 1, 2, B).
        x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
        index = x + y + z if self.is_dense(resolution) else (x ^ y ^ z) & (self.shape.table_size - 1)
        wx, wy, wz = weights.unbind(2)
        weight = wx[:, None, None] * wy[None, :, None] * wz[None, None, :]
        index, weight = index.reshape(8, -1), weight.reshape(8, -1)
        if self.half_tables:
            table, weight = table.half(), weight.half()
        if self.gather == "embedding_bag":
            bag = torch.nn.functional.embedding_bag
            return bag(index.T.contiguous(), table, mode="sum", per_sample_weights=weight.T.contiguous())
        if self.gather == "embedding":
            values = torch.nn.functional.embedding(index, table)
        elif self.gather == "index_select":
            values = table.index_select(0, index.flatten()).reshape(8, -1, self.shape.features)
        else:
            values = table[index]
        return (weight.unsqueeze(2) * values).sum(0)


GATHERS = ("index", "index_select", "embedding", "embedding_bag")


def model(shape, gather, half=False):
    """The field with the bench's parameters, tables first, then each layer's weights, input by input, and biases."""
    layers = [(shape.levels * shape.features, WIDTH), (WIDTH, WIDTH), (WIDTH, 1)]
    of_grid = sum(shape.entries(n) for n in shape.resolutions()) * shape.features
    count = of_grid + sum(inputs * outputs + outputs for inputs, outputs in layers)
    parameters = torch.from_numpy(random_numbers(7, count) * np.float32(0.5) - np.float32(0.25))
    modules = [HashGrid(shape, parameters[:of_grid], gather, half)]
    rest = parameters[of_grid:]
    for inputs, outputs in layers:
        linear = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            linear.weight.copy_(rest[: inputs * outputs].reshape(inputs, outputs).T)
            linear.bias.copy_(rest[inputs * outputs :][:outputs])
        rest = rest[inputs * outputs + outputs :]
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1]), parameters.numpy()


def scalar_value(shape, parameters, position):
    """One value by the formulae of src/engine/scalar, a number at a time, in float64."""
    features = []
    for resolution in shape.resolutions():
        table, parameters = np.split(parameters, [shape.entries(resolution) * shape.features])
        table = table.reshape(-1, shape.features).astype(np.float64)
        # The cell is found in float32, as the engines do.
        scaled = [float(np.float32(p) * np.float32(resolution)) for p in position]
        cell = [min(int(s), resolution - 1) for s in scaled]
        level = np.zeros(shape.features)
        for corner in range(8):
            weight, vertex = 1.0, []
            for axis in range(3):
                upper = corner >> axis & 1
                fraction = scaled[axis] - cell[axis]
                vertex.append(cell[axis] + upper)
                weight *= fraction if upper else 1.0 - fraction
            n = resolution + 1
            if n**3 <= shape.table_size:
                entry = vertex[0] + n * (vertex[1] + n * vertex[2])
            else:
                hashes = [v * prime % 2**32 for v, prime in zip(vertex, PRIMES)]
                entry = (hashes[0] ^ hashes[1] ^ hashes[2]) % shape.table_size
            level += weight * table[entry]
        features.extend(level)
    h = np.array(features)
    for outputs in (WIDTH, WIDTH, 1):
        weights, biases, parameters = np.split(parameters, [h.size * outputs, h.size * outputs + outputs])
        h = biases + h @ weights.reshape(h.size, outputs).astype(np.float64)
        h = h if outputs == 1 else np.maximum(h, 0.0)
    assert parameters.size == 0, "parameters are left over"
    return h.item()


def check(shape, gather, device):
    """Refuses to go on when the forward pass is not the scalar formula's; in float32, and no other precision, on both."""
    module, parameters = model(shape, gather)
    inside = random_numbers(3, 3 * 60).reshape(-1, 3)
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], np.float32)
    positions = np.concatenate([inside, corners])
    with torch.no_grad():
        values = module.to(device)(torch.from_numpy(positions).to(device)).squeeze(1).cpu().numpy()
    expected = np.array([scalar_value(shape, parameters, p) for p in positions])
    worst = np.abs(values - expected).max()
    print(f"{gather}: forward differs from the scalar formula by {worst:.1e} at most ({len(positions)} points)")
    if not worst < TOLERANCE:
        sys.exit(f"{gather}: this is another model than the engine's")


def seconds_on_cpu(step, steps):
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def seconds_on_cuda(step, steps):
    """Between events of the stream, a step from the end of the one before: the host runs ahead, and waits at the end alone."""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(steps + 1)]
    torch.cuda.synchronize()
    events[0].record()
    for event in events[1:]:
        step()
        event.record()
    torch.cuda.synchronize()
    return [before.elapsed_time(after) / 1e3 for before, after in zip(events, events[1:])]


def samples_per_second(shape, gather, half, steps, compiled, device):
    """Median, smallest and largest over the steps."""
    module = model(shape, gather, half)[0].to(device)
    positions = torch.from_numpy(random_numbers(99, 3 * shape.batch).reshape(-1, 3)).to(device)
    targets = (torch.sin(positions[:, 0] * 9) * positions[:, 1]).unsqueeze(1)
    # Fused, it takes what the scaler found on the device: the host waits for nothing.
    optimiser = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), eps=1e-15, fused=True)
    forward = torch.compile(module) if compiled else module
    on_cuda = device.type == "cuda"
    scaler = torch.amp.GradScaler(device.type, enabled=on_cuda)

    def step():
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.float16 if on_cuda else torch.bfloat16, enabled=on_cuda):
            loss = torch.nn.functional.mse_loss(forward(positions).float(), targets)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        return loss.detach()

    first = step().item()
    for _ in range(WARM_UP_STEPS - 1):
        step()
    seconds = (seconds_on_cuda if on_cuda else seconds_on_cpu)(step, steps)
    assert step().item() < first, "training does not reduce the loss"
    return [shape.batch / s for s in (statistics.median(seconds), max(seconds), min(seconds))]


def rust_samples_per_second(threads, device):
    """Median, smallest and largest of the bench's row, and the line that says what it ran on."""
    features = ["--features", "torch"] if device.type == "cuda" else []
    command = ["cargo", "bench", *features, "--bench", "throughput"]
    root = Path(__file__).resolve().parent.parent
    # Built before it is started, so that it runs on a machine that has come to rest.
    if subprocess.run([*command, "--no-run"], cwd=root).returncode != 0:
        sys.exit("the bench cannot be built" + ('; is eval "$(cargo xtask torch)" done?' if features else ""))
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    command += ["--", "--gpu"] if features else []
    bench = subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    lines = bench.stdout.splitlines()
    if device.type == "cuda":
        # Every device has a part of its own.
        first = next((n for n, line in enumerate(lines) if line.startswith(f"cuda:{device.index} ")), len(lines))
        last = next((n for n in range(first + 1, len(lines)) if lines[n].startswith("cuda:")), len(lines))
        lines = lines[first:last]
    row = re.compile(r"\| training 2x64 \| ([\d.]+) M/s \| ([\d.]+)\.\.([\d.]+) \|")
    found = next(filter(None, map(row.match, lines)), None)
    if found is None:
        sys.exit(f"the bench printed no row `training 2x64`:\n{bench.stdout}")
    return [float(number) * 1e6 for number in found.groups()], lines[0]


def device_named(name):
    """The device; ends the program where it is a GPU that is not there."""
    device = torch.device(name)
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        sys.exit(f"--device {name}: cpu, cuda or cuda:N is needed")
    index = device.index or 0
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        sys.exit(f"not measured: no CUDA device ({name}; torch {torch.__version__}, CUDA {torch.version.cuda})")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default cpu)")
    parser.add_argument("--threads", type=int, default=1, help="threads of both on the CPU (default 1)")
    parser.add_argument("--steps", type=int, help="timed steps (default 20, on a GPU 200)")
    parser.add_argument("--compile", action="store_true", help="torch.compile as well (needs a C++ compiler)")
    options = parser.parse_args()
    device = device_named(options.device)
    on_cuda = device.type == "cuda"
    shape = ON_CUDA if on_cuda else ON_CPU
    steps = options.steps or (200 if on_cuda else 20)
    torch.set_num_threads(options.threads)

    for gather in GATHERS:
        check(shape, gather, device)
    rows = []
    for gather in GATHERS:
        for half in (False, True) if on_cuda else (False,):
            for compiled in (False, True) if options.compile else (False,):
                name = f"PyTorch, {gather}" + (", float16 tables" if half else "") + (", compiled" if compiled else "")
                rows.append((name, samples_per_second(shape, gather, half, steps, compiled, device)))
    rust, machine = rust_samples_per_second(options.threads, device)
    where = torch.cuda.get_device_name(device) if on_cuda else f"{torch.get_num_threads()} threads"
    print(f"\ntorch {torch.__version__}, {where}; neuvol: {machine}\n")
    print("| training 2x64 | median | range | neuvol is faster by |\n|---|---|---|---|")
    for name, (median, least, most) in rows:
        figures = f"{median / 1e6:.3f} M/s | {least / 1e6:.3f}..{most / 1e6:.3f}"
        print(f"| {name} | {figures} | {rust[0] / median:.1f}x |")
    print(f"| neuvol | {rust[0] / 1e6:.2f} M/s | {rust[1] / 1e6:.2f}..{rust[2] / 1e6:.2f} | |")
    best = max(rows, key=lambda row: row[1][0])
    print(f"\nneuvol trains {rust[0] / best[1][0]:.1f} times as fast as {best[0]}")


if __name__ == "__main__":
    main()
