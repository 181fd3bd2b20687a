// A pool of threads that share the tiles of one parallel region at a time. The caller is worker 0.
// What this file does not do: nested regions, tasks with results, priorities.
//
// Tiles are taken one by one from an atomic counter (stealing), because on a phone the cores differ and
// another program may hold one of them. Who computes a tile must never change what is computed: tile
// boundaries come from the shape of the problem, never from threads().
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace mft {

class ThreadPool {
 public:
  struct Options {
    // Pin every worker but the caller to a CPU of its own. Some schedulers pack woken threads onto the
    // waker's CPU, and two threads then run at the speed of one.
    bool pin = true;
    // CPUs to use, in order of preference; empty: all that the process may run on.
    std::vector<int> cpus;
    // Worker w always takes tile w first (for tests that must see every worker work); costs latency.
    bool reserve_first_tile = false;
  };

  static constexpr int kMaxThreads = 64;
  static constexpr std::int64_t kMaxTasks = (std::int64_t{1} << 24) - 1;

  // threads: 1..kMaxThreads, the caller included.
  explicit ThreadPool(int threads) : ThreadPool(threads, Options{}) {}
  ThreadPool(int threads, Options options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Between regions only, from the thread that calls parallel_for.
  void set_threads(int threads);

  // Calls fn(task, worker) once for each task in [0, tasks), worker in [0, threads()), and returns when all
  // are done. fn is called concurrently and in any order. One region at a time, and none inside another. The
  // first exception that fn throws is thrown again here, after the region has ended (tasks not yet begun are
  // then skipped).
  template <class Fn>
  void parallel_for(std::int64_t tasks, Fn&& fn) {
    using Function = std::remove_reference_t<Fn>;
    run(tasks, &fn, [](void* context, std::int64_t task, int worker) {
      (*static_cast<Function*>(context))(task, worker);
    });
  }

  // Tiles that each worker has done since the pool was made.
  std::vector<std::uint64_t> tiles_done() const;

 private:
  using Call = void (*)(void* context, std::int64_t task, int worker);
  struct alignas(128) Worker {
    std::thread thread;
    std::atomic<int> tid{0};  // kernel thread id, for pinning
    std::atomic<std::uint64_t> tiles{0};
    int cpu = -1;  // where it is pinned
  };

  void run(std::int64_t tasks, const void* context, Call call);
  void work(int worker, std::uint32_t generation);
  void loop(int worker, std::uint32_t seen);
  void start_workers();
  void stop_workers();
  void place_workers();

  Options options_;
  int threads_;
  int caller_cpu_ = -1;
  bool in_region_ = false;
  std::vector<Worker> workers_{kMaxThreads};

  // The region: what to call, valid for whoever has claimed a task of it.
  void* context_ = nullptr;
  Call call_ = nullptr;
  // (generation : 16 | tasks : 24 | next : 24) in one word, so that a late worker can only claim a task of
  // the region that is really open.
  alignas(128) std::atomic<std::uint64_t> ticket_{0};
  alignas(128) std::atomic<std::uint32_t> generation_{0};  // what idle workers wait on
  alignas(128) std::atomic<std::uint32_t> done_{0};
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

}  // namespace mft
