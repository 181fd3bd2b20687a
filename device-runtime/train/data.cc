#include "train/data.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "text/tokenize.h"

namespace mft::train {
namespace {

// The tokens of an earlier attempt, if they are there, whole, and of this tokenizer, text and options.
std::optional<TokenFile> kept_tokens(RunContext& context, const v1::DataFile& file,
                                     const TokenizeOptions& options, const std::string& path) {
  if (!stat_path(path)) return std::nullopt;
  try {
    TokenFile tokens = TokenFile::open(path);
    const auto is = [](const auto& digest, const std::string& bytes) {
      return bytes.size() == digest.size() &&
             std::equal(digest.begin(), digest.end(), reinterpret_cast<const std::uint8_t*>(bytes.data()));
    };
    const bool same_tokenizer = is(tokens.tokenizer_sha256(), context.spec.model().tokenizer_sha256());
    const bool same_text = file.store_sha256().empty() || is(tokens.text_sha256(), file.store_sha256());
    if (same_tokenizer && same_text && tokens.options_sha256() == digest_of(options)) return tokens;
    context.warn("data.tokens-rebuilt", path + " is of another text, tokenizer or configuration");
  } catch (const Failure& failure) {
    if (failure.code() != "data.bad-token-file") throw;
    context.warn("data.tokens-rebuilt", failure.what());
  }
  remove_file(path);
  return std::nullopt;
}

void warn_of_losses(RunContext& context, const TokenFile& tokens, const TokenizeOptions& options) {
  const auto of = [&](std::uint64_t count) {
    return std::to_string(count) + " of " + std::to_string(tokens.records() + tokens.skipped()) +
           " records of " + options.name;
  };
  if (tokens.truncated() > 0) {
    context.warn("data.truncated", of(tokens.truncated()) + " are longer than a row of " +
                                       std::to_string(context.spec.data().sequence_length()) +
                                       " tokens: their ends are cut off");
  }
  if (tokens.skipped() > 0)
    context.warn("data.skipped", of(tokens.skipped()) + " are left out: there is nothing to learn in them");
}

}  // namespace

std::string tokenizer_path(RunContext& context) {
  if (context.spec.model().tokenizer_sha256().empty()) {
    throw Failure("model.no-tokenizer", "the model has no tokenizer",
                  "Import the model from a folder with tokenizer.json, or give one with --tokenizer.");
  }
  return context.stored.verified(context.spec.model().tokenizer_sha256(),
                                 PhaseProgress(context, "verify", "bytes"));
}

Tokenizer open_tokenizer(RunContext& context) {
  Tokenizer tokenizer = Tokenizer::open(tokenizer_path(context));
  const std::uint32_t rows = context.spec.model().config().vocab_size();
  // An added token without a row is refused where it occurs.
  if (static_cast<std::uint32_t>(tokenizer.text_vocab_size()) > rows) {
    throw Failure("model.tokenizer-mismatch",
                  "the tokenizer has " + std::to_string(tokenizer.text_vocab_size()) +
                      " tokens, the model's embedding only " + std::to_string(rows) + " rows",
                  "Import the model again with the tokenizer that belongs to it.");
  }
  return tokenizer;
}

TokenFile open_tokens(RunContext& context, const v1::DataFile& file, const std::string& name) {
  const std::string path = context.folder / (name + ".tokens");
  const TokenizeOptions options =
      tokenize_options(context.spec.data(), file, context.spec.model().config().vocab_size());
  if (std::optional<TokenFile> kept = kept_tokens(context, file, options, path)) return std::move(*kept);
  const std::string tokenizer = tokenizer_path(context);
  const std::string text =
      file.store_sha256().empty()
          ? file.device_path()
          : context.stored.verified(file.store_sha256(), PhaseProgress(context, "verify", "bytes"));
  TokenFile tokens =
      tokenize_file(text, tokenizer, path, options, PhaseProgress(context, "tokenize", "bytes"));
  warn_of_losses(context, tokens, options);
  return tokens;
}

RowOptions row_options(const v1::RunSpec& spec) {
  return {spec.data().sequence_length(), static_cast<std::int32_t>(spec.model().config().vocab_size()),
          spec.data().packing()};
}

Dataset open_dataset(RunContext& context) {
  const v1::DataConfig& data = context.spec.data();
  const RowOptions rows = row_options(context.spec);
  TokenFile train = open_tokens(context, data.train(), "train");
  if (!data.has_validation()) return Dataset(std::move(train), data.validation_fraction(), rows);
  TokenFile validation = open_tokens(context, data.validation(), "validation");
  return Dataset(std::move(train), std::move(validation), rows);
}

void describe_dataset(const Dataset& data, v1::AttemptStarted& started) {
  started.set_train_tokens(data.train().tokens());
  started.set_validation_tokens(data.validation().tokens());
  started.set_rows_per_epoch(
      static_cast<std::uint32_t>(std::min<std::uint64_t>(data.train().rows(), 0xffffffffu)));
  started.set_data_format(data.format());
  started.set_train_records(data.train().records());
  started.set_validation_records(data.validation().records());
  started.set_truncated_records(data.truncated());
  started.set_skipped_records(data.skipped());
  started.set_train_labels(data.train().labels());
}

}  // namespace mft::train
