// What `mft bench` measures: whole optimizer steps of a model with random weights, and matrix products; on
// this machine or on a phone. Reads one BenchSpec, writes BenchFrames (proto/mft/v1/bench.proto).
// What this file does not do: compare with other programs (src/bench does), judge.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "bench/yardstick.h"
#include "mft/v1/bench.pb.h"

namespace mft::bench {

// What the program around gives.
struct Surroundings {
  std::function<void(std::string_view bytes)> print;
  // Waits until a paced run may do its next step; false: the other side has enough.
  std::function<bool()> next_turn;
  // Loads a yardstick from a file; null where libraries can't be loaded.
  std::function<std::unique_ptr<Yardstick>(const std::string& path)> load_yardstick;
};

// Failure bench.spec-invalid, bench.no-yardstick, model.*, memory.*.
void run(const std::string& spec_path, const Surroundings& surroundings);

// yardstick: a path, or empty.
v1::EngineBenchReport measure_engine(const v1::EngineBench& spec, const Surroundings& surroundings,
                                     const std::string& yardstick);
v1::GemmBenchReport measure_gemm(const v1::GemmBench& spec, Yardstick* yardstick);

}  // namespace mft::bench
