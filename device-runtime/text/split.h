// Rows of a token file, or of a part of it: what a batch is made of.
//
// T: the most inputs a row has; a row of inputs x has as targets the tokens that follow each, kNoTarget where
// that one is not to be learned. By packing:
//
// PACKING_WRAP: row i has the split's tokens [iT, iT + T) as inputs, wherever records begin; the last target
//   is the first token of row i + 1. Rows are whole: the n mod T tokens left at the end are no row (the first
//   of them is still the last row's last target). Where the split ends with the last row, that target is
//   kNoTarget.
// PACKING_NONE: row i is record i, one sequence of all its tokens but the last.
// PACKING_PACK: a row is as many records, in the order of the file, as fit into T inputs; each is a sequence
//   of its own.
//
// A row without anything to learn is none, so no batch is without a label.
#pragma once

#include <cstdint>
#include <vector>

#include "text/token_file.h"

namespace mft {

// No label here: the loss leaves it out (torch's ignore_index).
inline constexpr std::int32_t kNoTarget = -100;

// Sequences of any lengths, one behind the other: a token sees those of its own sequence alone.
struct Batch {
  std::vector<std::int32_t> tokens;   // [N]
  std::vector<std::int32_t> targets;  // [N], kNoTarget where there is no label
  std::vector<std::uint32_t> starts;  // [S + 1] where each sequence begins, and N; {0} when there is none
  std::uint64_t labels = 0;           // targets that are not kNoTarget

  void clear();
};

class Split {
 public:
  Split() = default;
  // Tokens [begin, end) of a file, wrapped. The file must outlive the split. vocab_size: of the model.
  static Split of_tokens(const TokenFile& file, std::uint64_t begin, std::uint64_t end,
                         std::uint32_t row_tokens, std::int32_t vocab_size);
  // Records [first, last) of a file that has some. Failure data.bad-token-file when a record is too long for
  // a row (but for PACKING_WRAP), or has nothing to learn: tokenize.h writes no such.
  static Split of_records(const TokenFile& file, std::uint64_t first, std::uint64_t last, v1::Packing packing,
                          std::uint32_t row_tokens, std::int32_t vocab_size);

  std::uint64_t rows() const { return rows_; }
  std::uint32_t row_tokens() const { return row_tokens_; }  // T
  std::uint64_t tokens() const { return end_ - begin_; }
  std::uint64_t records() const { return last_ - first_; }
  std::uint64_t labels() const { return labels_; }  // of all rows

  // Appends the sequences of a row. row < rows(). Failure data.token-out-of-range for an id that the model
  // has no row for.
  void append_row(std::uint64_t row, Batch& out) const;

 private:
  void wrap();
  void take_records();
  void pack();
  std::uint64_t learned_in(std::uint64_t begin, std::uint64_t end) const;
  void append_sequence(std::uint64_t begin, std::uint64_t inputs, std::uint64_t end, Batch& out) const;
  std::int32_t token(std::uint64_t index) const;

  const TokenFile* file_ = nullptr;
  v1::Packing packing_ = v1::PACKING_WRAP;
  std::uint64_t begin_ = 0;  // tokens
  std::uint64_t end_ = 0;
  std::uint64_t first_ = 0;  // records
  std::uint64_t last_ = 0;
  std::uint32_t row_tokens_ = 0;
  std::uint32_t vocab_size_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t labels_ = 0;
  // PACKING_PACK: the first record of each row, and the last one's end. Of a file of records wrapped: which
  // of its pieces of T tokens are rows.
  std::vector<std::uint64_t> index_;
};

// Rows first .. first + rows of a split in its order, fewer at its end (out.tokens is empty behind it).
void fill_in_order(const Split& split, std::uint64_t first, std::uint32_t rows, Batch& out);

}  // namespace mft
