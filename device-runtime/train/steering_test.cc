#include "train/steering.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "train/test_sink.h"

namespace mft::train {
namespace {

class Recorder : public Steerable {
 public:
  std::string set_threads(std::uint32_t threads) override {
    if (threads > 8) throw Failure("control.refused", "too many");
    calls.push_back("threads " + std::to_string(threads));
    return "";
  }
  std::string checkpoint_now() override {
    calls.push_back("checkpoint");
    return "";
  }
  std::string evaluate_now() override {
    calls.push_back("evaluate");
    return "";
  }
  std::vector<std::string> calls;
};

v1::Control control(std::uint64_t id, void (*fill)(v1::Control&)) {
  v1::Control result;
  result.set_id(id);
  fill(result);
  return result;
}
v1::Control pause(std::uint64_t id) {
  return control(id, [](v1::Control& c) { c.mutable_pause(); });
}
v1::Control resume(std::uint64_t id) {
  return control(id, [](v1::Control& c) { c.mutable_resume(); });
}
v1::Control stop(std::uint64_t id) {
  return control(id, [](v1::Control& c) { c.mutable_stop(); });
}
v1::Control checkpoint(std::uint64_t id) {
  return control(id, [](v1::Control& c) { c.mutable_checkpoint(); });
}
v1::Control evaluate(std::uint64_t id) {
  return control(id, [](v1::Control& c) { c.mutable_evaluate(); });
}
v1::Control threads(std::uint64_t id, std::uint32_t count) {
  v1::Control result;
  result.set_id(id);
  result.mutable_set_threads()->set_threads(count);
  return result;
}

class SteeringTest : public testing::Test {
 protected:
  Steering make(const History& history = {}, std::uint32_t from = 0) {
    Steering steering(inbox, sink, history);
    steering.begin(from, {});
    return steering;
  }
  // "id@step action" of each acknowledgement, with "!" when it was refused.
  std::vector<std::string> acknowledged() const {
    std::vector<std::string> found;
    for (const v1::Event& event : sink.events()) {
      if (!event.has_control_applied()) continue;
      const v1::ControlApplied& applied = event.control_applied();
      found.push_back(std::to_string(applied.control_id()) + "@" + std::to_string(applied.step()) + " " +
                      applied.action() + (applied.accepted() ? "" : "!"));
    }
    return found;
  }
  // What a later attempt learns from this one's events.
  History history() const {
    History result;
    for (const v1::Event& event : sink.events()) result.see(event);
    return result;
  }

  ControlInbox inbox;
  TestSink sink;
  Recorder target;
};

using Strings = std::vector<std::string>;

TEST_F(SteeringTest, ThreadsActAtOnceCheckpointsAndEvaluationsAfterTheStep) {
  Steering steering = make();
  inbox.push(threads(1, 2));
  inbox.push(checkpoint(2));
  inbox.push(evaluate(3));
  inbox.push(threads(4, 9));
  EXPECT_FALSE(steering.between_batches(5, &target));
  EXPECT_EQ(target.calls, Strings{"threads 2"});
  EXPECT_FALSE(steering.after_step(6, target));
  EXPECT_EQ(target.calls, (Strings{"threads 2", "checkpoint", "evaluate"}));
  EXPECT_EQ(acknowledged(),
            (Strings{"1@5 set-threads 2", "4@5 set-threads 9!", "2@6 checkpoint", "3@6 evaluate"}));
}

TEST_F(SteeringTest, ARepeatedIdIsAcknowledgedAgainAndNotApplied) {
  Steering steering = make();
  inbox.push(checkpoint(7));
  inbox.push(checkpoint(7));
  steering.after_step(1, target);
  inbox.push(checkpoint(7));
  steering.after_step(2, target);
  EXPECT_EQ(target.calls, Strings{"checkpoint"});
  EXPECT_EQ(acknowledged(), (Strings{"7@1 checkpoint", "7@1 checkpoint"}));
}

TEST_F(SteeringTest, APauseHoldsUntilResumedAndServesRequestsMeanwhile) {
  Steering steering = make();
  inbox.push(pause(1));
  std::thread host([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    inbox.push(checkpoint(2));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    inbox.push(resume(3));
  });
  EXPECT_FALSE(steering.between_batches(4, &target));
  host.join();
  EXPECT_EQ(target.calls, Strings{"checkpoint"});
  EXPECT_EQ(acknowledged(), (Strings{"1@4 pause", "2@4 checkpoint", "3@4 resume"}));
  EXPECT_GE(steering.paused_us(), 90'000u);
  std::vector<v1::RunState> states;
  for (const v1::Event& event : sink.events()) {
    if (event.has_state_changed()) states.push_back(event.state_changed().state());
  }
  EXPECT_EQ(states, (std::vector<v1::RunState>{v1::RUN_STATE_PAUSED, v1::RUN_STATE_RUNNING}));
}

TEST_F(SteeringTest, AStopWaitsForTheEndOfTheStep) {
  Steering steering = make();
  inbox.push(stop(1));
  EXPECT_FALSE(steering.between_batches(2, &target));
  EXPECT_TRUE(steering.after_step(3, target));
  EXPECT_EQ(acknowledged(), Strings{"1@3 stop"});
}

TEST_F(SteeringTest, AStopEndsAPauseAtOnce) {
  Steering steering = make();
  inbox.push(pause(1));
  inbox.push(stop(2));
  EXPECT_TRUE(steering.between_batches(2, &target));
  EXPECT_EQ(acknowledged(), (Strings{"1@2 pause", "2@2 stop"}));
}

TEST_F(SteeringTest, ASignalStopsLikeAControlButIsNotAcknowledged) {
  Steering steering = make();
  inbox.request_stop("SIGTERM");
  EXPECT_FALSE(steering.between_batches(2, &target));
  EXPECT_TRUE(steering.after_step(3, target));
  ASSERT_EQ(sink.events().size(), 1u);
  EXPECT_EQ(sink.events()[0].state_changed().reason(), "SIGTERM");
}

TEST_F(SteeringTest, WhilePreparingPausesHoldStopsEndAndTheRestWaits) {
  Steering steering = make();
  inbox.push(threads(1, 3));
  inbox.push(pause(2));
  inbox.push(resume(3));
  EXPECT_FALSE(steering.between_batches(0, nullptr));
  EXPECT_TRUE(target.calls.empty());
  EXPECT_FALSE(steering.between_batches(0, &target));
  EXPECT_EQ(target.calls, Strings{"threads 3"});
  inbox.push(stop(4));
  EXPECT_TRUE(steering.between_batches(0, nullptr));
  EXPECT_EQ(acknowledged(), (Strings{"2@0 pause", "3@0 resume", "1@0 set-threads 3", "4@0 stop"}));
}

TEST_F(SteeringTest, AnEvaluationDuringAPauseGoesOnAndOneInterruptedByAStopGivesUp) {
  Steering steering = make();
  EXPECT_FALSE(steering.during_evaluation(1));
  inbox.push(stop(1));
  EXPECT_TRUE(steering.during_evaluation(1));
}

TEST_F(SteeringTest, AResumeAppliesControlsAgainAtTheirSteps) {
  {
    Steering first = make();
    inbox.push(threads(1, 2));
    first.between_batches(1, &target);
    inbox.push(threads(2, 4));
    first.between_batches(3, &target);
    inbox.push(evaluate(3));
    first.after_step(5, target);
    inbox.push(checkpoint(4));
    first.after_step(7, target);
    const std::vector<v1::AppliedControl> until = first.applied_until(3);
    ASSERT_EQ(until.size(), 2u);
    EXPECT_EQ(until[1].control_id(), 2u);
  }
  target.calls.clear();
  Steering second = make(history(), 4);  // from the checkpoint of step 4
  EXPECT_FALSE(second.between_batches(4, &target));
  EXPECT_EQ(target.calls, Strings{"threads 4"});
  EXPECT_FALSE(second.after_step(5, target));
  EXPECT_FALSE(second.after_step(6, target));
  EXPECT_EQ(target.calls, (Strings{"threads 4", "evaluate"}));
  EXPECT_FALSE(second.after_step(7, target));
  EXPECT_EQ(target.calls, (Strings{"threads 4", "evaluate", "checkpoint"}));
  inbox.push(evaluate(3));  // a host that never saw the acknowledgement
  second.after_step(8, target);
  EXPECT_EQ(target.calls.size(), 3u);
  EXPECT_EQ(second.applied_until(100).size(), 4u);
}

TEST_F(SteeringTest, APauseThatWasNotEndedHoldsAgainAndOneThatWasDoesNot) {
  {
    Steering first = make();
    inbox.push(pause(1));
    inbox.push(resume(2));
    first.between_batches(2, &target);
    inbox.push(pause(3));
    std::thread killed([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      inbox.request_stop("test");
    });
    first.between_batches(6, &target);
    killed.join();
  }
  const History known = history();
  Steering second = make(known, 4);
  EXPECT_FALSE(second.between_batches(4, &target));  // not paused: the pause at 2 was ended
  EXPECT_FALSE(second.after_step(5, target));
  EXPECT_FALSE(second.after_step(6, target));
  inbox.push(resume(4));
  EXPECT_FALSE(second.between_batches(6, &target));
  const Strings all = acknowledged();
  EXPECT_EQ(all[all.size() - 2], "3@6 pause");
  EXPECT_EQ(all.back(), "4@6 resume");
}

TEST_F(SteeringTest, WhatAnEndUsedUpIsNotAppliedAgain) {
  {
    Steering first = make();
    inbox.push(threads(1, 2));
    inbox.push(stop(2));
    first.between_batches(3, &target);
    EXPECT_TRUE(first.after_step(4, target));
    v1::Event end;
    end.mutable_finished()->set_outcome(v1::Finished::OUTCOME_STOPPED);
    sink.emit(end);
  }
  target.calls.clear();
  Steering second = make(history(), 4);
  EXPECT_FALSE(second.between_batches(4, &target));
  EXPECT_FALSE(second.after_step(5, target));
  EXPECT_EQ(target.calls, Strings{"threads 2"});
}

TEST_F(SteeringTest, AStopThatAKillOvertookStopsAgainAtItsStep) {
  {
    Steering first = make();
    inbox.push(stop(1));
    first.between_batches(3, &target);
    EXPECT_TRUE(first.after_step(4, target));
  }
  Steering second = make(history(), 2);
  EXPECT_FALSE(second.after_step(3, target));
  EXPECT_TRUE(second.after_step(4, target));
}

TEST_F(SteeringTest, AManifestFillsInWhatTheJournalLost) {
  google::protobuf::RepeatedPtrField<v1::AppliedControl> known;
  v1::AppliedControl& entry = *known.Add();
  entry.set_control_id(5);
  entry.set_step(3);
  entry.set_control(threads(5, 6).SerializeAsString());
  Steering steering(inbox, sink, {});
  steering.begin(4, known);
  EXPECT_FALSE(steering.between_batches(4, &target));
  EXPECT_EQ(target.calls, Strings{"threads 6"});
  inbox.push(threads(5, 6));
  EXPECT_FALSE(steering.between_batches(4, &target));
  EXPECT_EQ(target.calls.size(), 1u);
}

v1::Control say(std::uint64_t id) {
  v1::Control result;
  result.set_id(id);
  result.mutable_say()->set_text("what was said");
  return result;
}
v1::Control interrupt(std::uint64_t id) {
  return control(id, [](v1::Control& c) { c.mutable_interrupt(); });
}
constexpr std::chrono::milliseconds kIdle{20};

TEST_F(SteeringTest, OnlyAConversationIsTalkedTo) {
  Steering steering = make();
  inbox.push(say(1));
  inbox.push(interrupt(2));
  EXPECT_FALSE(steering.between_batches(3, &target));
  EXPECT_EQ(acknowledged(), (Strings{"1@3 say!", "2@3 interrupt!"}));
}

TEST_F(SteeringTest, WhatIsSaidWaitsForItsTurnAndComesOnce) {
  Steering steering = make();
  steering.converse();
  for (const std::uint64_t id : {1, 2, 1}) inbox.push(say(id));
  std::optional<Utterance> first = steering.next_utterance(target, kIdle);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->control.id(), 1u);
  EXPECT_EQ(first->control.say().text(), "what was said");
  EXPECT_FALSE(first->interrupted);
  inbox.push(say(1));  // before it is acknowledged
  EXPECT_FALSE(steering.during_answer(target));
  EXPECT_TRUE(acknowledged().empty());
  steering.acknowledge_utterance(first->control, true, "");
  inbox.push(say(1));
  EXPECT_FALSE(steering.during_answer(target));
  EXPECT_EQ(acknowledged(), (Strings{"1@0 say", "1@0 say"}));
  steering.end_answer();
  EXPECT_EQ(steering.next_utterance(target, kIdle)->control.id(), 2u);
  steering.end_answer();
  EXPECT_FALSE(steering.next_utterance(target, kIdle));  // nothing more, and nobody there
  for (const v1::Event& event : sink.events()) {
    EXPECT_EQ(event.control_applied().control().say().text(), "");
  }
}

TEST_F(SteeringTest, AnInterruptEndsWhatWasSaidBeforeIt) {
  Steering steering = make();
  steering.converse();
  inbox.push(interrupt(1));
  inbox.push(say(2));
  inbox.push(say(3));
  inbox.push(interrupt(4));
  inbox.push(say(5));
  EXPECT_TRUE(steering.next_utterance(target, kIdle)->interrupted);
  EXPECT_TRUE(steering.during_answer(target));
  steering.end_answer();
  EXPECT_TRUE(steering.next_utterance(target, kIdle)->interrupted);
  steering.end_answer();
  EXPECT_FALSE(steering.next_utterance(target, kIdle)->interrupted);
  EXPECT_FALSE(steering.during_answer(target));
  inbox.push(interrupt(6));
  EXPECT_TRUE(steering.during_answer(target));
  steering.end_answer();
  inbox.push(say(7));
  steering.next_utterance(target, kIdle);
  EXPECT_FALSE(steering.during_answer(target));
}

TEST_F(SteeringTest, AStopEndsTheAnswerAndTheConversation) {
  Steering steering = make();
  steering.converse();
  inbox.push(say(1));
  ASSERT_TRUE(steering.next_utterance(target, kIdle));
  inbox.push(say(2));
  inbox.push(stop(3));
  EXPECT_TRUE(steering.during_answer(target));
  steering.end_answer();
  EXPECT_FALSE(steering.next_utterance(target, kIdle));
  steering.close(0);
  EXPECT_EQ(acknowledged(), Strings{"3@0 stop"});  // 2 is said again, to the next attempt
}

TEST_F(SteeringTest, AnotherAttemptAnswersWhatWasNotAnsweredToItsEnd) {
  {
    Steering first = make();
    first.converse();
    for (const std::uint64_t id : {1, 2}) {
      inbox.push(say(id));
      first.acknowledge_utterance(first.next_utterance(target, kIdle)->control, true, "");
      if (id == 2) break;  // killed
      v1::Event answer;
      answer.mutable_sample()->set_control_id(id);
      sink.emit(answer);
      first.end_answer();
    }
    inbox.push(say(3));
    first.during_answer(target);
    first.acknowledge_utterance(say(3), false, "not that");
  }
  Steering second = make(history());
  second.converse();
  for (const std::uint64_t id : {1, 2, 3}) inbox.push(say(id));
  EXPECT_EQ(second.next_utterance(target, kIdle)->control.id(), 2u);
  second.end_answer();
  EXPECT_FALSE(second.next_utterance(target, kIdle));
  EXPECT_TRUE(history().in_force.empty());
}

TEST(ControlInbox, WaitsAsLongAsAHostIsThere) {
  using Clock = std::chrono::steady_clock;
  ControlInbox inbox;
  EXPECT_FALSE(inbox.wait_unless_alone(std::chrono::milliseconds(10)));
  inbox.set_hosts(1);
  std::thread host([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    inbox.set_hosts(0);
  });
  const Clock::time_point from = Clock::now();
  EXPECT_FALSE(inbox.wait_unless_alone(std::chrono::milliseconds(10)));
  EXPECT_GE(Clock::now() - from, std::chrono::milliseconds(60));  // not by the time it takes, but by who is there
  host.join();
  inbox.set_hosts(1);
  inbox.push(pause(1));
  EXPECT_TRUE(inbox.wait_unless_alone(std::chrono::milliseconds(0)));
}

TEST(ControlInbox, HasALimit) {
  ControlInbox inbox;
  for (std::size_t i = 0; i < ControlInbox::kLimit; ++i) ASSERT_TRUE(inbox.push(pause(i + 1)));
  EXPECT_FALSE(inbox.push(pause(5000)));
}

}  // namespace
}  // namespace mft::train
