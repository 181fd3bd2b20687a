// What a run leaves: the best evaluation's weights or the last ones, after its last step or before it when
// nothing gets better any more; and that kills and stops change none of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "session/test_child.h"
#include "session/test_client.h"
#include "train/best.h"

namespace mft::session {
namespace {

constexpr std::uint32_t kEvery = 4;
constexpr std::uint32_t kSteps = 60;

// Trained on some phrases and validated on others: what is learned helps at first and then no longer.
class Overfitting : public TestRun {
 public:
  explicit Overfitting(bool lora) {
    if (lora) use_lora();
    std::string other;
    for (int i = 0; i < 40; ++i) other += i % 2 == 0 ? "world hello the, " : "123 ba hello ab! ";
    use_validation(other);
    v1::TrainTask& task = *spec.mutable_train();
    task.set_steps(kSteps);
    task.set_eval_every(kEvery);
    task.mutable_optimizer()->set_learning_rate(lora ? 5e-2f : 1e-2f);
    task.mutable_optimizer()->set_schedule(v1::SCHEDULE_CONSTANT);
  }
};

std::vector<v1::Evaluation> evaluations(const TestRun& run) {
  std::vector<v1::Evaluation> found;
  for (const v1::Event& event : only(run.events(), &v1::Event::has_evaluation))
    found.push_back(event.evaluation());
  return found;
}

v1::Evaluation lowest(const TestRun& run) {
  const std::vector<v1::Evaluation> all = evaluations(run);
  return *std::min_element(all.begin(), all.end(), [](const v1::Evaluation& a, const v1::Evaluation& b) {
    return a.loss() < b.loss();
  });
}

v1::Finished last_word(const TestRun& run) { return run.events().back().finished(); }

TEST(Result, IsTheBestEvaluationsWeights) {
  Overfitting run(true);
  complete(run);
  const v1::Evaluation best = lowest(run);
  ASSERT_LT(best.step(), kSteps);  // or this test shows nothing
  ASSERT_GT(best.step(), kEvery);
  const v1::Finished finished = last_word(run);
  EXPECT_EQ(finished.outcome(), v1::Finished::OUTCOME_COMPLETED);
  EXPECT_EQ(finished.step(), kSteps);
  EXPECT_FALSE(finished.early());
  EXPECT_EQ(finished.result_step(), best.step());
  const train::LoadedCheckpoint result = train::read_checkpoint(run.folder.result(), run.folder.id());
  EXPECT_EQ(result.manifest.step(), best.step());
  EXPECT_EQ(result.manifest.validation_loss(), best.loss());
  EXPECT_FALSE(stat_path(run.folder.best()));  // the result has them

  // The proof: a run that begins with these weights, and whose first step has a learning rate of 0, has that
  // loss, to the bit.
  Overfitting again(true);
  v1::TrainTask& task = *again.spec.mutable_train();
  task.set_steps(1);
  task.mutable_optimizer()->set_warmup_steps(1);
  *task.mutable_lora()->mutable_init_segment() = result.manifest.weights(0);
  task.mutable_lora()->set_init_sha256(again.store_bytes(read_all(result.weights[0].path, 10 << 20)));
  complete(again);
  ASSERT_EQ(evaluations(again).size(), 1u);
  EXPECT_EQ(evaluations(again)[0].loss(), best.loss());
}

TEST(Result, IsTheLastStepsWeightsWhenThatIsAskedFor) {
  for (const bool lora : {false, true}) {
    Overfitting best(lora);
    complete(best);
    Overfitting run(lora);
    run.spec.mutable_train()->set_result_last(true);
    complete(run);
    EXPECT_EQ(curve_of(run.events()), curve_of(best.events()));
    EXPECT_EQ(last_word(run).result_step(), kSteps);
    EXPECT_NE(result_of(run), result_of(best));
    EXPECT_FALSE(stat_path(run.folder.best()));
  }
}

TEST(Result, IsTheLastStepsWeightsWhenNothingIsEvaluated) {
  TestRun run;
  run.spec.mutable_data()->set_validation_fraction(0);
  complete(run);
  EXPECT_TRUE(evaluations(run).empty());
  EXPECT_EQ(last_word(run).result_step(), 12u);
}

TEST(Result, PatienceEndsARunEarly) {
  for (const std::uint32_t patience : {1u, 3u}) {
    Overfitting run(false);
    run.spec.mutable_train()->set_patience(patience);
    complete(run);
    const v1::Evaluation best = lowest(run);
    const v1::Finished finished = last_word(run);
    EXPECT_EQ(finished.outcome(), v1::Finished::OUTCOME_COMPLETED);
    EXPECT_TRUE(finished.early());
    EXPECT_EQ(finished.step(), best.step() + patience * kEvery);
    ASSERT_LT(finished.step(), kSteps);
    EXPECT_EQ(finished.result_step(), best.step());
    EXPECT_EQ(evaluations(run).size(), finished.step() / kEvery);  // none twice
    EXPECT_EQ(only(run.events(), &v1::Event::has_step).size(), finished.step());
    EXPECT_EQ(Child(run).wait(), 51);  // it has finished
  }
}

TEST(Result, EnoughPatienceEndsNothing) {
  Overfitting run(false);
  run.spec.mutable_train()->set_patience(20);
  complete(run);
  EXPECT_FALSE(last_word(run).early());
  EXPECT_EQ(last_word(run).step(), kSteps);
}

// Waits for the newest attempt's evaluation of this step, then kills.
bool kill_after_evaluation(TestRun& run, std::uint32_t attempt, std::uint32_t step) {
  Child child(run, attempt);
  TestClient client(socket_name("run-1"));
  client.hello(run.token, {attempt - 1, UINT64_MAX});
  const auto seen = client.until([&](const v1::Event& e) {
    return e.id().attempt() == attempt &&
           (e.has_finished() || (e.has_evaluation() && e.evaluation().step() >= step));
  });
  child.kill(SIGKILL);
  child.wait();
  return seen && seen->has_evaluation();
}

void kill_after_each_evaluation(bool lora, std::uint32_t checkpoint_every) {
  const auto prepare = [&](TestRun& run) {
    run.spec.mutable_train()->set_patience(3);
    run.spec.mutable_train()->set_checkpoint_every(checkpoint_every);
  };
  Overfitting undisturbed(lora);
  prepare(undisturbed);
  complete(undisturbed);
  ASSERT_TRUE(last_word(undisturbed).early());

  Overfitting run(lora);
  prepare(run);
  run.write();
  std::uint32_t kills = 0;
  for (std::uint32_t step = kEvery; step <= last_word(undisturbed).step(); step += kEvery) {
    if (!kill_after_evaluation(run, kills + 1, step)) break;
    ++kills;
  }
  EXPECT_GE(kills, 3u);
  EXPECT_EQ(Child(run).wait(), kCompletedCode);
  EXPECT_EQ(curve_of(run.events()), curve_of(undisturbed.events()));
  EXPECT_EQ(result_of(run), result_of(undisturbed));
  EXPECT_EQ(last_word(run).step(), last_word(undisturbed).step());
  EXPECT_EQ(last_word(run).result_step(), last_word(undisturbed).result_step());
  EXPECT_TRUE(last_word(run).early());
}

TEST(Result, KilledAfterEachEvaluationGivesTheSameInFull) { kill_after_each_evaluation(false, 3); }
TEST(Result, KilledAfterEachEvaluationGivesTheSameForAdapters) { kill_after_each_evaluation(true, 3); }
// The checkpoint that a resume goes on from is of the evaluated step itself.
TEST(Result, KilledAroundCheckpointsOfEvaluatedStepsGivesTheSame) {
  kill_after_each_evaluation(true, kEvery);
}

void kill_at_random(bool lora, unsigned seed) {
  Overfitting undisturbed(lora);
  undisturbed.spec.mutable_train()->set_patience(3);
  complete(undisturbed);
  std::mt19937 random(seed);
  int kills = 0;
  for (int runs = 0; kills < 12; ++runs) {
    ASSERT_LT(runs, 40);
    Overfitting run(lora);
    run.spec.mutable_train()->set_patience(3);
    run.write();
    const auto journal_bytes = [&] {
      const auto info = stat_path(run.folder.journal());
      return info ? info->bytes : 0;
    };
    int code = -1;
    for (int here = 0; code < 0 && here < 10; ++here) {
      const std::uint64_t until = journal_bytes() + random() % 1500;
      Child child(run);
      for (int i = 0; i < 20'000 && journal_bytes() < until; ++i) ::usleep(100);
      ::usleep(random() % 3000);
      child.kill(SIGKILL);
      code = child.wait();
      if (code < 0) ++kills;
    }
    if (code < 0) code = Child(run).wait();
    // 51: the kill came after the run's last word.
    ASSERT_TRUE(code == kCompletedCode || code == 51) << code;
    EXPECT_EQ(curve_of(run.events()), curve_of(undisturbed.events()));
    EXPECT_EQ(result_of(run), result_of(undisturbed));
    EXPECT_EQ(last_word(run).result_step(), last_word(undisturbed).result_step());
  }
}

TEST(Result, KilledAtRandomMomentsIsTheSameInFull) { kill_at_random(false, 3); }
TEST(Result, KilledAtRandomMomentsIsTheSameForAdapters) { kill_at_random(true, 4); }

// The kill comes after a new best that no checkpoint speaks of; the run goes on from before it and is stopped
// there: the result is the best as of then.
TEST(Result, AStopBringsTheBestSoFarAlsoAfterAKill) {
  Overfitting run(false);
  run.spec.mutable_train()->set_checkpoint_every(3);
  run.write();
  ASSERT_TRUE(kill_after_evaluation(run, 1, 8));
  const std::vector<v1::Evaluation> before = evaluations(run);
  ASSERT_EQ(before.size(), 2u);
  ASSERT_TRUE(before[0].best() && before[1].best());
  ASSERT_EQ(train::list_checkpoints(run.folder.checkpoints()).back(), 6u);
  const train::LoadedCheckpoint kept =
      train::read_checkpoint(train::checkpoint_folder(run.folder.best(), 4), run.folder.id());

  Child child(run, 2);
  TestClient client(socket_name("run-1"));
  client.hello(run.token, {1, UINT64_MAX});
  v1::Control pause;
  pause.set_id(1);
  pause.mutable_pause();
  client.control(pause);
  const auto paused = client.until([](const v1::Event& e) { return e.has_control_applied(); });
  ASSERT_TRUE(paused);
  const std::uint32_t at = paused->control_applied().step();
  v1::Control stop;
  stop.set_id(2);
  stop.mutable_stop();
  client.control(stop);
  ASSERT_TRUE(client.until([](const v1::Event& e) { return e.has_finished(); }));
  client.close_sending();
  EXPECT_EQ(child.wait(), kStoppedCode);
  const v1::Finished finished = last_word(run);
  EXPECT_EQ(finished.outcome(), v1::Finished::OUTCOME_STOPPED);
  EXPECT_FALSE(finished.early());
  const std::map<std::string, std::string> result = result_of(run);
  ASSERT_LT(at, 8u);  // the pause came while the attempt prepared
  EXPECT_EQ(finished.result_step(), 4u);
  for (const v1::Segment& segment : kept.manifest.weights())
    EXPECT_EQ(result.at(segment.name()), to_hex(segment.sha256()));
}

TEST(Result, ABestThatIsBrokenIsToldOf) {
  const auto prepare = [](TestRun& run) {
    run.spec.mutable_train()->set_patience(2);
    run.spec.mutable_train()->set_checkpoint_every(1);
  };
  Overfitting undisturbed(true);
  prepare(undisturbed);
  complete(undisturbed);
  const std::uint32_t best = last_word(undisturbed).result_step();

  // Killed when a checkpoint speaks of the best, so that a resume does not find it anew.
  Overfitting run(true);
  prepare(run);
  run.write();
  ASSERT_TRUE(kill_after_evaluation(run, 1, best + kEvery));
  const std::string file = train::checkpoint_folder(run.folder.best(), best) + "/adapter.bin";
  std::string bytes = read_all(file, 10 << 20);
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  write_atomically(file, bytes);
  EXPECT_EQ(Child(run).wait(), kCompletedCode);
  bool warned = false;
  for (const v1::Event& event : only(run.events(), &v1::Event::has_warning))
    warned |= event.warning().code() == "best.broken";
  EXPECT_TRUE(warned);
  EXPECT_EQ(last_word(run).step(), best + 2 * kEvery);
  EXPECT_EQ(last_word(run).result_step(), best + 2 * kEvery);
  EXPECT_FALSE(result_of(run).empty());
}

}  // namespace
}  // namespace mft::session
