// What earlier attempts of a run left in its record that the next one must know. Filled from the journal
// (session/) and completed from the checkpoint's manifest.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "mft/v1/session.pb.h"

namespace mft::train {

// Questions of a multiple choice that were scored, from the first on.
struct ChoiceTotals {
  std::uint64_t questions = 0;
  std::uint64_t correct = 0;
  std::uint64_t correct_norm = 0;

  // Takes the next question; one that was seen already, or one too far, counts for nothing.
  void add(const v1::ChoiceScored& scored);
};

class History {
 public:
  // Controls that took effect, in that order, each id once; those that an end of the run has used up (pauses
  // and stops before a Finished) are not among them.
  std::vector<v1::ControlApplied> in_force;
  // The acknowledgement of each control ever seen, by id; but not of a Say whose answer is not whole: it is to be answered
  // anew when it comes again.
  std::map<std::uint64_t, v1::ControlApplied> acknowledged;
  ChoiceTotals choices;
  bool completed = false;  // the last event is Finished with OUTCOME_COMPLETED
  bool ended = false;      // the last event is Finished or Failed

  // Takes the next event of the record.
  void see(const v1::Event& event);

 private:
  std::map<std::uint64_t, v1::ControlApplied> unanswered_;  // Says that were taken
};

}  // namespace mft::train
