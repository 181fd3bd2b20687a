#include "train/history.h"

#include <algorithm>
#include <utility>

namespace mft::train {

void ChoiceTotals::add(const v1::ChoiceScored& scored) {
  if (scored.index() != questions) return;
  questions += 1;
  correct += scored.predicted() == scored.answer();
  correct_norm += scored.predicted_norm() == scored.answer();
}

void History::see(const v1::Event& event) {
  ended = event.has_finished() || event.has_failed();
  completed = event.has_finished() && event.finished().outcome() == v1::Finished::OUTCOME_COMPLETED;
  if (event.has_finished()) {
    std::erase_if(in_force, [](const v1::ControlApplied& applied) {
      const v1::Control& control = applied.control();
      return control.has_pause() || control.has_resume() || control.has_stop();
    });
  }
  if (event.has_choice_scored()) choices.add(event.choice_scored());
  if (event.has_sample()) {
    const auto answered = unanswered_.extract(event.sample().control_id());
    if (!answered.empty()) acknowledged.insert(std::make_pair(answered.key(), answered.mapped()));
  }
  if (!event.has_control_applied()) return;
  const v1::ControlApplied& applied = event.control_applied();
  // What is said in a conversation is answered once, not in force.
  if (applied.control().has_interrupt() || (applied.control().has_say() && !applied.accepted())) {
    acknowledged.emplace(applied.control_id(), applied);
    return;
  }
  if (applied.control().has_say()) {
    if (!acknowledged.contains(applied.control_id())) unanswered_.emplace(applied.control_id(), applied);
    return;
  }
  const bool first = acknowledged.emplace(applied.control_id(), applied).second;
  if (first && applied.accepted()) in_force.push_back(applied);
}

}  // namespace mft::train
