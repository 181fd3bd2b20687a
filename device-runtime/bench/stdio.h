// Surroundings on standard input and output.
#pragma once

#include "bench/bench.h"

namespace mft::bench {

// No load_yardstick. A line on stdin is a turn.
Surroundings standard_streams();

}  // namespace mft::bench
