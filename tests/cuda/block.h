// A block of a kernel's threads on the host: fibers that take turns between barriers, of the block or of a warp.
#pragma once

#include <csetjmp>
#include <functional>
#include <memory>
#include <ucontext.h>
#include <vector>

#include "host.h"

// The shared memory that a launch asks for.
constexpr std::size_t MOST_SHARED = 256 << 10;
extern thread_local float4 shared[];

// What a lane shows to the others of its warp.
union Shown {
    unsigned registers[8];
    const void *address;
};

class Block {
public:
    enum class Outcome { DONE, STUCK, WROTE_BEHIND_SHARED };

    // Runs a block of so many threads. `backward` turns the order around in which they take their turns: where a barrier is
    // missing, the results depend on it.
    Outcome run(unsigned threads, std::size_t shared_bytes, bool backward, const std::function<void()> &kernel);

    // Waits for all threads of the block.
    void wait() { wait_at(of_block, fibers.size()); }
    // Waits for the lanes of the warp.
    void wait_for_warp() { wait_at(of_warps[threadIdx.x / 32], 32); }
    // What every lane of the warp shows; each must show something. Good until it shows something again.
    const Shown *exchange(const Shown &own);

private:
    struct Fiber {
        ucontext_t start;
        jmp_buf place;
        std::unique_ptr<char[]> stack;
        bool is_started, is_done;
        unsigned exchanges;
    };
    struct Barrier {
        unsigned arrived, times;
    };

    static void run_fiber();
    void wait_at(Barrier &barrier, std::size_t threads);
    void leave();

    // Switching by setjmp asks the operating system for nothing, as ucontext does; that starts a fiber.
    jmp_buf scheduler;
    ucontext_t scheduler_context;
    std::vector<Fiber> fibers;
    const std::function<void()> *kernel;
    Barrier of_block;
    std::vector<Barrier> of_warps;
    std::vector<Shown> shown[2];
    bool is_getting_on;
};

extern thread_local Block block;
