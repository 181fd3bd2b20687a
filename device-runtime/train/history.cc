#include "train/history.h"

#include <algorithm>

namespace mft::train {

void History::see(const v1::Event& event) {
  ended = event.has_finished() || event.has_failed();
  completed = event.has_finished() && event.finished().outcome() == v1::Finished::OUTCOME_COMPLETED;
  if (event.has_finished()) {
    std::erase_if(in_force, [](const v1::ControlApplied& applied) {
      const v1::Control& control = applied.control();
      return control.has_pause() || control.has_resume() || control.has_stop();
    });
  }
  if (!event.has_control_applied()) return;
  const v1::ControlApplied& applied = event.control_applied();
  const bool first = acknowledged.emplace(applied.control_id(), applied).second;
  if (first && applied.accepted()) in_force.push_back(applied);
}

}  // namespace mft::train
