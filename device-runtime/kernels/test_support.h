// What the kernels' tests share: reproducible data, memory with guard values, and runs over instruction sets
// and threads.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/threads.h"
#include "gtest/gtest.h"
#include "kernels/isa.h"
#include "kernels/types.h"

namespace mft::kernels::test {

// A small linear congruential generator: the same numbers on every machine (std:: distributions differ).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2654435761u + 12345) {}
  std::uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state_ >> 33);
  }
  // Uniform in [-1, 1), on a grid of 2^-23.
  float uniform() {
    return static_cast<float>(static_cast<std::int32_t>(next() & 0xFFFFFF) - 0x800000) / 8388608.0f;
  }
  i64 below(i64 n) { return static_cast<i64>(next()) % n; }

 private:
  std::uint64_t state_;
};

inline std::vector<float> random_vector(i64 n, std::uint64_t seed, float scale = 1.0f) {
  Random random(seed);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = random.uniform() * scale;
  return x;
}

// Where sequences of these lengths begin.
class Starts {
 public:
  explicit Starts(const std::vector<i64>& lengths) : starts_(1) {
    for (const i64 length : lengths) starts_.push_back(starts_.back() + static_cast<std::uint32_t>(length));
  }
  static Starts uniform(i64 count, i64 length) {
    return Starts(std::vector<i64>(static_cast<std::size_t>(count), length));
  }
  operator Sequences() const { return {static_cast<i64>(starts_.size()) - 1, starts_.data()}; }
  i64 tokens() const { return starts_.back(); }

 private:
  std::vector<std::uint32_t> starts_;
};

inline std::vector<double> to_double(const std::vector<float>& x) { return {x.begin(), x.end()}; }

// Workspace of exactly n bytes: with the address sanitizer one byte more is an error.
class Scratch {
 public:
  explicit Scratch(std::size_t n)
      : arena_(n + Arena::kAlignment), bytes_(arena_.take<std::byte>(static_cast<i64>(n))) {}
  operator Workspace() const { return bytes_; }

 private:
  Arena arena_;
  Workspace bytes_;
};

// Largest |a - b| over the largest |b| (of the whole vector).
inline double relative_error(const std::vector<float>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference = std::max(difference, std::fabs(static_cast<double>(a[i]) - b[i]));
    size = std::max(size, std::fabs(b[i]));
    if (std::isnan(a[i])) return INFINITY;
  }
  return difference / std::max(size, 1e-30);
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// FNV-1a over the bits of values, to compare machines by one number.
class Fingerprint {
 public:
  void add(const std::vector<float>& x) {
    for (float value : x) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &value, sizeof(bits));
      for (int i = 0; i < 4; ++i) hash_ = (hash_ ^ (bits >> (8 * i) & 0xFF)) * 1099511628211u;
    }
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 14695981039346656037u;
};

// Sets back the instruction set when a test ends.
class IsaGuard {
 public:
  IsaGuard() : name_(isa()) {}
  ~IsaGuard() { set_isa(name_); }

 private:
  std::string name_;
};

using Outputs = std::vector<std::vector<float>>;

// Runs `run` with 1, 2 and 4 threads on every instruction set. Outputs must be equal to the bit for all
// thread counts, and for all sets of one numeric class; with several threads every worker must have done
// tiles (if the work has at least min_tiles of them). Returns the outputs of the best set.
inline Outputs expect_same_everywhere(const std::function<Outputs(ThreadPool&)>& run,
                                      bool every_worker_works = true) {
  const IsaGuard guard;
  Outputs fused, best;
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    Outputs single;
    for (const int threads : {1, 2, 4}) {
      ThreadPool::Options options;
      options.reserve_first_tile = true;
      ThreadPool pool(threads, options);
      const Outputs outputs = run(pool);
      if (every_worker_works) {
        for (const std::uint64_t tiles : pool.tiles_done()) EXPECT_GT(tiles, 0u) << threads << " threads";
      }
      if (threads == 1) single = outputs;
      EXPECT_EQ(outputs.size(), single.size());
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        EXPECT_TRUE(same_bits(outputs[i], single[i]))
            << "output " << i << ", " << name << ", " << threads << " threads";
      }
    }
    if (numeric_class() == "f32-fma") {
      if (fused.empty()) fused = single;
      for (std::size_t i = 0; i < fused.size(); ++i) {
        EXPECT_TRUE(same_bits(fused[i], single[i]))
            << "output " << i << " of " << name << " against another set";
      }
    }
    best = single;
  }
  return best;
}

}  // namespace mft::kernels::test
