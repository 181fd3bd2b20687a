// Checks of what a bench is asked to do, and the words of the protocol in those of the kernels.
#pragma once

#include <string>

#include "kernels/types.h"
#include "mft/v1/bench.pb.h"

namespace mft::bench {

// Failure bench.spec-invalid names the field.
v1::BenchSpec read_spec(const std::string& path);

kernels::Compute kernel_compute(v1::ComputeType compute);
int thread_count(uint32_t threads);  // 0: as many as the process may use

}  // namespace mft::bench
