// A run's task, from its specification to its last word.
#pragma once

#include "mft/v1/session.pb.h"
#include "train/context.h"

namespace mft::train {

// Carries it out; everything worth telling goes to context.events, but not the last word, which is returned:
// Finished. Failure: the run has failed, and may be started again when the reason is gone.
v1::Finished run_task(RunContext& context);

}  // namespace mft::train
