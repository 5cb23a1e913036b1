#include "block.h"

thread_local Index threadIdx, blockIdx, blockDim, gridDim;
thread_local Block block;
thread_local float4 shared[MOST_SHARED / sizeof(float4)];

namespace {

constexpr std::size_t STACK = 128 << 10;
constexpr unsigned char UNWRITTEN = 0xff;

} // namespace

void __syncthreads() { block.wait(); }
void __syncwarp() { block.wait_for_warp(); }

float __shfl_sync(unsigned, float own, int from) {
    Shown shown = {};
    shown.registers[0] = __float_as_uint(own);
    return __uint_as_float(block.exchange(shown)[from].registers[0]);
}

float __shfl_xor_sync(unsigned lanes, float own, int with) { return __shfl_sync(lanes, own, int(threadIdx.x % 32) ^ with); }

void Block::run_fiber() {
    (*block.kernel)();
    block.fibers[threadIdx.x].is_done = true;
    block.is_getting_on = true;
    _longjmp(block.scheduler, 1);
}

void Block::leave() {
    if (_setjmp(fibers[threadIdx.x].place) == 0) {
        _longjmp(scheduler, 1);
    }
}

void Block::wait_at(Barrier &barrier, std::size_t threads) {
    const unsigned times = barrier.times;
    if (++barrier.arrived == threads) {
        barrier.arrived = 0;
        ++barrier.times;
        is_getting_on = true;
    }
    while (barrier.times == times) {
        leave();
    }
}

const Shown *Block::exchange(const Shown &own) {
    // Two places in turns: nobody shows something for the second next time before all have read what was shown now.
    std::vector<Shown> &place = shown[fibers[threadIdx.x].exchanges++ % 2];
    place[threadIdx.x] = own;
    wait_for_warp();
    return &place[threadIdx.x / 32 * 32];
}

Block::Outcome Block::run(unsigned threads, std::size_t shared_bytes, bool backward, const std::function<void()> &work) {
    // What is read before it was written, spoils the result: all bits set are no number, neither as floats nor as halves.
    unsigned char *first = reinterpret_cast<unsigned char *>(shared), *last = first + MOST_SHARED;
    std::fill(first, last, UNWRITTEN);
    kernel = &work;
    fibers.resize(threads);
    of_block = {};
    of_warps.assign((threads + 31) / 32, {});
    shown[0].resize(threads);
    shown[1].resize(threads);
    for (Fiber &fiber : fibers) {
        if (!fiber.stack) {
            fiber.stack.reset(new char[STACK]);
        }
        fiber.is_started = fiber.is_done = false;
        fiber.exchanges = 0;
    }
    for (volatile unsigned done = 0; done < threads;) {
        is_getting_on = false;
        for (volatile unsigned n = 0; n < threads; n = n + 1) {
            threadIdx.x = backward ? threads - 1 - n : n;
            Fiber &fiber = fibers[threadIdx.x];
            if (fiber.is_done) {
                continue;
            }
            if (_setjmp(scheduler) == 0) {
                if (fiber.is_started) {
                    _longjmp(fiber.place, 1);
                }
                fiber.is_started = true;
                getcontext(&fiber.start);
                fiber.start.uc_stack.ss_sp = fiber.stack.get();
                fiber.start.uc_stack.ss_size = STACK;
                fiber.start.uc_link = nullptr;
                makecontext(&fiber.start, run_fiber, 0);
                setcontext(&fiber.start);
            }
            if (fibers[threadIdx.x].is_done) {
                done = done + 1;
            }
        }
        // A turn of everybody at which nobody came past a barrier: some wait for others that do not come.
        if (!is_getting_on) {
            return Outcome::STUCK;
        }
    }
    const bool is_whole = std::all_of(first + shared_bytes, last, [](unsigned char byte) { return byte == UNWRITTEN; });
    return is_whole ? Outcome::DONE : Outcome::WROTE_BEHIND_SHARED;
}
