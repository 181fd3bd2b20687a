// Checks of arguments at the door of a kernel.
#pragma once

#include <string>

#include "base/error.h"
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

}  // namespace mft::kernels
