#include "base/error.h"
#include "bench/bench.h"
#include "bench/spec.h"
#include "session/frames.h"

namespace mft::bench {

void run(const std::string& spec_path, const Surroundings& surroundings) {
  const v1::BenchSpec spec = read_spec(spec_path);
  if (!spec.yardstick().empty() && !surroundings.load_yardstick) {
    throw Failure("bench.no-yardstick", "this program can't load " + spec.yardstick(),
                  "Measure without it, or with mft-bench: sh scripts/build.sh bench");
  }
  v1::BenchFrame frame;
  if (spec.has_engine()) {
    *frame.mutable_engine() = measure_engine(spec.engine(), surroundings, spec.yardstick());
  } else {
    std::unique_ptr<Yardstick> yardstick;
    if (!spec.yardstick().empty()) yardstick = surroundings.load_yardstick(spec.yardstick());
    *frame.mutable_gemm() = measure_gemm(spec.gemm(), yardstick.get());
  }
  std::string bytes;
  session::append_frame(bytes, frame.SerializeAsString());
  surroundings.print(bytes);
}

}  // namespace mft::bench
