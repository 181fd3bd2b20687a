#include "base/threads.h"

#include <sys/resource.h>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "gtest/gtest.h"

namespace mft {
namespace {

ThreadPool::Options fair() {
  ThreadPool::Options options;
  options.reserve_first_tile = true;
  return options;
}

TEST(ThreadPool, DoesEveryTaskOnce) {
  for (const bool reserve : {false, true}) {
    for (const int threads : {1, 2, 4, 7}) {
      ThreadPool::Options options;
      options.reserve_first_tile = reserve;
      ThreadPool pool(threads, options);
      for (const std::int64_t tasks : {0, 1, 2, 3, 100, 1000}) {
        std::vector<std::atomic<int>> done(static_cast<std::size_t>(tasks));
        pool.parallel_for(tasks, [&](std::int64_t task, int worker) {
          EXPECT_GE(worker, 0);
          EXPECT_LT(worker, threads);
          done[static_cast<std::size_t>(task)].fetch_add(1);
        });
        for (const auto& count : done) ASSERT_EQ(count.load(), 1);
      }
    }
  }
}

// Regions of few tiny tasks one after another: what a late worker of the region before could break.
TEST(ThreadPool, StandsManyShortRegions) {
  ThreadPool pool(4);
  std::atomic<int> here{0};
  pool.parallel_for(4, [&](std::int64_t, int) {  // until all workers have started
    here.fetch_add(1);
    while (here.load() < 4) std::this_thread::yield();
  });
  std::int64_t expected = 0;
  std::atomic<std::int64_t> total{0};
  for (int round = 0; round < 50000; ++round) {
    const std::int64_t tasks = 1 + round % 5;
    expected += tasks * round;
    pool.parallel_for(tasks,
                      [&, round](std::int64_t, int) { total.fetch_add(round, std::memory_order_relaxed); });
  }
  EXPECT_EQ(total.load(), expected);
}

// A worker may still be on its way to a region that the others have finished when the pool ends: it must not
// wait for another.
TEST(ThreadPool, EndsWhileWorkersAreLate) {
  for (int i = 0; i < 2000; ++i) {
    ThreadPool pool(4);
    std::atomic<int> done{0};
    pool.parallel_for(2, [&](std::int64_t, int) { ++done; });
    ASSERT_EQ(done, 2);
  }
}

TEST(ThreadPool, EveryWorkerDoesTilesWhenReserved) {
  ThreadPool pool(4, fair());
  for (int round = 0; round < 50; ++round) pool.parallel_for(10, [](std::int64_t, int) {});
  const std::vector<std::uint64_t> tiles = pool.tiles_done();
  ASSERT_EQ(tiles.size(), 4u);
  for (const std::uint64_t count : tiles) EXPECT_GE(count, 50u);
  EXPECT_EQ(std::accumulate(tiles.begin(), tiles.end(), std::uint64_t{0}), 500u);
}

TEST(ThreadPool, ChangesItsSizeBetweenRegions) {
  ThreadPool pool(1, fair());
  for (const int threads : {3, 1, 4, 2, 2, 5}) {
    pool.set_threads(threads);
    EXPECT_EQ(pool.threads(), threads);
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(threads));
    pool.parallel_for(64,
                      [&](std::int64_t, int worker) { seen[static_cast<std::size_t>(worker)].fetch_add(1); });
    for (const auto& count : seen) EXPECT_GT(count.load(), 0);
  }
  EXPECT_THROW(pool.set_threads(0), Failure);
  EXPECT_THROW(ThreadPool(ThreadPool::kMaxThreads + 1), Failure);
}

TEST(ThreadPool, ThrowsAgainWhatATaskThrew) {
  ThreadPool pool(3);
  for (int round = 0; round < 20; ++round) {
    EXPECT_THROW(pool.parallel_for(100,
                                   [](std::int64_t task, int) {
                                     if (task == 37) throw std::runtime_error("37");
                                   }),
                 std::runtime_error);
    std::atomic<int> done{0};
    pool.parallel_for(10, [&](std::int64_t, int) { done.fetch_add(1); });
    EXPECT_EQ(done.load(), 10);
  }
}

TEST(ThreadPool, RefusesNestedRegions) {
  ThreadPool pool(2);
  EXPECT_THROW(
      pool.parallel_for(1, [&](std::int64_t, int) { pool.parallel_for(1, [](std::int64_t, int) {}); }),
      Failure);
}

double cpu_seconds() {
  rusage usage{};
  EXPECT_EQ(getrusage(RUSAGE_SELF, &usage), 0);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST(ThreadPool, SleepsWhenThereIsNothingToDo) {
  ThreadPool pool(4);
  pool.parallel_for(100, [](std::int64_t, int) {});
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(cpu_seconds() - before, 0.05);
}

}  // namespace
}  // namespace mft
