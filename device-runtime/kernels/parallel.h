// Cutting vectors and rows into tiles for the pool. The cuts depend on the sizes alone.
#pragma once

#include <algorithm>

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

constexpr i64 kVectorTile = 16384;  // elements, a multiple of 64
constexpr i64 kColumnTile = 64;     // columns whose sums over rows one worker forms

// fn(begin, count) for stretches of a vector of n elements.
template <class Fn>
void for_stretches(ThreadPool& pool, i64 n, const Fn& fn) {
  // Huge vectors get larger tiles, as tasks are limited.
  const i64 tile = std::max(kVectorTile, (n / ThreadPool::kMaxTasks + 1 + 63) / 64 * 64);
  pool.parallel_for((n + tile - 1) / tile,
                    [&](i64 task, int) { fn(task * tile, std::min(tile, n - task * tile)); });
}

// fn(begin, end) for ranges of rows that are C wide.
template <class Fn>
void for_rows(ThreadPool& pool, i64 rows, i64 C, const Fn& fn) {
  const i64 tile = std::max<i64>(1, kVectorTile / std::max<i64>(C, 1));
  pool.parallel_for((rows + tile - 1) / tile,
                    [&](i64 task, int) { fn(task * tile, std::min(rows, (task + 1) * tile)); });
}

// fn(begin, end) for ranges of columns.
template <class Fn>
void for_columns(ThreadPool& pool, i64 C, const Fn& fn) {
  pool.parallel_for((C + kColumnTile - 1) / kColumnTile,
                    [&](i64 task, int) { fn(task * kColumnTile, std::min(C, (task + 1) * kColumnTile)); });
}

}  // namespace mft::kernels
