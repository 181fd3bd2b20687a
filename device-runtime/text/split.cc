#include "text/split.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace mft {
namespace {

[[noreturn]] void bad_record(std::uint64_t record, const std::string& what) {
  throw Failure("data.bad-token-file", "record " + std::to_string(record + 1) + " of the token file " + what,
                "Remove the run's .tokens files; they are made again.");
}

}  // namespace

void Batch::clear() {
  tokens.clear();
  targets.clear();
  starts.assign(1, 0);
  labels = 0;
}

Split Split::of_tokens(const TokenFile& file, std::uint64_t begin, std::uint64_t end,
                       std::uint32_t row_tokens, std::int32_t vocab_size) {
  if (row_tokens == 0 || vocab_size <= 0 || begin > end || end > file.size())
    throw Failure("internal", "a split of the data makes no sense");
  Split split;
  split.file_ = &file;
  split.begin_ = begin;
  split.end_ = end;
  split.row_tokens_ = row_tokens;
  split.vocab_size_ = static_cast<std::uint32_t>(vocab_size);
  split.wrap();
  return split;
}

Split Split::of_records(const TokenFile& file, std::uint64_t first, std::uint64_t last, v1::Packing packing,
                        std::uint32_t row_tokens, std::int32_t vocab_size) {
  if (row_tokens == 0 || vocab_size <= 0 || first >= last || last > file.records() ||
      packing == v1::PACKING_UNSPECIFIED)
    throw Failure("internal", "a split of the data makes no sense");
  Split split;
  split.file_ = &file;
  split.packing_ = packing;
  split.first_ = first;
  split.last_ = last;
  split.begin_ = file.record(first).first;
  split.end_ = file.record(last - 1).second;
  if (split.begin_ > split.end_) bad_record(first, "ends before it begins");
  split.row_tokens_ = row_tokens;
  split.vocab_size_ = static_cast<std::uint32_t>(vocab_size);
  if (packing == v1::PACKING_WRAP) {
    split.wrap();
  } else {
    split.take_records();
    if (packing == v1::PACKING_PACK) split.pack();
  }
  return split;
}

std::uint64_t Split::learned_in(std::uint64_t begin, std::uint64_t end) const {
  std::uint64_t count = 0;
  for (std::uint64_t i = begin; i < end; ++i) count += file_->learned(i) ? 1 : 0;
  return count;
}

void Split::wrap() {
  const std::uint64_t whole = tokens() / row_tokens_;
  if (!file_->has_records()) {
    const std::uint64_t targets = std::min(whole * row_tokens_, tokens() > 0 ? tokens() - 1 : 0);
    // A row of one token at the very end has no target.
    rows_ = (targets + row_tokens_ - 1) / row_tokens_;
    labels_ = targets;
    return;
  }
  for (std::uint64_t row = 0; row < whole; ++row) {
    const std::uint64_t first = begin_ + row * row_tokens_;
    const std::uint64_t learned = learned_in(first + 1, std::min(first + row_tokens_ + 1, end_));
    if (learned == 0) continue;
    labels_ += learned;
    index_.push_back(row);
  }
  rows_ = index_.size();
}

void Split::take_records() {
  for (std::uint64_t record = first_; record < last_; ++record) {
    const auto [begin, end] = file_->record(record);
    if (end - begin - 1 > row_tokens_) bad_record(record, "is longer than a row");
    const std::uint64_t learned = learned_in(begin + 1, end);
    if (learned == 0) bad_record(record, "has nothing to learn");
    labels_ += learned;
  }
  rows_ = records();
}

// Next fit: a record that does not fit into the row begins the next one.
void Split::pack() {
  std::uint64_t filled = row_tokens_;
  for (std::uint64_t record = first_; record < last_; ++record) {
    const auto [begin, end] = file_->record(record);
    const std::uint64_t inputs = end - begin - 1;
    if (filled + inputs > row_tokens_) {
      index_.push_back(record);
      filled = 0;
    }
    filled += inputs;
  }
  rows_ = index_.size();
  index_.push_back(last_);
}

std::int32_t Split::token(std::uint64_t index) const {
  const std::uint32_t id = file_->at(index);
  if (id >= vocab_size_) {
    throw Failure("data.token-out-of-range",
                  "the data has token " + std::to_string(id) + "; the model's vocabulary has " +
                      std::to_string(vocab_size_),
                  "Use the tokenizer that belongs to the model.");
  }
  return static_cast<std::int32_t>(id);
}

// The inputs begin at `begin`; targets from `end` on there are none.
void Split::append_sequence(std::uint64_t begin, std::uint64_t inputs, std::uint64_t end, Batch& out) const {
  std::int32_t next = token(begin);
  for (std::uint64_t i = begin; i < begin + inputs; ++i) {
    out.tokens.push_back(next);
    if (i + 1 < end) next = token(i + 1);
    const bool label = i + 1 < end && file_->learned(i + 1);
    out.targets.push_back(label ? next : kNoTarget);
    out.labels += label ? 1 : 0;
  }
  out.starts.push_back(static_cast<std::uint32_t>(out.tokens.size()));
}

void Split::append_row(std::uint64_t row, Batch& out) const {
  if (row >= rows_) throw Failure("internal", "row " + std::to_string(row) + " of " + std::to_string(rows_));
  if (packing_ == v1::PACKING_WRAP) {
    const std::uint64_t piece = index_.empty() ? row : index_[row];
    return append_sequence(begin_ + piece * row_tokens_, row_tokens_, end_, out);
  }
  const bool packed = packing_ == v1::PACKING_PACK;
  const std::uint64_t first = packed ? index_[row] : first_ + row;
  const std::uint64_t last = packed ? index_[row + 1] : first + 1;
  for (std::uint64_t record = first; record < last; ++record) {
    const auto [begin, end] = file_->record(record);
    append_sequence(begin, end - begin - 1, end, out);
  }
}

void fill_in_order(const Split& split, std::uint64_t first, std::uint32_t rows, Batch& out) {
  out.clear();
  for (std::uint64_t row = first; row < split.rows() && row - first < rows; ++row) split.append_row(row, out);
}

}  // namespace mft
