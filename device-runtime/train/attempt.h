// How an attempt begins: the event that says on what it goes on and with what.
#pragma once

#include "mft/v1/session.pb.h"
#include "train/context.h"
#include "train/open_model.h"

namespace mft::train {

// The fields that are the same for every task.
v1::AttemptStarted attempt_started(const RunContext& context, const OpenModel& opened);

// Emits it, and that the run is running.
void begin_attempt(RunContext& context, v1::AttemptStarted started);

}  // namespace mft::train
