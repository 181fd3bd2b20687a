// A run's text as tokens: tokenized once, kept in the run's folder, and from then on the run's truth about
// its data (the text itself may be deleted or changed on the phone without changing the run).
#pragma once

#include <cstdint>
#include <string>

#include "models/model.h"
#include "text/dataset.h"
#include "text/token_file.h"
#include "text/tokenizer.h"
#include "train/context.h"

namespace mft::train {

// Path of the model's tokenizer.bin in the store, verified. Failure model.no-tokenizer.
std::string tokenizer_path(RunContext& context);
// Failure model.tokenizer-mismatch when it has ids that the model has not.
Tokenizer open_tokenizer(RunContext& context);

// Tokens of one file of the data configuration; cached as runs/<id>/<name>.tokens.
TokenFile open_tokens(RunContext& context, const v1::DataFile& file, const std::string& name);

// How rows are made of them.
RowOptions row_options(const v1::RunSpec& spec);

// Training and validation split as the data configuration says.
Dataset open_dataset(RunContext& context);
// What of it the attempt's first event says.
void describe_dataset(const Dataset& data, v1::AttemptStarted& started);

inline models::Batch view(const Batch& batch) {
  static_assert(kNoTarget == models::kNoLabel);
  return {static_cast<std::uint32_t>(batch.starts.size() - 1), batch.starts.data(), batch.tokens.data(),
          batch.targets.data()};
}

}  // namespace mft::train
