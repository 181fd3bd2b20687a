// What was asked of a run while it goes, and when it takes effect: between micro-batches, never inside one,
// so that nothing anyone asks changes a number. A control takes effect "after step s", s being the optimizer
// steps done then, and is acknowledged by an event that says so. After a resume the controls of earlier
// attempts are applied again at their steps.
//
// Threads, pause and resume act at the next micro-batch. A checkpoint, an evaluation and a stop wait for the
// end of the step; while the run is paused they are done at once, and a step that was begun is then begun
// anew later (weights change only at the end of a step, so nothing is lost but its time).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mft/v1/run.pb.h"
#include "mft/v1/session.pb.h"
#include "train/control_inbox.h"
#include "train/events.h"
#include "train/history.h"

namespace mft::train {

// What a task can be asked to do. The strings are for the acknowledgement ("" or what is worth saying); a
// Failure with the code control.refused refuses the control, others end the run.
class Steerable {
 public:
  virtual ~Steerable() = default;
  virtual std::string set_threads(std::uint32_t threads) = 0;
  virtual std::string checkpoint_now() = 0;
  virtual std::string evaluate_now() = 0;
};

// What was said in a conversation, and is to be answered.
struct Utterance {
  v1::Control control;       // has_say()
  bool interrupted = false;  // before its answer began
};

class Steering {
 public:
  Steering(ControlInbox& inbox, EventSink& events, const History& history);

  // The run goes on from here; controls up to this step are in force at once. `known`: those of the
  // checkpoint, for a journal that lost its tail.
  void begin(std::uint32_t from_step, const google::protobuf::RepeatedPtrField<v1::AppliedControl>& known);

  // Before a micro-batch, and while data is prepared (target may be null as long as there is nothing to
  // steer). Blocks while the run is paused. True: stop now, without finishing the step.
  bool between_batches(std::uint32_t steps_done, Steerable* target);
  // Before a batch of an evaluation or a token of a sample. Blocks when the run is paused meanwhile; an
  // evaluation that was asked for during a pause goes on. True: give up, the run is to stop.
  bool during_evaluation(std::uint32_t steps_done);
  // After an optimizer step. True: stop.
  bool after_step(std::uint32_t steps_done, Steerable& target);

  // A conversation, whose steps are answers: from here on Say and Interrupt are taken, which other tasks refuse.
  void converse() { conversation_ = true; }
  // The next Say; blocks until there is one. Absent: stop, because it was asked for or because no host was attached for as
  // long as `idle`. The answer begins when the Say is acknowledged, or it is refused.
  std::optional<Utterance> next_utterance(Steerable& target, std::chrono::milliseconds idle);
  void acknowledge_utterance(const v1::Control& say, bool accepted, const std::string& message);
  // Before each token of an answer. Blocks while the run is paused. True: end it.
  bool during_answer(Steerable& target);
  void end_answer();

  // The task is over: what still waits is refused.
  void close(std::uint32_t steps_done);

  // Controls that took effect up to this step, for a checkpoint's manifest.
  std::vector<v1::AppliedControl> applied_until(std::uint32_t step) const;
  // Time spent paused so far.
  std::uint64_t paused_us() const { return paused_us_; }

 private:
  void listen(std::uint32_t step, Steerable* target);
  void take(const v1::Control& control, std::uint32_t step, Steerable* target);
  void act_on_deferred(std::uint32_t step, Steerable& target);
  void act(const v1::Control& control, std::uint32_t step, Steerable& target, const std::string& prefix = "");
  void acknowledge(const v1::Control& control, std::uint32_t step, bool accepted, const std::string& message);
  void replay(std::uint32_t step, Steerable& target);
  void set_paused(bool paused, const std::string& reason);
  void take_say(const v1::Control& control);
  void take_interrupt(const v1::Control& control, std::uint32_t step);

  ControlInbox* inbox_;
  EventSink* events_;
  std::map<std::uint64_t, v1::ControlApplied> acknowledged_;
  std::vector<v1::ControlApplied> applied_;  // by step
  std::vector<v1::ControlApplied> replay_;   // of earlier attempts, still to come
  std::vector<v1::Control> deferred_;        // waiting for the end of the step
  bool paused_ = false;
  bool ignore_pause_ = false;  // evaluating on request during a pause
  bool stop_ = false;          // at the end of the step, or now while paused
  bool announced_stop_ = false;
  std::uint64_t paused_us_ = 0;
  bool conversation_ = false;
  std::deque<Utterance> utterances_;        // waiting for their answers
  std::optional<std::uint64_t> answering_;  // id of the Say
  bool interrupted_ = false;                // the answer being written
};

// "pause", "set-threads 2", ... as the record shows it.
std::string describe(const v1::Control& control);

}  // namespace mft::train
