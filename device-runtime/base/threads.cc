#include "base/threads.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>

#include "base/error.h"

namespace mft {
namespace {

constexpr std::uint64_t kNextBits = 24;
constexpr std::uint64_t kNextMask = (std::uint64_t{1} << kNextBits) - 1;

std::uint64_t make_ticket(std::uint32_t generation, std::int64_t tasks, std::int64_t next) {
  return (static_cast<std::uint64_t>(generation & 0xFFFF) << 48) |
         (static_cast<std::uint64_t>(tasks) << kNextBits) | static_cast<std::uint64_t>(next);
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // "yield" is a no-op on most cores; isb waits some tens of cycles
#endif
}

// How long a thread that has nothing to do stays awake: longer than the serial code between two regions of a
// step, short enough to cost no energy worth naming.
constexpr auto kSpin = std::chrono::microseconds(50);

// Spins until ready() or the time is over; returns ready().
template <class Ready>
bool spin_until(bool may_spin, Ready&& ready) {
  if (ready()) return true;
  if (!may_spin) return false;
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      relax();
      if (ready()) return true;
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cpus;  // no pinning then
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace

ThreadPool::ThreadPool(int threads, Options options) : options_(std::move(options)), threads_(threads) {
  if (threads < 1 || threads > kMaxThreads) {
    throw Failure("threads.count", "the number of threads must be 1 to " + std::to_string(kMaxThreads));
  }
  if (options_.cpus.empty()) options_.cpus = allowed_cpus();
  start_workers();
}

ThreadPool::~ThreadPool() { stop_workers(); }

void ThreadPool::set_threads(int threads) {
  if (threads < 1 || threads > kMaxThreads) {
    throw Failure("threads.count", "the number of threads must be 1 to " + std::to_string(kMaxThreads));
  }
  if (threads == threads_) return;
  stop_workers();
  threads_ = threads;
  start_workers();
}

std::vector<std::uint64_t> ThreadPool::tiles_done() const {
  std::vector<std::uint64_t> counts;
  for (int w = 0; w < threads_; ++w) {
    counts.push_back(workers_[static_cast<std::size_t>(w)].tiles.load(std::memory_order_relaxed));
  }
  return counts;
}

void ThreadPool::start_workers() {
  const std::uint32_t seen = generation_.load(std::memory_order_relaxed);
  for (int w = 1; w < threads_; ++w) {
    Worker& worker = workers_[static_cast<std::size_t>(w)];
    worker.cpu = -1;
    worker.tid.store(0, std::memory_order_relaxed);
    worker.thread = std::thread([this, w, seen] { loop(w, seen); });
  }
  caller_cpu_ = -1;
}

void ThreadPool::stop_workers() {
  stop_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (Worker& worker : workers_) {
    if (worker.thread.joinable()) worker.thread.join();
  }
  stop_.store(false, std::memory_order_relaxed);
}

// Gives worker w the w-th CPU after the caller's. Called at the start of a region; does nothing while the
// caller stays where it is.
void ThreadPool::place_workers() {
  if (!options_.pin || threads_ == 1 || options_.cpus.size() < 2) return;
  const int here = sched_getcpu();
  bool complete = here == caller_cpu_;
  for (int w = 1; complete && w < threads_; ++w) complete = workers_[static_cast<std::size_t>(w)].cpu >= 0;
  if (complete) return;
  const std::size_t count = options_.cpus.size();
  std::size_t at = 0;
  while (at < count && options_.cpus[at] != here) ++at;
  for (int w = 1; w < threads_; ++w) {
    Worker& worker = workers_[static_cast<std::size_t>(w)];
    const int tid = worker.tid.load(std::memory_order_acquire);
    if (tid == 0) continue;  // not yet running: the next region places it
    // A caller outside the list (at == count) leaves the whole list to the workers.
    const int cpu = options_.cpus[(at + static_cast<std::size_t>(w) - (at == count ? 1 : 0)) % count];
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    // A CPU that went offline: the worker stays where it may run, only slower.
    (void)sched_setaffinity(tid, sizeof(set), &set);
    worker.cpu = cpu;
  }
  caller_cpu_ = here;
}

void ThreadPool::run(std::int64_t tasks, const void* context, Call call) {
  if (tasks <= 0) return;
  if (tasks > kMaxTasks) throw Failure("threads.tasks", "too many tiles in one parallel region");
  if (in_region_) throw Failure("threads.nested", "a parallel region was opened inside another");
  in_region_ = true;
  context_ = const_cast<void*>(context);
  call_ = call;
  failed_.store(false, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const std::uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
  const bool alone = threads_ == 1 || tasks == 1;
  if (!alone) place_workers();
  const std::int64_t reserved = options_.reserve_first_tile ? (tasks < threads_ ? tasks : threads_)
                                                            : 0;  // taken by index, not by ticket
  ticket_.store(make_ticket(generation, tasks, reserved), std::memory_order_release);
  generation_.store(generation, std::memory_order_release);
  if (!alone) generation_.notify_all();
  work(0, generation);
  const auto finished = [this, tasks] {
    return done_.load(std::memory_order_acquire) == static_cast<std::uint32_t>(tasks);
  };
  const bool may_spin = static_cast<std::size_t>(threads_) <= options_.cpus.size();
  while (!spin_until(may_spin, finished)) {
    const std::uint32_t now = done_.load(std::memory_order_acquire);
    if (now != static_cast<std::uint32_t>(tasks)) done_.wait(now, std::memory_order_acquire);
  }
  in_region_ = false;
  if (failed_.load(std::memory_order_relaxed)) {
    std::exception_ptr error;
    {
      const std::lock_guard<std::mutex> lock(error_mutex_);
      error = std::exchange(error_, nullptr);
    }
    std::rethrow_exception(error);
  }
}

void ThreadPool::work(int worker, std::uint32_t generation) {
  std::uint32_t mine = 0;
  const auto one = [&](std::int64_t task) {
    if (!failed_.load(std::memory_order_relaxed)) {
      try {
        call_(context_, task, worker);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(error_mutex_);
        if (!error_) error_ = std::current_exception();
        failed_.store(true, std::memory_order_relaxed);
      }
    }
    ++mine;
  };
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  const auto is_open = [&] { return (ticket >> 48) == (generation & 0xFFFF); };
  if (options_.reserve_first_tile && is_open()) {
    const auto tasks = static_cast<std::int64_t>((ticket >> kNextBits) & kNextMask);
    // Nobody else can take this tile, so the region cannot end before it is done.
    if (worker < tasks) one(worker);
  }
  while (is_open() && (ticket & kNextMask) < ((ticket >> kNextBits) & kNextMask)) {
    if (ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
      one(static_cast<std::int64_t>(ticket & kNextMask));
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }
  if (mine == 0) return;
  workers_[static_cast<std::size_t>(worker)].tiles.fetch_add(mine, std::memory_order_relaxed);
  done_.fetch_add(mine, std::memory_order_acq_rel);
  if (worker != 0) done_.notify_one();
}

void ThreadPool::loop(int worker, std::uint32_t seen) {
  workers_[static_cast<std::size_t>(worker)].tid.store(static_cast<int>(syscall(SYS_gettid)),
                                                       std::memory_order_release);
  const bool may_spin = static_cast<std::size_t>(threads_) <= options_.cpus.size();
  for (;;) {
    const auto changed = [&] { return generation_.load(std::memory_order_acquire) != seen; };
    while (!spin_until(may_spin, changed)) generation_.wait(seen, std::memory_order_acquire);
    // In this order: the generation that stop_workers() opens comes with stop_, and must not be taken for a region.
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    work(worker, seen);
  }
}

}  // namespace mft
