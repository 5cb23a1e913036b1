// A training step's passes in one kernel: the hash grid, a perceptron of 16, 32 or 64 neurons a layer on tensor cores, the
// loss, and the way back to the gradient. Activations never leave a multiprocessor (Mueller 2021, "fully fused").
//
// A block of four warps takes tiles of 128 samples, one a thread, and holds the network in shared memory. A warp carries its
// own 32 samples forward and back; the gradient by a layer's weights is a product over all samples of the tile, which the
// warps share out by outputs. Its sums stay in shared memory until the block's last tile is done, and go to the block's own
// place in global memory then: `add_up` adds those in one order, whatever block was first.
//
// Numbers are halves, sums float32. What goes back is the gradient of `scale` times a sample's own loss, not of the batch's
// mean, which halves would have no bits for; what is added up is divided by the number of samples in float32.
//
// fused.rs launches it, and `cargo xtask ptx` makes fused.80.ptx and fused.90.ptx of it.

#include <gradient.cuh>
#include <half_matrices.cuh>

constexpr u32 THREADS = 128;
constexpr u32 WARPS = THREADS / 32;
// Samples of a warp.
constexpr u32 OWN = 32;
// A row has so many numbers more than it needs: without them, rows that are read together would lie in the same banks.
constexpr u32 PAD = 8;
constexpr u32 EVERY_LANE = ~0u;

// As fused.rs fills it: the same members in the same order.
struct Fused {
    Grid grid;
    // Features.
    u32 inputs;
    u32 hidden_layers;
    u64 network_offset;
    u32 network_size;
    u32 is_absolute;
    u64 samples;
    // What the loss is multiplied with.
    float scale;
    float of_a_sample;
};

extern __shared__ float4 shared[];

// A block's shared memory; fused.rs asks for as much.
template <int WIDTH>
struct Tile {
    static constexpr u32 STRIDE = WIDTH + PAD;

    u32 inputs, layers;
    float *weight_sums, *bias_sums, *biases, *slopes;
    __half *weights, *features, *hidden;

    __device__ Tile(const Fused &fused) : inputs((fused.inputs + 15) / 16 * 16), layers(fused.hidden_layers) {
        weight_sums = reinterpret_cast<float *>(shared);
        // The last of the layers is the output, whose weights are sums like biases are.
        bias_sums = weight_sums + rows() * STRIDE;
        biases = bias_sums + (layers + 1) * 2 * THREADS;
        slopes = biases + (layers + 1) * WIDTH;
        weights = reinterpret_cast<__half *>(slopes + THREADS);
        features = weights + rows() * STRIDE;
        hidden = features + THREADS * feature_stride();
    }

    // Rows of all hidden layers' weights: an input each.
    __device__ u32 rows() const { return inputs + (layers - 1) * WIDTH; }
    __device__ u32 feature_stride() const { return inputs + PAD; }
    __device__ u32 inputs_of(u32 layer) const { return layer == 0 ? inputs : WIDTH; }
    __device__ u32 first_row(u32 layer) const { return layer == 0 ? 0 : inputs + (layer - 1) * WIDTH; }
    // What a layer reads.
    __device__ __half *before(u32 layer) const { return layer == 0 ? features : after(layer - 1); }
    __device__ u32 stride_before(u32 layer) const { return layer == 0 ? feature_stride() : STRIDE; }
    // What it makes, and on the way back the gradient by it.
    __device__ __half *after(u32 layer) const { return hidden + layer * THREADS * STRIDE; }
};

__device__ inline u32 lane() { return threadIdx.x % 32; }
__device__ inline u32 warp() { return threadIdx.x / 32; }

// Rows and columns of a matrix of 16 x 16 whose four quarters are loaded at once: rows first, or columns first.
struct Quarters {
    u32 row, column;
};
__device__ inline Quarters rows_first() { return {lane() % 16, lane() / 16 * 8}; }
__device__ inline Quarters columns_first() { return {lane() / 16 * 8 + lane() % 8, lane() / 8 % 2 * 8}; }

// The network into shared memory, and zeros where sums will be.
template <int WIDTH>
__device__ void load_network(const Fused &fused, const Tile<WIDTH> &tile, const __half *network) {
    for (u32 layer = 0; layer < tile.layers; ++layer) {
        const u32 inputs = layer == 0 ? fused.inputs : WIDTH, first = tile.first_row(layer);
        for (u32 n = threadIdx.x; n < tile.inputs_of(layer) * WIDTH; n += THREADS) {
            const u32 input = n / WIDTH, place = (first + input) * Tile<WIDTH>::STRIDE + n % WIDTH;
            tile.weights[place] = input < inputs ? network[n] : __float2half_rn(0.0f);
            tile.weight_sums[place] = 0.0f;
        }
        network += inputs * WIDTH;
        for (u32 n = threadIdx.x; n < WIDTH; n += THREADS) {
            tile.biases[layer * WIDTH + n] = __half2float(network[n]);
        }
        network += WIDTH;
    }
    for (u32 n = threadIdx.x; n < WIDTH; n += THREADS) {
        tile.biases[tile.layers * WIDTH + n] = __half2float(network[n]);
    }
    for (u32 n = threadIdx.x; n < (tile.layers + 1) * 2 * THREADS; n += THREADS) {
        tile.bias_sums[n] = 0.0f;
    }
}

// The hash grid forward and back: the two lanes of a pair take both their samples in turns, one the lower and one the upper
// corners along x. These are neighbours in the table, mostly, and what is asked of the cache goes out together.
struct Pair {
    float positions[2][3];

    __device__ explicit Pair(const float *own) {
        for (int turn = 0; turn < 2; ++turn) {
            for (int axis = 0; axis < 3; ++axis) {
                positions[turn][axis] = of_turn(own[axis], turn);
            }
        }
    }

    // What the lane has whose sample it is.
    __device__ static float of_turn(float own, int turn) {
        return __shfl_sync(EVERY_LANE, own, int(lane() / 2 * 2) + turn);
    }
};

// Calls `take(entry, weight)` for the lane's four corners around the position of a turn.
template <typename Take>
__device__ void visit_half(const Level &level, const Pair &pair, int turn, Take take) {
    const Cell cell = cell_around(level, pair.positions[turn]);
    const bool upper = lane() % 2 != 0;
    const u32 x = upper ? cell.terms[0][1] : cell.terms[0][0];
    const float along_x = upper ? cell.fraction[0] : 1.0f - cell.fraction[0];
#pragma unroll
    for (int yz = 0; yz < 4; ++yz) {
        const int y = yz & 1, z = yz >> 1;
        const float along_y = y ? cell.fraction[1] : 1.0f - cell.fraction[1];
        const float along_z = z ? cell.fraction[2] : 1.0f - cell.fraction[2];
        take(entry_of(level, x, cell.terms[1][y], cell.terms[2][z]), along_x * along_y * along_z);
    }
}

template <int F>
__device__ void encode_level(const Level &level, const Pair &pair, const __half *parameters, __half *to) {
    float sums[2][F] = {};
#pragma unroll
    for (int turn = 0; turn < 2; ++turn) {
        visit_half(level, pair, turn, [&](u32 entry, float weight) {
            float values[F];
            load<F>(values, parameters + level.offset + u64(entry) * F);
            for (int f = 0; f < F; ++f) {
                sums[turn][f] += weight * values[f];
            }
        });
    }
    const bool upper = lane() % 2 != 0;
    for (int f = 0; f < F; ++f) {
        const float own = upper ? sums[1][f] : sums[0][f], of_other = upper ? sums[0][f] : sums[1][f];
        to[f] = __float2half_rn(own + __shfl_xor_sync(EVERY_LANE, of_other, 1));
    }
}

// A sample's features, and zeros behind them: the way back has left other things there. A function of its own, as below: a
// copy in every kernel would make the PTX five times as long.
__device__ __noinline__ void encode(const Fused &fused, u32 padded, const float *position, const __half *parameters, __half *row) {
    const Pair pair(position);
    for (u32 l = 0; l < fused.grid.levels; ++l) {
        const Level level = fused.grid.of[l];
        switch (fused.grid.features) {
        case 1:
            encode_level<1>(level, pair, parameters, row + l);
            break;
        case 2:
            encode_level<2>(level, pair, parameters, row + 2 * l);
            break;
        case 4:
            encode_level<4>(level, pair, parameters, row + 4 * l);
            break;
        default:
            encode_level<8>(level, pair, parameters, row + 8 * l);
        }
    }
    for (u32 i = fused.inputs; i < padded; ++i) {
        row[i] = __float2half_rn(0.0f);
    }
}

template <int F, typename Sum>
__device__ void scatter_level(const Fused &fused, const Level &level, const Pair &pair, const __half *row, Sum *sums) {
    float own[F];
    load<F>(own, row);
    for (int f = 0; f < F; ++f) {
        own[f] *= fused.of_a_sample;
        // What overflowed in half precision moves nothing.
        own[f] = isfinite(own[f]) ? own[f] : 0.0f;
    }
#pragma unroll
    for (int turn = 0; turn < 2; ++turn) {
        float gradient[F];
        bool is_something = false;
        for (int f = 0; f < F; ++f) {
            gradient[f] = Pair::of_turn(own[f], turn);
            is_something |= gradient[f] != 0.0f;
        }
        if (is_something) {
            visit_half(level, pair, turn, [&](u32 entry, float weight) {
                float products[F];
                for (int f = 0; f < F; ++f) {
                    products[f] = weight * gradient[f];
                }
                add<F>(sums + level.offset + u64(entry) * F, products);
            });
        }
        __syncwarp();
    }
}

// A sample's gradient by its features, to the table values that they are made of. All lanes of a warp take part.
template <typename Sum>
__device__ __noinline__ void scatter(const Fused &fused, const float *position, const __half *row, Sum *sums) {
    const Pair pair(position);
    for (u32 l = 0; l < fused.grid.levels; ++l) {
        const Level level = fused.grid.of[l];
        switch (fused.grid.features) {
        case 1:
            scatter_level<1>(fused, level, pair, row + l, sums);
            break;
        case 2:
            scatter_level<2>(fused, level, pair, row + 2 * l, sums);
            break;
        case 4:
            scatter_level<4>(fused, level, pair, row + 4 * l, sums);
            break;
        default:
            scatter_level<8>(fused, level, pair, row + 8 * l, sums);
        }
    }
}

// A layer of the warp's samples: relu(x W + b).
template <int WIDTH>
__device__ void forward(const Tile<WIDTH> &tile, u32 layer) {
    constexpr u32 STRIDE = Tile<WIDTH>::STRIDE;
    const u32 stride = tile.stride_before(layer), pair = lane() % 4 * 2;
    const Quarters at = rows_first();
    const __half *x = tile.before(layer) + (warp() * OWN + at.row) * stride + at.column;
    const __half *weights = tile.weights + (tile.first_row(layer) + at.row) * STRIDE + at.column;
    const float *biases = tile.biases + layer * WIDTH;
    float sums[2][WIDTH / 8][4];
    for (int n = 0; n < WIDTH / 8; ++n) {
        for (int i = 0; i < 4; ++i) {
            sums[0][n][i] = sums[1][n][i] = biases[n * 8 + pair + i % 2];
        }
    }
    for (u32 k = 0; k < tile.inputs_of(layer); k += 16) {
        u32 of_samples[2][4];
        load_matrices(of_samples[0], x + k);
        load_matrices(of_samples[1], x + 16 * stride + k);
#pragma unroll
        for (int n = 0; n < WIDTH / 16; ++n) {
            u32 of_outputs[4];
            load_transposed(of_outputs, weights + k * STRIDE + n * 16);
            for (int m = 0; m < 2; ++m) {
                multiply(sums[m][2 * n], of_samples[m], of_outputs);
                multiply(sums[m][2 * n + 1], of_samples[m], of_outputs + 2);
            }
        }
    }
    __half *to = tile.after(layer) + (warp() * OWN + lane() / 4) * STRIDE + pair;
    for (int m = 0; m < 2; ++m) {
        for (int n = 0; n < WIDTH / 8; ++n) {
            const float(&c)[4] = sums[m][n];
            __half *place = to + m * 16 * STRIDE + n * 8;
            *reinterpret_cast<u32 *>(place) = pack(fmaxf(c[0], 0.0f), fmaxf(c[1], 0.0f));
            *reinterpret_cast<u32 *>(place + 8 * STRIDE) = pack(fmaxf(c[2], 0.0f), fmaxf(c[3], 0.0f));
        }
    }
    __syncwarp();
}

// The gradient by what a layer read, of the warp's samples: the gradient by its outputs times W transposed, where those
// inputs were neurons that are on. It takes the inputs' place.
template <int WIDTH>
__device__ void backward(const Tile<WIDTH> &tile, u32 layer) {
    constexpr u32 STRIDE = Tile<WIDTH>::STRIDE;
    const u32 stride = tile.stride_before(layer);
    const Quarters of_samples = rows_first(), of_inputs = columns_first();
    const __half *gradient = tile.after(layer) + (warp() * OWN + of_samples.row) * STRIDE + of_samples.column;
    const __half *weights = tile.weights + (tile.first_row(layer) + of_inputs.row) * STRIDE + of_inputs.column;
    __half *to = tile.before(layer) + (warp() * OWN + lane() / 4) * stride + lane() % 4 * 2;
    u32 outputs[2][WIDTH / 16][4];
    for (int m = 0; m < 2; ++m) {
        for (int k = 0; k < WIDTH / 16; ++k) {
            load_matrices(outputs[m][k], gradient + m * 16 * STRIDE + k * 16);
        }
    }
    for (u32 n = 0; n < tile.inputs_of(layer); n += 16) {
        float sums[2][2][4] = {};
#pragma unroll
        for (int k = 0; k < WIDTH / 16; ++k) {
            u32 of_weights[4];
            load_matrices(of_weights, weights + n * STRIDE + k * 16);
            for (int m = 0; m < 2; ++m) {
                multiply(sums[m][0], outputs[m][k], of_weights);
                multiply(sums[m][1], outputs[m][k], of_weights + 2);
            }
        }
        for (int m = 0; m < 2; ++m) {
            for (int half = 0; half < 2; ++half) {
                for (int lower = 0; lower < 2; ++lower) {
                    __half *place = to + (m * 16 + lower * 8) * stride + n + half * 8;
                    const bool is_feature = layer == 0;
                    const bool first = is_feature || __half2float(place[0]) > 0.0f;
                    const bool second = is_feature || __half2float(place[1]) > 0.0f;
                    const float *c = sums[m][half] + 2 * lower;
                    *reinterpret_cast<u32 *>(place) = pack(first ? c[0] : 0.0f, second ? c[1] : 0.0f);
                }
            }
        }
    }
}

// Adds the sum of the rows of h, each times its weight, to the block's sums of a layer's biases. A thread has two neurons and a
// share of the samples.
template <int WIDTH, typename Weight>
__device__ void add_columns(const Tile<WIDTH> &tile, u32 layer, const __half *h, Weight weight_of) {
    constexpr u32 SHARES = 2 * THREADS / WIDTH;
    const u32 neuron = threadIdx.x % (WIDTH / 2) * 2, share = threadIdx.x / (WIDTH / 2);
    float sums[2] = {};
#pragma unroll 8
    for (u32 sample = share; sample < THREADS; sample += SHARES) {
        float pair[2];
        load<2>(pair, h + sample * Tile<WIDTH>::STRIDE + neuron);
        const float weight = weight_of(sample);
        sums[0] += weight * pair[0];
        sums[1] += weight * pair[1];
    }
    float *to = tile.bias_sums + layer * 2 * THREADS + share * WIDTH + neuron;
    to[0] += sums[0];
    to[1] += sums[1];
}

// Adds the tile's gradient by a layer's weights and biases to the block's sums: x transposed times the gradient by the
// outputs, over all samples.
template <int WIDTH>
__device__ void add_weights(const Tile<WIDTH> &tile, u32 layer) {
    constexpr u32 STRIDE = Tile<WIDTH>::STRIDE, ACROSS = WIDTH / 16;
    const u32 stride = tile.stride_before(layer);
    const Quarters of_x = columns_first(), of_gradient = rows_first();
    const __half *x = tile.before(layer) + of_x.row * stride + of_x.column;
    const __half *gradient = tile.after(layer) + of_gradient.row * STRIDE + of_gradient.column;
    for (u32 n = warp(); n < tile.inputs_of(layer) / 16 * ACROSS; n += WARPS) {
        const u32 input = n / ACROSS * 16, output = n % ACROSS * 16;
        const u32 row = tile.first_row(layer) + input + lane() / 4, column = output + lane() % 4 * 2;
        float2 *place = reinterpret_cast<float2 *>(tile.weight_sums + row * STRIDE + column);
        constexpr u32 RIGHT = 4, BELOW = 8 * STRIDE / 2;
        const float2 quarters[4] = {place[0], place[BELOW], place[RIGHT], place[BELOW + RIGHT]};
        float sums[2][4] = {{quarters[0].x, quarters[0].y, quarters[1].x, quarters[1].y},
                            {quarters[2].x, quarters[2].y, quarters[3].x, quarters[3].y}};
#pragma unroll
        for (u32 sample = 0; sample < THREADS; sample += 16) {
            u32 of_inputs[4], of_outputs[4];
            load_transposed(of_inputs, x + sample * stride + input);
            load_transposed(of_outputs, gradient + sample * STRIDE + output);
            multiply(sums[0], of_inputs, of_outputs);
            multiply(sums[1], of_inputs, of_outputs + 2);
        }
        place[0] = {sums[0][0], sums[0][1]};
        place[BELOW] = {sums[0][2], sums[0][3]};
        place[RIGHT] = {sums[1][0], sums[1][1]};
        place[BELOW + RIGHT] = {sums[1][2], sums[1][3]};
    }
    add_columns(tile, layer, tile.after(layer), [](u32) { return 1.0f; });
}

// The thread's sample: the network's value, from the last hidden layer.
template <int WIDTH>
__device__ float output(const Tile<WIDTH> &tile, float bias) {
    const __half *h = tile.after(tile.layers - 1) + threadIdx.x * Tile<WIDTH>::STRIDE;
    const float *weights = tile.biases + tile.layers * WIDTH;
    float sum = bias;
    for (int i = 0; i < WIDTH; i += 8) {
        float eight[8];
        load<8>(eight, h + i);
        for (int j = 0; j < 8; ++j) {
            sum += eight[j] * weights[i + j];
        }
    }
    return sum;
}

// The way back through the output: its weights' sums, and the gradient by the last hidden layer in that layer's place.
template <int WIDTH>
__device__ void backward_output(const Tile<WIDTH> &tile, float slope) {
    constexpr u32 STRIDE = Tile<WIDTH>::STRIDE;
    __half *h = tile.after(tile.layers - 1);
    tile.slopes[threadIdx.x] = slope;
    __syncthreads();
    add_columns(tile, tile.layers, h, [&](u32 sample) { return tile.slopes[sample]; });
    __syncthreads();
    const float *weights = tile.biases + tile.layers * WIDTH;
    __half *row = h + threadIdx.x * STRIDE;
    for (int i = 0; i < WIDTH; i += 2) {
        const bool first = __half2float(row[i]) > 0.0f, second = __half2float(row[i + 1]) > 0.0f;
        const u32 both = pack(first ? slope * weights[i] : 0.0f, second ? slope * weights[i + 1] : 0.0f);
        *reinterpret_cast<u32 *>(row + i) = both;
    }
    __syncthreads();
}

// The sum of what every thread has, in one order; thread 0 gets it. `room` is for a number a thread.
template <typename T>
__device__ T sum_of_block(T own, T *room) {
    room[threadIdx.x] = own;
    __syncthreads();
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            room[threadIdx.x] += room[threadIdx.x + half];
        }
        __syncthreads();
    }
    const T sum = room[0];
    __syncthreads();
    return sum;
}

// The block's sums to global memory, ordered as the network's parameters are.
template <int WIDTH>
__device__ void store_sums(const Fused &fused, const Tile<WIDTH> &tile, float of_output_bias, float *to) {
    const float of_a_sample = fused.of_a_sample;
    const auto column_sum = [&](u32 layer, u32 neuron) {
        float sum = 0.0f;
        for (u32 share = 0; share < 2 * THREADS / WIDTH; ++share) {
            sum += tile.bias_sums[layer * 2 * THREADS + share * WIDTH + neuron];
        }
        return sum * of_a_sample;
    };
    for (u32 layer = 0; layer < tile.layers; ++layer) {
        const u32 inputs = layer == 0 ? fused.inputs : WIDTH;
        for (u32 n = threadIdx.x; n < inputs * WIDTH; n += THREADS) {
            const u32 row = tile.first_row(layer) + n / WIDTH;
            to[n] = tile.weight_sums[row * Tile<WIDTH>::STRIDE + n % WIDTH] * of_a_sample;
        }
        to += inputs * WIDTH;
        for (u32 n = threadIdx.x; n < WIDTH; n += THREADS) {
            to[n] = column_sum(layer, n);
        }
        to += WIDTH;
    }
    for (u32 n = threadIdx.x; n < WIDTH; n += THREADS) {
        to[n] = column_sum(tile.layers, n);
    }
    if (threadIdx.x == 0) {
        to[WIDTH] = of_output_bias * of_a_sample;
    }
}

// `table_sums` is zero at first and gets the gradient by the tables' values; `network_sums` has room for the network's
// gradient for every block, `errors` for a sum of squared errors.
template <int WIDTH, typename Sum>
__device__ void pass(const Fused &fused, const float *positions, const float *targets, const __half *parameters,
                     Sum *table_sums, float *network_sums, double *errors) {
    const Tile<WIDTH> tile(fused);
    const __half *network = parameters + fused.network_offset;
    load_network(fused, tile, network);
    const float output_bias = __half2float(network[fused.network_size - 1]);
    float of_output_bias = 0.0f;
    double error = 0.0;
    __half *row = tile.features + threadIdx.x * tile.feature_stride();
    __syncthreads();
    for (u64 first = u64(blockIdx.x) * THREADS; first < fused.samples; first += u64(gridDim.x) * THREADS) {
        const u64 sample = first + threadIdx.x;
        const bool is_sample = sample < fused.samples;
        // Behind the last sample threads repeat it and learn nothing: they are needed at every barrier.
        const float *position = positions + 3 * (is_sample ? sample : fused.samples - 1);
        encode(fused, tile.inputs, position, parameters, row);
        __syncwarp();
        for (u32 layer = 0; layer < tile.layers; ++layer) {
            forward(tile, layer);
        }
        // A masked voxel has no target and teaches nothing.
        const float target = is_sample ? targets[sample] : nanf("");
        const float value = output(tile, output_bias), residual = isnan(target) ? 0.0f : value - target;
        error += double(residual) * residual;
        const float sign = residual > 0.0f ? 1.0f : residual < 0.0f ? -1.0f : 0.0f;
        const float slope = fused.scale * (fused.is_absolute ? sign : 2.0f * residual);
        of_output_bias += slope;
        backward_output(tile, slope);
        for (u32 layer = tile.layers; layer-- > 0;) {
            add_weights(tile, layer);
            // The gradient by what the layer read comes where that was.
            __syncthreads();
            backward(tile, layer);
            __syncthreads();
        }
        // Behind the last sample the gradient is zero.
        scatter(fused, position, row, table_sums);
    }
    // The activations' place is free now, and aligned for any number.
    of_output_bias = sum_of_block(of_output_bias, reinterpret_cast<float *>(tile.hidden));
    error = sum_of_block(error, reinterpret_cast<double *>(tile.hidden));
    store_sums(fused, tile, of_output_bias, network_sums + u64(blockIdx.x) * fused.network_size);
    if (threadIdx.x == 0) {
        errors[blockIdx.x] = error;
    }
}

#define KERNEL(NAME, WIDTH, SUM)                                                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                                 \
        NAME(const __grid_constant__ Fused fused, const float *positions, const float *targets, const __half *parameters, \
             SUM *table_sums, float *network_sums, double *errors) {                                                      \
        pass<WIDTH>(fused, positions, targets, parameters, table_sums, network_sums, errors);                             \
    }

KERNEL(fused_16, 16, float)
KERNEL(fused_32, 32, float)
KERNEL(fused_64, 64, float)
KERNEL(fused_16_fixed, 16, u64)
KERNEL(fused_32_fixed, 32, u64)
KERNEL(fused_64_fixed, 64, u64)

#undef KERNEL

// Adds up what the blocks found, always in the same order: a warp has 32 numbers of every eighth block. Behind the network's
// numbers comes the sum of squared errors.
extern "C" __global__ void add_up(u32 blocks, u32 network_size, const float *network_sums, const double *errors,
                                  float *gradient, double *squared_error) {
    constexpr u32 SHARES = 8;
    __shared__ double sums[SHARES][32];
    const u32 column = threadIdx.x % 32, share = threadIdx.x / 32, n = blockIdx.x * 32 + column;
    double sum = 0.0;
    if (n <= network_size) {
#pragma unroll 8
        for (u32 block = share; block < blocks; block += SHARES) {
            sum += n < network_size ? double(network_sums[u64(block) * network_size + n]) : errors[block];
        }
    }
    sums[share][column] = sum;
    __syncthreads();
    if (share > 0 || n > network_size) {
        return;
    }
    for (u32 other = 1; other < SHARES; ++other) {
        sum += sums[other][column];
    }
    if (n < network_size) {
        gradient[n] = float(sum);
    } else {
        *squared_error = sum;
    }
}
