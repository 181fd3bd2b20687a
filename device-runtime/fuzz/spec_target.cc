// A run's specification, as a host brings it: what it says is checked, and what was checked can be planned
// without overflow.
#include "fuzz/target.h"
#include "mft/v1/run.pb.h"
#include "models/model.h"
#include "train/spec.h"

namespace mft::fuzz {
namespace {

models::ModelOptions options_of(const v1::RunSpec& spec) {
  models::ModelOptions options;
  if (spec.has_train()) {
    options.method = spec.train().full() ? models::Method::kFull : models::Method::kLora;
    const auto& targets = spec.train().lora().targets();
    if (!spec.train().full()) options.adapters.assign(targets.begin(), targets.end());
    options.max_tokens = spec.train().batch_size() * spec.data().sequence_length();
    options.max_length = spec.data().sequence_length();
  }
  return options;
}

void run(std::string_view input) {
  v1::RunSpec spec;
  if (!spec.ParseFromArray(input.data(), static_cast<int>(input.size()))) return;
  if (!accepts("spec.", [&] { train::check_spec(spec, spec.run_id()); })) return;
  const v1::ModelConfig& config = spec.model().config();
  (void)accepts("model.", [&] {
    models::check_config(config);
    (void)models::plan_memory(config, options_of(spec), 2);
  });
}

const Registration kTarget("spec", run);

}  // namespace
}  // namespace mft::fuzz
