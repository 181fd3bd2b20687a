#include "train/spec.h"

#include <cmath>
#include <cstdint>

#include "base/error.h"

namespace mft::train {
namespace {

constexpr std::uint64_t kMaxBatchTokens = 1 << 22;  // of one micro-batch
constexpr std::uint32_t kMaxAccumulation = 1 << 16;
constexpr std::uint32_t kMaxPromptBytes = 1 << 19;  // it comes back in an event, whose frame takes 1 MiB
constexpr std::uint32_t kMaxStopTexts = 64;
constexpr std::uint32_t kMaxStopBytes = 1024;
constexpr std::uint32_t kMaxIdleSeconds = 7 * 24 * 3600;
constexpr std::uint32_t kMaxNewTokens = 1 << 16;

[[noreturn]] void invalid(const std::string& field, const std::string& value, const std::string& rule) {
  throw Failure("spec.invalid", field + " is " + value + ", but must be " + rule);
}

void require_between(const std::string& field, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  if (value < least || value > most) {
    invalid(field, std::to_string(value), "from " + std::to_string(least) + " to " + std::to_string(most));
  }
}

// Also refuses what is not a number.
void require_fraction(const std::string& field, float value) {
  if (!(value >= 0.0f && value < 1.0f)) invalid(field, std::to_string(value), "at least 0 and below 1");
}

void check_file(const std::string& field, const v1::DataFile& file) {
  const bool stored = !file.store_sha256().empty();
  const bool on_phone = !file.device_path().empty();
  if (stored == on_phone) invalid(field, stored ? "both" : "neither", "a stored file or a path on the phone");
  if (stored && file.store_sha256().size() != 32) {
    invalid(field + ".store_sha256", std::to_string(file.store_sha256().size()) + " bytes", "32 bytes");
  }
  if (on_phone && file.device_path().front() != '/')
    invalid(field + ".device_path", file.device_path(), "absolute");
}

void check_data(const v1::DataConfig& data, std::uint32_t batch_size, bool train) {
  if (train || !data.has_validation()) check_file("data.train", data.train());
  if (data.has_validation()) check_file("data.validation", data.validation());
  require_fraction("data.validation_fraction", data.validation_fraction());
  require_between("data.sequence_length", data.sequence_length(), 1, kMaxBatchTokens);
  require_between("batch_size", batch_size, 1, kMaxBatchTokens);
  require_between("batch_size x data.sequence_length",
                  static_cast<std::uint64_t>(batch_size) * data.sequence_length(), 1, kMaxBatchTokens);
}

void check_evaluate(const v1::RunSpec& spec) {
  const v1::EvaluateTask& task = spec.evaluate();
  const v1::DataConfig& data = spec.data();
  if (!task.has_choices()) {
    check_data(data, task.batch_size(), false);
    require_between("evaluate.stride", task.stride(), 0, data.sequence_length());
    return;
  }
  check_file("data", data.has_validation() ? data.validation() : data.train());
  require_between("data.sequence_length", data.sequence_length(), 0, kMaxBatchTokens);
  require_between("evaluate.stride of a multiple choice", task.stride(), 0, 0);
  const v1::ChoiceTask::Method method = task.choices().method();
  if (!v1::ChoiceTask::Method_IsValid(method)) {
    invalid("evaluate.choices.method", std::to_string(static_cast<int>(method)), "one that this runtime knows");
  }
  const v1::DataFormat format = data.format();
  if (format != v1::DATA_FORMAT_CHOICES && format != v1::DATA_FORMAT_UNSPECIFIED) {
    invalid("data.format", std::to_string(static_cast<int>(format)), "a format of questions");
  }
  if (format == v1::DATA_FORMAT_UNSPECIFIED && method == v1::ChoiceTask::METHOD_LETTER) {
    invalid("evaluate.choices.method", "by letter", "by likelihood for records that have a context");
  }
}

void check_sampling(const std::string& field, const v1::GenerateTask& task) {
  require_between(field + ".max_tokens", task.max_tokens(), 1, kMaxNewTokens);
  if (!(task.temperature() >= 0.0f && std::isfinite(task.temperature()))) {
    invalid(field + ".temperature", std::to_string(task.temperature()), "0 or more");
  }
  if (!(task.top_p() >= 0.0f && task.top_p() <= 1.0f)) {
    invalid(field + ".top_p", std::to_string(task.top_p()), "from 0 to 1");
  }
  if (!(task.repetition_penalty() >= 0.0f && std::isfinite(task.repetition_penalty()))) {
    invalid(field + ".repetition_penalty", std::to_string(task.repetition_penalty()), "0 or more");
  }
  require_between(field + ".stop's texts", static_cast<std::uint64_t>(task.stop_size()), 0, kMaxStopTexts);
  for (const std::string& stop : task.stop()) {
    require_between(field + ".stop's bytes", stop.size(), 1, kMaxStopBytes);
  }
}

void check_generate(const std::string& field, const v1::GenerateTask& task) {
  if (task.prompts().empty()) invalid(field + ".prompts", "empty", "some text");
  for (const std::string& prompt : task.prompts()) {
    require_between(field + ".prompts' bytes", prompt.size(), 1, kMaxPromptBytes);
  }
  check_sampling(field, task);
}

void check_chat(const v1::RunSpec& spec) {
  const v1::ChatTask& task = spec.chat();
  if (!task.sampling().prompts().empty()) invalid("chat.sampling.prompts", "given", "empty: they are said later");
  check_sampling("chat.sampling", task.sampling());
  require_between("chat.context_length", task.context_length(), 0, spec.model().config().max_positions());
  require_between("chat.idle_seconds", task.idle_seconds(), 0, kMaxIdleSeconds);
}

void check_train(const v1::RunSpec& spec) {
  const v1::TrainTask& task = spec.train();
  check_data(spec.data(), task.batch_size(), true);
  require_between("train.accumulation", task.accumulation(), 1, kMaxAccumulation);
  require_fraction("train.dropout", task.dropout());
  require_fraction("train.lora.dropout", task.lora().dropout());
  const double warmup = task.optimizer().warmup_ratio();
  if (!(warmup >= 0 && warmup <= 1))
    invalid("train.optimizer.warmup_ratio", std::to_string(warmup), "from 0 to 1");
  if (task.steps() == 0 && !(task.epochs() > 0.0f && task.epochs() < 1e6f)) {
    invalid("train.epochs", std::to_string(task.epochs()), "above 0 when train.steps is 0");
  }
  if (!task.full() && task.lora().targets().empty()) invalid("train.lora.targets", "empty", "given for LoRA");
  if (!task.sample().prompts().empty()) check_generate("train.sample", task.sample());
}

}  // namespace

void check_spec(const v1::RunSpec& spec, const std::string& run_id) {
  if (spec.format() != 1) {
    throw Failure("spec.version",
                  "run specification of format " + std::to_string(spec.format()) + ", this runtime knows 1",
                  "Use the version of mft that belongs to this runtime.");
  }
  if (spec.run_id() != run_id) invalid("run_id", "'" + spec.run_id() + "'", "'" + run_id + "'");
  require_between("threads", spec.threads(), 0, 64);
  if (!v1::ComputeType_IsValid(spec.compute())) {
    invalid("compute", std::to_string(static_cast<int>(spec.compute())), "a type that this runtime knows");
  }
  switch (spec.task_case()) {
    case v1::RunSpec::kTrain:
      return check_train(spec);
    case v1::RunSpec::kEvaluate:
      return check_evaluate(spec);
    case v1::RunSpec::kGenerate:
      return check_generate("generate", spec.generate());
    case v1::RunSpec::kChat:
      return check_chat(spec);
    case v1::RunSpec::TASK_NOT_SET:
      invalid("task", "not set", "train, evaluate, generate or chat");
  }
}

}  // namespace mft::train
