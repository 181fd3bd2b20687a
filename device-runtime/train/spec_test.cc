#include "train/spec.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "base/error.h"
#include "train/run_folder.h"

namespace mft::train {
namespace {

v1::RunSpec good() {
  v1::RunSpec spec;
  spec.set_format(1);
  spec.set_run_id("run-1");
  spec.mutable_data()->mutable_train()->set_device_path("/sdcard/text.txt");
  spec.mutable_data()->set_sequence_length(128);
  v1::TrainTask& task = *spec.mutable_train();
  task.set_full(true);
  task.set_steps(10);
  task.set_batch_size(4);
  task.set_accumulation(2);
  return spec;
}

v1::RunSpec good_chat() {
  v1::RunSpec spec;
  spec.set_format(1);
  spec.set_run_id("run-1");
  spec.mutable_model()->mutable_config()->set_max_positions(256);
  spec.mutable_chat()->mutable_sampling()->set_max_tokens(16);
  return spec;
}

struct Case {
  const char* field;
  std::function<void(v1::RunSpec&)> spoil;
};

TEST(Spec, AcceptsAGoodOne) { EXPECT_NO_THROW(check_spec(good(), "run-1")); }

TEST(Spec, NamesTheFieldOfAConversationThatIsWrong) {
  EXPECT_NO_THROW(check_spec(good_chat(), "run-1"));
  const auto sampling = [](v1::RunSpec& spec) { return spec.mutable_chat()->mutable_sampling(); };
  const Case cases[] = {
      {"sampling.prompts", [&](v1::RunSpec& s) { sampling(s)->add_prompts("Call"); }},
      {"sampling.max_tokens", [&](v1::RunSpec& s) { sampling(s)->set_max_tokens(0); }},
      {"sampling.repetition_penalty", [&](v1::RunSpec& s) { sampling(s)->set_repetition_penalty(-1); }},
      {"sampling.repetition_penalty",
       [&](v1::RunSpec& s) {
         sampling(s)->set_repetition_penalty(std::numeric_limits<float>::infinity());
       }},
      {"sampling.stop's bytes", [&](v1::RunSpec& s) { sampling(s)->add_stop(""); }},
      {"sampling.stop's bytes", [&](v1::RunSpec& s) { sampling(s)->add_stop(std::string(1025, 'x')); }},
      {"sampling.stop's texts",
       [&](v1::RunSpec& s) {
         for (int i = 0; i < 65; ++i) sampling(s)->add_stop("x");
       }},
      {"context_length", [](v1::RunSpec& s) { s.mutable_chat()->set_context_length(257); }},
      {"idle_seconds", [](v1::RunSpec& s) { s.mutable_chat()->set_idle_seconds(1u << 31); }},
  };
  for (const Case& c : cases) {
    v1::RunSpec spec = good_chat();
    c.spoil(spec);
    try {
      check_spec(spec, "run-1");
      ADD_FAILURE() << c.field;
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), "spec.invalid");
      EXPECT_NE(std::string(failure.what()).find(c.field), std::string::npos) << failure.what();
    }
  }
}

TEST(Spec, NamesTheFieldThatIsWrong) {
  const Case cases[] = {
      {"run_id", [](v1::RunSpec& s) { s.set_run_id("run-2"); }},
      {"task", [](v1::RunSpec& s) { s.clear_train(); }},
      {"threads", [](v1::RunSpec& s) { s.set_threads(65); }},
      {"compute", [](v1::RunSpec& s) { s.set_compute(static_cast<v1::ComputeType>(7)); }},
      {"data.train", [](v1::RunSpec& s) { s.mutable_data()->clear_train(); }},
      {"data.train",
       [](v1::RunSpec& s) { s.mutable_data()->mutable_train()->set_store_sha256(std::string(32, 'x')); }},
      {"device_path", [](v1::RunSpec& s) { s.mutable_data()->mutable_train()->set_device_path("text.txt"); }},
      {"sequence_length", [](v1::RunSpec& s) { s.mutable_data()->set_sequence_length(0); }},
      {"batch_size x data.sequence_length",
       [](v1::RunSpec& s) { s.mutable_train()->set_batch_size(1 << 20); }},
      {"batch_size", [](v1::RunSpec& s) { s.mutable_train()->set_batch_size(0); }},
      {"accumulation", [](v1::RunSpec& s) { s.mutable_train()->set_accumulation(0); }},
      {"dropout", [](v1::RunSpec& s) { s.mutable_train()->set_dropout(1.0f); }},
      {"dropout",
       [](v1::RunSpec& s) { s.mutable_train()->set_dropout(std::numeric_limits<float>::quiet_NaN()); }},
      {"validation_fraction", [](v1::RunSpec& s) { s.mutable_data()->set_validation_fraction(-0.1f); }},
      {"epochs", [](v1::RunSpec& s) { s.mutable_train()->set_steps(0); }},
      {"warmup_ratio", [](v1::RunSpec& s) { s.mutable_train()->mutable_optimizer()->set_warmup_ratio(1.5); }},
      {"lora.targets", [](v1::RunSpec& s) { s.mutable_train()->set_full(false); }},
      {"sample.max_tokens", [](v1::RunSpec& s) { s.mutable_train()->mutable_sample()->add_prompts("Call"); }},
  };
  for (const Case& c : cases) {
    v1::RunSpec spec = good();
    c.spoil(spec);
    try {
      check_spec(spec, "run-1");
      ADD_FAILURE() << c.field << " was accepted";
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), "spec.invalid");
      EXPECT_NE(std::string(failure.what()).find(c.field), std::string::npos) << failure.what();
    }
  }
}

TEST(Spec, NamesWhatIsWrongWithAnEvaluation) {
  const auto perplexity = [](v1::RunSpec& s) -> v1::EvaluateTask& {
    s.mutable_evaluate()->set_batch_size(4);
    return *s.mutable_evaluate();
  };
  const auto choices = [](v1::RunSpec& s) -> v1::ChoiceTask& {
    s.mutable_data()->set_format(v1::DATA_FORMAT_CHOICES);
    return *s.mutable_evaluate()->mutable_choices();
  };
  const Case good_ones[] = {
      {"perplexity", [&](v1::RunSpec& s) { perplexity(s); }},
      {"stride", [&](v1::RunSpec& s) { perplexity(s).set_stride(128); }},
      {"letters", [&](v1::RunSpec& s) { choices(s).set_method(v1::ChoiceTask::METHOD_LETTER); }},
      {"as much as the model sees", [&](v1::RunSpec& s) {
         choices(s);
         s.mutable_data()->set_sequence_length(0);
       }},
      {"task records", [&](v1::RunSpec& s) {
         choices(s).set_method(v1::ChoiceTask::METHOD_LIKELIHOOD);
         s.mutable_data()->clear_format();
       }},
  };
  for (const Case& c : good_ones) {
    v1::RunSpec spec = good();
    c.spoil(spec);
    EXPECT_NO_THROW(check_spec(spec, "run-1")) << c.field;
  }
  const Case cases[] = {
      {"evaluate.stride", [&](v1::RunSpec& s) { perplexity(s).set_stride(129); }},
      {"evaluate.stride",
       [&](v1::RunSpec& s) {
         choices(s);
         s.mutable_evaluate()->set_stride(1);
       }},
      {"batch_size", [&](v1::RunSpec& s) { perplexity(s).set_batch_size(0); }},
      {"choices.method", [&](v1::RunSpec& s) { choices(s).set_method(static_cast<v1::ChoiceTask::Method>(9)); }},
      {"choices.method",
       [&](v1::RunSpec& s) {
         choices(s).set_method(v1::ChoiceTask::METHOD_LETTER);
         s.mutable_data()->clear_format();
       }},
      {"data.format",
       [&](v1::RunSpec& s) {
         choices(s);
         s.mutable_data()->set_format(v1::DATA_FORMAT_TEXT);
       }},
      {"data is neither",
       [&](v1::RunSpec& s) {
         choices(s);
         s.mutable_data()->clear_train();
       }},
  };
  for (const Case& c : cases) {
    v1::RunSpec spec = good();
    c.spoil(spec);
    try {
      check_spec(spec, "run-1");
      ADD_FAILURE() << c.field << " was accepted";
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), "spec.invalid");
      EXPECT_NE(std::string(failure.what()).find(c.field), std::string::npos) << failure.what();
    }
  }
}

TEST(Spec, RefusesAnotherFormat) {
  v1::RunSpec spec = good();
  spec.set_format(2);
  try {
    check_spec(spec, "run-1");
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), "spec.version");
  }
}

TEST(RunFolder, TakesOnlyRunIds) {
  EXPECT_TRUE(valid_run_id("a"));
  EXPECT_TRUE(valid_run_id("0-run-9"));
  EXPECT_TRUE(valid_run_id(std::string(63, 'z')));
  for (const char* bad : {"", "-a", "A", "a/b", "..", "a.b", "a b", "ä"})
    EXPECT_FALSE(valid_run_id(bad)) << bad;
  EXPECT_FALSE(valid_run_id(std::string(64, 'z')));
  EXPECT_THROW(RunFolder("/data", "../x"), Failure);
}

}  // namespace
}  // namespace mft::train
