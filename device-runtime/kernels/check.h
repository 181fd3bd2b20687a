// Checks of arguments at the door of a kernel.
#pragma once

#include <string>

#include "base/error.h"
#include "kernels/dropout.h"
#include "kernels/types.h"

namespace mft::kernels {

inline void check_that(bool condition, const char* code, const char* message) {
  if (!condition) throw Failure(code, message);
}

inline void check_workspace(const char* kernel, Workspace workspace, std::size_t needed) {
  if (workspace.size() < needed) {
    throw Failure("kernels.workspace", std::string(kernel) + " needs " + std::to_string(needed) +
                                           " bytes of workspace and has " + std::to_string(workspace.size()));
  }
  if (reinterpret_cast<std::uintptr_t>(workspace.data()) % 64 != 0) {
    throw Failure("kernels.workspace", std::string(kernel) + ": the workspace is not aligned to 64 bytes");
  }
}

inline void check_dropout(const DropoutSite& site) {
  check_that(site.probability >= 0.0f && site.probability < 1.0f, "kernels.dropout",
             "dropout: the probability must be at least 0 and below 1");
  check_that(site.layer < (1u << 24) && site.site < (1u << 8), "kernels.dropout",
             "dropout: layer or site out of range");
}

}  // namespace mft::kernels
