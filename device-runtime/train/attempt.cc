#include "train/attempt.h"

#include <unistd.h>

#include <utility>

#include "base/process.h"
#include "kernels/isa.h"

namespace mft::train {

v1::AttemptStarted attempt_started(const RunContext& context, const OpenModel& opened) {
  v1::AttemptStarted started;
  started.set_runtime_version(context.runtime_version);
  started.set_from_step(context.from_step);
  started.set_pid(static_cast<std::uint32_t>(::getpid()));
  started.set_threads(static_cast<std::uint32_t>(opened.pool->threads()));
  started.set_abi(abi_name());
  started.set_isa(std::string(kernels::isa()));
  started.set_numeric_class(std::string(kernels::numeric_class(compute_of(context.spec))));
  started.set_parameters(opened.model->parameter_count());
  started.set_trainable_parameters(opened.model->trainable_count());
  return started;
}

void begin_attempt(RunContext& context, v1::AttemptStarted started) {
  v1::Event event;
  *event.mutable_attempt_started() = std::move(started);
  context.events.emit(std::move(event));
  context.change_state(v1::RUN_STATE_RUNNING);
}

}  // namespace mft::train
