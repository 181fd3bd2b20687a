#include "text/dataset.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "text/permutation.h"

namespace mft {
namespace {

void require_row(const Split& split, const std::string& what, const std::string& hint) {
  if (split.rows() > 0) return;
  throw Failure("data.too-short",
                what + " has " + std::to_string(split.tokens()) + " tokens; a row needs " +
                    std::to_string(split.row_tokens()),
                hint);
}

constexpr const char* kMoreText = "Give more text, or a shorter sequence length.";

void start_batch(const Split& split, std::uint32_t rows, Batch& out) {
  out.starts.clear();
  for (std::uint32_t row = 0; row <= rows; ++row) out.starts.push_back(row * split.row_tokens());
  out.tokens.resize(out.starts.back());
  out.targets.resize(out.starts.back());
  out.labels = 0;
}

void read_batch_row(const Split& split, std::uint64_t row, std::uint32_t to, Batch& out) {
  const std::uint32_t length = split.row_tokens();
  std::int32_t* targets = out.targets.data() + out.starts[to];
  split.read_row(row, out.tokens.data() + out.starts[to], targets);
  out.labels += length - (targets[length - 1] == kNoTarget ? 1 : 0);
}

}  // namespace

Split::Split(const TokenFile* file, std::uint64_t begin, std::uint64_t end, std::uint32_t row_tokens,
             std::int32_t vocab_size)
    : file_(file),
      begin_(begin),
      end_(end),
      row_tokens_(row_tokens),
      vocab_size_(static_cast<std::uint32_t>(vocab_size)) {
  if (row_tokens == 0 || vocab_size <= 0 || begin > end || end > file->size()) {
    throw Failure("internal", "a split of the data makes no sense");
  }
  rows_ = tokens() / row_tokens;
}

void Split::read_row(std::uint64_t row, std::int32_t* tokens, std::int32_t* targets) const {
  if (row >= rows_) throw Failure("internal", "row " + std::to_string(row) + " of " + std::to_string(rows_));
  const std::uint64_t first = begin_ + row * row_tokens_;
  const auto read = [&](std::uint64_t index) {
    const std::uint32_t id = file_->at(index);
    if (id >= vocab_size_) {
      throw Failure("data.token-out-of-range",
                    "the data has token " + std::to_string(id) + "; the model's vocabulary has " +
                        std::to_string(vocab_size_),
                    "Use the tokenizer that belongs to the model.");
    }
    return static_cast<std::int32_t>(id);
  };
  for (std::uint32_t i = 0; i < row_tokens_; ++i) {
    tokens[i] = read(first + i);
    if (i > 0) targets[i - 1] = tokens[i];
  }
  const std::uint64_t after = first + row_tokens_;
  targets[row_tokens_ - 1] = after < end_ ? read(after) : kNoTarget;
}

Dataset::Dataset(TokenFile train, std::uint32_t row_tokens, double validation_fraction,
                 std::int32_t vocab_size)
    : train_file_(std::make_unique<TokenFile>(std::move(train))) {
  if (!(validation_fraction >= 0 && validation_fraction < 1)) {
    throw Failure("data.bad-fraction", "the validation fraction must be at least 0 and less than 1",
                  "Set data.validation_fraction, for example to 0.05.");
  }
  const std::uint64_t n = train_file_->size();
  const auto validation = static_cast<std::uint64_t>(static_cast<double>(n) * validation_fraction);
  train_ = Split(train_file_.get(), 0, n - validation, row_tokens, vocab_size);
  require_row(train_, "the training data", kMoreText);
  if (validation_fraction == 0) return;
  validation_ = Split(train_file_.get(), n - validation, n, row_tokens, vocab_size);
  require_row(validation_,
              "the validation split, the last " + std::to_string(validation_fraction) + " of the data,",
              "Give more text, a larger validation fraction, or 0 for no validation.");
}

Dataset::Dataset(TokenFile train, TokenFile validation, std::uint32_t row_tokens, std::int32_t vocab_size)
    : train_file_(std::make_unique<TokenFile>(std::move(train))),
      validation_file_(std::make_unique<TokenFile>(std::move(validation))),
      train_(train_file_.get(), 0, train_file_->size(), row_tokens, vocab_size),
      validation_(validation_file_.get(), 0, validation_file_->size(), row_tokens, vocab_size) {
  require_row(train_, "the training data", kMoreText);
  require_row(validation_, "the validation data", kMoreText);
}

void Dataset::fill_train(std::uint64_t cursor, std::uint32_t rows, bool shuffle, std::uint64_t seed,
                         Batch& out) const {
  start_batch(train_, rows, out);
  const std::uint64_t n = train_.rows();
  for (std::uint32_t i = 0; i < rows; ++i) {
    const std::uint64_t epoch = (cursor + i) / n;
    const std::uint64_t index = (cursor + i) % n;
    read_batch_row(train_, shuffle ? shuffle_row(index, n, seed, epoch) : index, i, out);
  }
}

void Dataset::fill_validation(std::uint64_t first, std::uint32_t rows, Batch& out) const {
  fill_in_order(validation_, first, rows, out);
}

Split whole_file(const TokenFile& file, std::uint32_t row_tokens, std::int32_t vocab_size) {
  Split split(&file, 0, file.size(), row_tokens, vocab_size);
  require_row(split, "the data", kMoreText);
  return split;
}

void fill_in_order(const Split& split, std::uint64_t first, std::uint32_t rows, Batch& out) {
  const std::uint64_t left = first < split.rows() ? split.rows() - first : 0;
  const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(rows, left));
  start_batch(split, count, out);
  for (std::uint32_t i = 0; i < count; ++i) read_batch_row(split, first + i, i, out);
}

}  // namespace mft
