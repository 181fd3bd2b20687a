// A target as libFuzzer calls it. One target is linked with this.
#include <cstddef>
#include <cstdint>

#include "fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const mft::fuzz::Target target = mft::fuzz::targets().begin()->second;
  target({reinterpret_cast<const char*>(data), size});
  return 0;
}
