// What earlier attempts of a run left in its record that the next one must know. Filled from the journal
// (session/) and completed from the checkpoint's manifest.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "mft/v1/session.pb.h"

namespace mft::train {

struct History {
  // Controls that took effect, in that order, each id once; those that an end of the run has used up (pauses
  // and stops before a Finished) are not among them.
  std::vector<v1::ControlApplied> in_force;
  // The acknowledgement of each control ever seen, by id.
  std::map<std::uint64_t, v1::ControlApplied> acknowledged;
  bool completed = false;  // the last event is Finished with OUTCOME_COMPLETED
  bool ended = false;      // the last event is Finished or Failed

  // Takes the next event of the record.
  void see(const v1::Event& event);
};

}  // namespace mft::train
