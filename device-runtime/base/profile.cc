#include "base/profile.h"

namespace mft::profile {
namespace {

internal::State state;

}  // namespace

internal::State* internal::active = nullptr;

const char* op_name(Op op) {
  static constexpr const char* kNames[kOps] = {"gemm",       "adapters",    "attention", "rope", "norm",
                                               "activation", "elementwise", "embedding", "head", "optimizer"};
  return kNames[static_cast<std::size_t>(op)];
}

void start() {
  state = {};
  internal::active = &state;
}

Report stop() {
  internal::active = nullptr;
  return state.report;
}

}  // namespace mft::profile
