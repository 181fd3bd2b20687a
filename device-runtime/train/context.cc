#include "train/context.h"

#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "text/utf8.h"

namespace mft::train {
namespace {

constexpr std::uint64_t kProgressEveryUs = 300'000;

}  // namespace

void RunContext::warn(const std::string& code, const std::string& message) {
  v1::Event event;
  event.mutable_warning()->set_code(code);
  event.mutable_warning()->set_message(
      replace_invalid_utf8(message));  // it may name a file as the disk has it
  events.emit(std::move(event));
}

void RunContext::change_state(v1::RunState state, const std::string& reason) {
  v1::Event event;
  event.mutable_state_changed()->set_state(state);
  event.mutable_state_changed()->set_reason(reason);
  events.emit(std::move(event));
}

PhaseProgress::PhaseProgress(RunContext& context, std::string phase, std::string unit, Controls controls)
    : context_(&context), phase_(std::move(phase)), unit_(std::move(unit)), controls_(controls) {}

void PhaseProgress::operator()(std::uint64_t done, std::uint64_t total) {
  if (controls_ == Controls::kListens && context_->steering.between_batches(context_->from_step, nullptr)) {
    throw Failure(kStopped, "stopped while: " + phase_);
  }
  const std::uint64_t now = monotonic_us();
  if (now < next_us_ && done < total) return;
  next_us_ = now + kProgressEveryUs;
  v1::Event event;
  v1::Progress& progress = *event.mutable_progress();
  progress.set_phase(phase_);
  progress.set_done(done);
  progress.set_total(total);
  progress.set_unit(unit_);
  context_->events.emit(std::move(event));
}

}  // namespace mft::train
