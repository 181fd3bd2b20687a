#include "train/steering.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"

namespace mft::train {
namespace {

v1::Event state_event(v1::RunState state, const std::string& reason) {
  v1::Event event;
  event.mutable_state_changed()->set_state(state);
  event.mutable_state_changed()->set_reason(reason);
  return event;
}

bool waits_for_end_of_step(const v1::Control& control) {
  return control.has_checkpoint() || control.has_evaluate() || control.has_stop();
}

}  // namespace

std::string describe(const v1::Control& control) {
  switch (control.action_case()) {
    case v1::Control::kPause:
      return "pause";
    case v1::Control::kResume:
      return "resume";
    case v1::Control::kStop:
      return "stop";
    case v1::Control::kCheckpoint:
      return "checkpoint";
    case v1::Control::kEvaluate:
      return "evaluate";
    case v1::Control::kSetThreads:
      return "set-threads " + std::to_string(control.set_threads().threads());
    case v1::Control::kSay:
      return "say";
    case v1::Control::kInterrupt:
      return "interrupt";
    case v1::Control::ACTION_NOT_SET:
      return "unknown";
  }
  return "unknown";
}

Steering::Steering(ControlInbox& inbox, EventSink& events, const History& history)
    : inbox_(&inbox), events_(&events), acknowledged_(history.acknowledged), replay_(history.in_force) {}

void Steering::begin(std::uint32_t from_step,
                     const google::protobuf::RepeatedPtrField<v1::AppliedControl>& known) {
  for (const v1::AppliedControl& entry : known) {
    v1::ControlApplied applied;
    if (acknowledged_.contains(entry.control_id()) ||
        !applied.mutable_control()->ParseFromString(entry.control()))
      continue;
    applied.set_control_id(entry.control_id());
    applied.set_step(entry.step());
    applied.set_action(describe(applied.control()));
    applied.set_accepted(true);
    acknowledged_.emplace(entry.control_id(), applied);
    replay_.push_back(std::move(applied));
  }
  // What is over is only remembered; of what holds on (threads, a pause) the last word counts.
  std::uint64_t last_threads = 0;
  std::uint64_t last_pause = 0;
  for (const v1::ControlApplied& applied : replay_) {
    const v1::Control& control = applied.control();
    if (applied.step() <= from_step) applied_.push_back(applied);
    if (control.has_set_threads() && applied.step() <= from_step) last_threads = applied.control_id();
    if (control.has_pause()) last_pause = applied.control_id();
    if (control.has_resume()) last_pause = 0;
  }
  std::erase_if(replay_, [&](const v1::ControlApplied& applied) {
    const v1::Control& control = applied.control();
    if (control.has_resume()) return true;
    if (control.has_pause()) return applied.control_id() != last_pause;
    if (applied.step() > from_step || control.has_stop()) return false;
    return !control.has_set_threads() || applied.control_id() != last_threads;
  });
}

void Steering::set_paused(bool paused, const std::string& reason) {
  paused_ = paused;
  events_->emit(state_event(paused ? v1::RUN_STATE_PAUSED : v1::RUN_STATE_RUNNING, reason));
}

void Steering::acknowledge(const v1::Control& control, std::uint32_t step, bool accepted,
                           const std::string& message) {
  v1::Event event;
  v1::ControlApplied& applied = *event.mutable_control_applied();
  applied.set_control_id(control.id());
  applied.set_step(step);
  applied.set_action(describe(control));
  applied.set_accepted(accepted);
  applied.set_message(message);
  *applied.mutable_control() = control;
  // What was said is in the record no longer than it must: a resume asks the host for it again.
  if (control.has_say()) applied.mutable_control()->mutable_say()->clear_text();
  const bool first = acknowledged_.emplace(control.id(), applied).second;
  if (first && accepted) applied_.push_back(applied);
  events_->emit(std::move(event));
  events_->sync();
}

void Steering::act(const v1::Control& control, std::uint32_t step, Steerable& target,
                   const std::string& prefix) {
  std::string message;
  try {
    if (control.has_set_threads()) message = target.set_threads(control.set_threads().threads());
    if (control.has_checkpoint()) message = target.checkpoint_now();
    if (control.has_evaluate()) {
      ignore_pause_ = paused_;
      message = target.evaluate_now();
      ignore_pause_ = false;
    }
  } catch (const Failure& failure) {
    if (failure.code() != "control.refused") throw;
    return acknowledge(control, step, false, prefix + failure.what());
  }
  acknowledge(control, step, true, prefix + message);
}

void Steering::take(const v1::Control& control, std::uint32_t step, Steerable* target) {
  const auto known = acknowledged_.find(control.id());
  if (known != acknowledged_.end()) {
    v1::Event event;
    *event.mutable_control_applied() = known->second;
    events_->emit(std::move(event));
    return;
  }
  const bool waiting = std::any_of(deferred_.begin(), deferred_.end(),
                                   [&](const v1::Control& other) { return other.id() == control.id(); });
  if (waiting) return;  // it will be acknowledged when it takes effect

  switch (control.action_case()) {
    case v1::Control::kPause:
      if (!paused_) set_paused(true, "asked for by control " + std::to_string(control.id()));
      return acknowledge(control, step, true, "");
    case v1::Control::kResume:
      if (paused_) set_paused(false, "asked for by control " + std::to_string(control.id()));
      return acknowledge(control, step, true, "");
    case v1::Control::kSetThreads:
      if (target != nullptr) return act(control, step, *target);
      break;
    case v1::Control::kStop:
      stop_ = true;
      break;
    case v1::Control::kCheckpoint:
    case v1::Control::kEvaluate:
      if (paused_ && target != nullptr) return act(control, step, *target);
      break;
    case v1::Control::kSay:
      if (conversation_) return take_say(control);
      return acknowledge(control, step, false, "this run is no conversation");
    case v1::Control::kInterrupt:
      if (conversation_) return take_interrupt(control, step);
      return acknowledge(control, step, false, "this run is no conversation");
    case v1::Control::ACTION_NOT_SET:
      return acknowledge(control, step, false, "this runtime does not know this control");
  }
  deferred_.push_back(control);
}

void Steering::take_say(const v1::Control& control) {
  const bool waiting = std::ranges::any_of(utterances_, [&](const Utterance& utterance) {
    return utterance.control.id() == control.id();
  });
  if (waiting || answering_ == control.id()) return;  // it came again: it is answered once
  utterances_.push_back({control, false});
}

// Whatever was said before it is not to be answered further.
void Steering::take_interrupt(const v1::Control& control, std::uint32_t step) {
  const bool any = answering_.has_value() || !utterances_.empty();
  interrupted_ = interrupted_ || answering_.has_value();
  for (Utterance& utterance : utterances_) utterance.interrupted = true;
  acknowledge(control, step, true, any ? "" : "no answer is being written");
}

std::optional<Utterance> Steering::next_utterance(Steerable& target, std::chrono::milliseconds idle) {
  for (;;) {
    if (between_batches(0, &target) || after_step(0, target)) return std::nullopt;
    if (!utterances_.empty()) break;
    if (inbox_->wait_unless_alone(idle)) continue;
    events_->emit(state_event(v1::RUN_STATE_STOPPING,
                              "no host for " + std::to_string(idle.count() / 1000) + " seconds"));
    return std::nullopt;
  }
  Utterance next = std::move(utterances_.front());
  utterances_.pop_front();
  answering_ = next.control.id();
  interrupted_ = next.interrupted;
  return next;
}

void Steering::acknowledge_utterance(const v1::Control& say, bool accepted, const std::string& message) {
  acknowledge(say, 0, accepted, message);
}

bool Steering::during_answer(Steerable& target) {
  return between_batches(0, &target) || stop_ || interrupted_;
}

void Steering::end_answer() {
  answering_.reset();
  interrupted_ = false;
}

void Steering::listen(std::uint32_t step, Steerable* target) {
  while (const std::optional<v1::Control> control = inbox_->take()) take(*control, step, target);
  if (const std::optional<std::string> reason = inbox_->take_stop()) {
    stop_ = true;
    announced_stop_ = true;
    events_->emit(state_event(v1::RUN_STATE_STOPPING, *reason));
  }
  if (stop_ && !announced_stop_) {
    announced_stop_ = true;
    events_->emit(state_event(v1::RUN_STATE_STOPPING, "asked for"));
  }
}

void Steering::replay(std::uint32_t step, Steerable& target) {
  std::vector<v1::ControlApplied> due;
  const auto later =
      std::stable_partition(replay_.begin(), replay_.end(),
                            [&](const v1::ControlApplied& applied) { return applied.step() <= step; });
  due.assign(replay_.begin(), later);
  replay_.erase(replay_.begin(), later);
  for (const v1::ControlApplied& applied : due) {
    const v1::Control& control = applied.control();
    const bool known = std::any_of(applied_.begin(), applied_.end(), [&](const v1::ControlApplied& other) {
      return other.control_id() == applied.control_id();
    });
    if (!known) applied_.push_back(applied);
    if (control.has_pause())
      set_paused(true, "control " + std::to_string(control.id()) + " of an earlier attempt");
    if (control.has_stop()) stop_ = true;
    act(control, step, target, "again after a resume");
  }
}

void Steering::act_on_deferred(std::uint32_t step, Steerable& target) {
  const std::vector<v1::Control> due = std::exchange(deferred_, {});
  for (const v1::Control& control : due) act(control, step, target);
}

bool Steering::between_batches(std::uint32_t steps_done, Steerable* target) {
  if (target != nullptr) replay(steps_done, *target);
  listen(steps_done, target);
  if (target != nullptr) {
    // Threads asked for while there was nothing to steer yet.
    for (std::size_t i = 0; i < deferred_.size();) {
      if (waits_for_end_of_step(deferred_[i])) {
        ++i;
        continue;
      }
      const v1::Control control = deferred_[i];
      deferred_.erase(deferred_.begin() + static_cast<std::ptrdiff_t>(i));
      act(control, steps_done, *target);
    }
  }
  const std::uint64_t from = monotonic_us();
  while (paused_ && !stop_) {
    if (target != nullptr) act_on_deferred(steps_done, *target);
    inbox_->wait();
    listen(steps_done, target);
  }
  paused_us_ += monotonic_us() - from;
  const bool now = stop_ && (paused_ || target == nullptr);
  if (now && target != nullptr) act_on_deferred(steps_done, *target);
  if (now && target == nullptr) {
    for (const v1::Control& control : std::exchange(deferred_, {})) {
      acknowledge(control, steps_done, control.has_stop(), control.has_stop() ? "" : "the run is stopping");
    }
  }
  return now;
}

bool Steering::during_evaluation(std::uint32_t steps_done) {
  listen(steps_done, nullptr);
  const std::uint64_t from = monotonic_us();
  while (paused_ && !stop_ && !ignore_pause_) {
    inbox_->wait();
    listen(steps_done, nullptr);
  }
  paused_us_ += monotonic_us() - from;
  return stop_;
}

bool Steering::after_step(std::uint32_t steps_done, Steerable& target) {
  replay(steps_done, target);
  listen(steps_done, &target);
  act_on_deferred(steps_done, target);
  return stop_;
}

void Steering::close(std::uint32_t steps_done) {
  listen(steps_done, nullptr);
  for (const v1::Control& control : std::exchange(deferred_, {})) {
    acknowledge(control, steps_done, false, "the run was over before it could take effect");
  }
  utterances_.clear();  // the host says it again to the next attempt
}

std::vector<v1::AppliedControl> Steering::applied_until(std::uint32_t step) const {
  std::vector<v1::AppliedControl> controls;
  for (const v1::ControlApplied& applied : applied_) {
    if (applied.step() > step) continue;
    v1::AppliedControl& entry = controls.emplace_back();
    entry.set_control_id(applied.control_id());
    entry.set_step(applied.step());
    entry.set_control(applied.control().SerializeAsString());
  }
  return controls;
}

}  // namespace mft::train
