// Where the time of a step goes: timers at the entries of kernels and layers, one for each kind of work. Off
// (the usual state) a timer costs one load and a branch. Only the thread that opens parallel regions is
// timed: kernels return when all of their work is done. Timers nest, and the outermost one counts: a product
// inside the head is the head's.
// What this file does not do: sampling, threads of other pools, tracing.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace mft::profile {

enum class Op : std::uint8_t {
  kGemm,         // products of linear layers
  kAdapters,     // all of LoRA: its products, dropout, transposes
  kAttention,    // scores, softmax, values
  kRope,         // rotary positions
  kNorm,         // layer norms and RMS norms
  kActivation,   // GELU, SiLU, gates
  kElementwise,  // residuals, biases' gradients, dropout, filling, conversions
  kEmbedding,    // lookup and its gradient
  kHead,         // the head's products and the loss
  kOptimizer,    // clipping and the update
};
inline constexpr std::size_t kOps = 10;
const char* op_name(Op op);  // "gemm", "adapters", ...

struct Entry {
  double seconds = 0;
  std::uint64_t calls = 0;
  double flops = 0;  // of matrix products, 2 M N K each
};
using Report = std::array<Entry, kOps>;

// Forgets what was counted and counts from now on; one user at a time.
void start();
// Ends the counting.
Report stop();

namespace internal {
struct State {
  Report report;
  int depth = 0;
  Op op = Op::kGemm;  // of the outermost open timer
};
extern State* active;  // null: off
}  // namespace internal

class Timer {
 public:
  explicit Timer(Op op) : state_(internal::active) {
    if (state_ == nullptr || state_->depth++ > 0) return;
    state_->op = op;
    start_ = std::chrono::steady_clock::now();
  }
  ~Timer() {
    if (state_ == nullptr || --state_->depth > 0) return;
    Entry& entry = state_->report[static_cast<std::size_t>(state_->op)];
    entry.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    ++entry.calls;
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  internal::State* state_;
  std::chrono::steady_clock::time_point start_;
};

// Work of a product, for the timer that is open.
inline void count_flops(double flops) {
  internal::State* const state = internal::active;
  if (state != nullptr) state->report[static_cast<std::size_t>(state->op)].flops += flops;
}

}  // namespace mft::profile
