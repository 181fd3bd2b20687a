// Whether a run's specification can be carried out, before anything is opened. It comes from a host:
// untrusted. What this file does not do: check the model against its files (store/, models/).
#pragma once

#include <string>

#include "mft/v1/run.pb.h"

namespace mft::train {

// Failure spec.invalid (names the field and its value), spec.version (a format this runtime does not know).
void check_spec(const v1::RunSpec& spec, const std::string& run_id);

}  // namespace mft::train
