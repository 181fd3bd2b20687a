#include "text/dataset.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "text/data_format.h"
#include "text/permutation.h"

namespace mft {
namespace {

constexpr const char* kMoreText = "Give more text, or a shorter sequence length.";

void require_row(const Split& split, const std::string& what, const std::string& hint) {
  if (split.rows() > 0) return;
  const bool enough = split.tokens() >= split.row_tokens();
  throw Failure("data.too-short",
                what + " has " + std::to_string(split.tokens()) + " tokens" +
                    (enough ? " and nothing to learn in a whole row of " : "; a row needs ") +
                    std::to_string(split.row_tokens()),
                hint);
}

v1::Packing packing_of(const TokenFile& file, const RowOptions& options) {
  const v1::Packing packing = options.packing;
  if (file.has_records()) return packing == v1::PACKING_UNSPECIFIED ? v1::PACKING_NONE : packing;
  if (packing == v1::PACKING_UNSPECIFIED || packing == v1::PACKING_WRAP) return v1::PACKING_WRAP;
  throw Failure("data.packing", "a plain text has no records that could be rows",
                "Set data.packing to auto or wrap, or give records: one {\"text\": ...} a line.");
}

Split part_of(const TokenFile& file, std::uint64_t begin, std::uint64_t end, const RowOptions& options) {
  const v1::Packing packing = packing_of(file, options);
  if (begin >= end) throw Failure("data.too-short", "the data has no tokens", kMoreText);
  if (file.has_records())
    return Split::of_records(file, begin, end, packing, options.row_tokens, options.vocab_size);
  return Split::of_tokens(file, begin, end, options.row_tokens, options.vocab_size);
}

// What a split is counted in: tokens or records.
std::uint64_t units(const TokenFile& file) { return file.has_records() ? file.records() : file.size(); }

}  // namespace

Dataset::Dataset(TokenFile train, double validation_fraction, const RowOptions& options)
    : train_file_(std::make_unique<TokenFile>(std::move(train))) {
  if (!(validation_fraction >= 0 && validation_fraction < 1)) {
    throw Failure("data.bad-fraction", "the validation fraction must be at least 0 and less than 1",
                  "Set data.validation_fraction, for example to 0.05.");
  }
  const std::uint64_t n = units(*train_file_);
  auto validation = static_cast<std::uint64_t>(static_cast<double>(n) * validation_fraction);
  const bool records = train_file_->has_records();
  if (records && validation_fraction > 0) {
    validation = std::max<std::uint64_t>(validation, 1);
    if (n < 2)
      throw Failure("data.too-short",
                    "the data has 1 record to learn from; with a validation split it needs 2",
                    "Give more records, or set data.validation_fraction: 0.");
  }
  train_ = part_of(*train_file_, 0, n - validation, options);
  require_row(train_, "the training data", kMoreText);
  if (validation_fraction == 0) return;
  validation_ = part_of(*train_file_, n - validation, n, options);
  require_row(validation_,
              "the validation split, the last " + std::to_string(validation_fraction) + " of the data,",
              "Give more text, a larger validation fraction, or 0 for no validation.");
}

Dataset::Dataset(TokenFile train, TokenFile validation, const RowOptions& options)
    : train_file_(std::make_unique<TokenFile>(std::move(train))),
      validation_file_(std::make_unique<TokenFile>(std::move(validation))) {
  if (train_file_->format() != validation_file_->format()) {
    throw Failure("data.format",
                  "the training data is of format " + format_name(train_file_->format()) +
                      ", the validation data of format " + format_name(validation_file_->format()),
                  "Give both in one format, or set data.format.");
  }
  train_ = part_of(*train_file_, 0, units(*train_file_), options);
  validation_ = part_of(*validation_file_, 0, units(*validation_file_), options);
  require_row(train_, "the training data", kMoreText);
  require_row(validation_, "the validation data", kMoreText);
}

std::uint64_t Dataset::truncated() const {
  return train_file_->truncated() + (validation_file_ ? validation_file_->truncated() : 0);
}

std::uint64_t Dataset::skipped() const {
  return train_file_->skipped() + (validation_file_ ? validation_file_->skipped() : 0);
}

void Dataset::fill_train(std::uint64_t cursor, std::uint32_t rows, bool shuffle, std::uint64_t seed,
                         Batch& out) const {
  out.clear();
  const std::uint64_t n = train_.rows();
  for (std::uint32_t i = 0; i < rows; ++i) {
    const std::uint64_t epoch = (cursor + i) / n;
    const std::uint64_t index = (cursor + i) % n;
    train_.append_row(shuffle ? shuffle_row(index, n, seed, epoch) : index, out);
  }
}

Split whole_file(const TokenFile& file, const RowOptions& options) {
  Split split = part_of(file, 0, units(file), options);
  require_row(split, "the data", kMoreText);
  return split;
}

}  // namespace mft
