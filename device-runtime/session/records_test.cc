// Runs on records: what they say of their data, what they learn of it, and that they outlive its file.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "session/run.h"
#include "session/test_child.h"
#include "session/test_run.h"

namespace mft::session {
namespace {

// Questions with an answer each; two longer than a row of 16, one of them up to its answer.
std::string questions(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    lines += std::string(R"({"prompt":")") + (i % 2 == 0 ? "hello" : "the aa ab") + R"(","completion":")" +
             (i % 2 == 0 ? " world" : " ba ba") + "\"}\n";
  }
  const std::string many(60, '!');
  return lines + R"({"prompt":"a","completion":")" + many + "\"}\n" + R"({"prompt":")" + many +
         R"(","completion":"b"})";
}

v1::AttemptStarted started(const TestRun& run, std::size_t attempt = 0) {
  return only(run.events(), &v1::Event::has_attempt_started).at(attempt).attempt_started();
}

std::vector<std::string> warnings(const TestRun& run) {
  std::vector<std::string> found;
  for (const v1::Event& event : only(run.events(), &v1::Event::has_warning))
    found.push_back(event.warning().code() + ": " + event.warning().message());
  return found;
}

class RecordsRun : public testing::TestWithParam<v1::Packing> {
 protected:
  static void set_up(TestRun& run) {
    run.use_text(questions(60));
    run.spec.mutable_data()->mutable_train()->set_display_name("qa.jsonl");
    run.spec.mutable_data()->set_packing(GetParam());
    run.spec.mutable_train()->set_steps(30);
  }
};

TEST_P(RecordsRun, LearnsTheAnswersAndTellsOfItsData) {
  TestRun run;
  set_up(run);
  complete(run);
  const v1::AttemptStarted data = started(run);
  const bool wrap = GetParam() == v1::PACKING_WRAP;
  EXPECT_EQ(data.data_format(), v1::DATA_FORMAT_PROMPT_COMPLETION);
  EXPECT_EQ(data.train_records() + data.validation_records(), wrap ? 62u : 61u);
  EXPECT_EQ(data.validation_records(), 6u);
  EXPECT_EQ(data.truncated_records(), wrap ? 0u : 1u);
  EXPECT_EQ(data.skipped_records(), wrap ? 0u : 1u);
  if (GetParam() == v1::PACKING_NONE) {
    EXPECT_EQ(data.rows_per_epoch(), data.train_records());
  } else {
    EXPECT_LT(data.rows_per_epoch(), data.train_records());
  }
  EXPECT_GT(data.train_labels(), 0u);
  EXPECT_LT(data.train_labels(), data.train_tokens());
  const std::vector<std::string> expected =
      wrap ? std::vector<std::string>{}
           : std::vector<std::string>{
                 "data.truncated: 1 of 62 records of qa.jsonl are longer than a row of 16 tokens: their ends are cut off",
                 "data.skipped: 1 of 62 records of qa.jsonl are left out: there is nothing to learn in them"};
  EXPECT_EQ(warnings(run), expected);
  const std::vector<v1::Event> steps = only(run.events(), &v1::Event::has_step);
  ASSERT_EQ(steps.size(), 30u);
  EXPECT_LT(steps.back().step().loss(), 0.5f * steps.front().step().loss());
  for (const v1::Event& step : steps) EXPECT_GT(step.step().tokens(), 0u);
}

TEST_P(RecordsRun, GoesOnWithoutItsFile) {
  const auto on_phone = [](TestRun& run) {
    set_up(run);
    v1::DataFile& file = *run.spec.mutable_data()->mutable_train();
    file.clear_store_sha256();
    file.set_device_path(run.root / "qa.jsonl");
    write_atomically(file.device_path(), questions(60));
  };
  TestRun undisturbed;
  on_phone(undisturbed);
  complete(undisturbed);

  TestRun run;
  on_phone(run);
  run.write();
  {
    Child child(run);
    const std::uint64_t give_up = monotonic_us() + 60'000'000;
    while (only(run.events(), &v1::Event::has_checkpoint_saved).empty() && monotonic_us() < give_up) ::usleep(1000);
    child.kill(SIGKILL);
    child.wait();
  }
  remove_file(run.spec.data().train().device_path());
  complete(run);
  EXPECT_EQ(curve_of(run.events()), curve_of(undisturbed.events()));
  EXPECT_EQ(result_of(run), result_of(undisturbed));
  // Told once, counted every time.
  EXPECT_EQ(warnings(run), warnings(undisturbed));
  if (only(run.events(), &v1::Event::has_attempt_started).size() > 1) {
    EXPECT_EQ(started(run, 1).truncated_records(), started(run).truncated_records());
    EXPECT_EQ(started(run, 1).train_labels(), started(run).train_labels());
  }
}

INSTANTIATE_TEST_SUITE_P(Packings, RecordsRun,
                         testing::Values(v1::PACKING_NONE, v1::PACKING_WRAP, v1::PACKING_PACK));

TEST(Records, PackedOrApartARecordSeesItselfOnly) {
  // Rows in the order of the file, one step over all of them: the same labels, each with the same loss.
  const auto first_loss = [](v1::Packing packing, std::uint32_t rows) {
    TestRun run;
    std::string lines;
    for (int i = 0; i < 8; ++i) lines += "{\"prompt\":\"hello\",\"completion\":\" world" + std::to_string(i) + "\"}\n";
    run.use_text(lines);
    run.spec.mutable_data()->set_packing(packing);
    run.spec.mutable_data()->set_shuffle(false);
    run.spec.mutable_data()->set_validation_fraction(0);
    run.spec.mutable_train()->set_dropout(0);
    run.spec.mutable_train()->set_steps(1);
    run.spec.mutable_train()->set_accumulation(1);
    run.spec.mutable_train()->set_batch_size(rows);
    complete(run);
    EXPECT_EQ(started(run).rows_per_epoch(), rows);
    EXPECT_EQ(started(run).train_records(), 8u);
    return only(run.events(), &v1::Event::has_step).at(0).step();
  };
  const v1::Step apart = first_loss(v1::PACKING_NONE, 8);
  const v1::Step packed = first_loss(v1::PACKING_PACK, 2);  // a record is 4 tokens, 3 inputs: 5 in a row of 16
  EXPECT_EQ(apart.tokens(), packed.tokens());
  EXPECT_EQ(apart.loss(), packed.loss());
  EXPECT_EQ(apart.grad_norm(), packed.grad_norm());
}

TEST(Records, PromptsAreLearnedWhenAsked) {
  const auto labels = [](bool all) {
    TestRun run;
    run.use_text(
        "{\"prompt\":\"hello world\",\"completion\":\" world\"}\n"
        "{\"prompt\":\"ab ab\",\"completion\":\"ba\"}\n");
    run.spec.mutable_data()->set_learn_all(all);
    run.spec.mutable_data()->set_validation_fraction(0);
    run.spec.mutable_train()->set_steps(1);
    complete(run);
    const v1::AttemptStarted data = started(run);
    // All but the first token of each record.
    if (all) {
      EXPECT_EQ(data.train_labels(), data.train_tokens() - 2);
    }
    return data.train_labels();
  };
  EXPECT_EQ(labels(false), 4u);  // world, the end; ba, the end
  EXPECT_GT(labels(true), 4u);
}

TEST(Records, AreEvaluatedByWhatIsLearned) {
  TestRun run;
  run.spec.clear_train();
  run.spec.mutable_evaluate()->set_batch_size(3);
  run.use_validation("{\"prompt\":\"hello\",\"completion\":\" world\"}\n{\"prompt\":\"ab\",\"completion\":\"ba\"}\n");
  complete(run);
  const v1::Evaluation evaluation = only(run.events(), &v1::Event::has_evaluation).at(0).evaluation();
  EXPECT_EQ(evaluation.tokens(), 4u);
  EXPECT_GT(evaluation.loss(), 0);
}

TEST(Records, ABadOneEndsTheRunWithItsLine) {
  TestRun run;
  run.use_text("{\"text\":\"hello\"}\n{\"text\":12}\n");
  run.spec.mutable_data()->mutable_train()->set_display_name("notes.jsonl");
  run.write();
  EXPECT_EQ(Child(run).wait(), kFailedCode);
  const v1::Failed failed = run.events().back().failed();
  EXPECT_EQ(failed.code(), "data.bad-record");
  EXPECT_EQ(failed.message(), "notes.jsonl line 2: expected a string in field \"text\", found a number");
  EXPECT_FALSE(failed.hint().empty());
  for (const std::string& name : list_directory(run.folder.path())) EXPECT_EQ(name.find(".tokens"), std::string::npos);
}

}  // namespace
}  // namespace mft::session
