// Rows of tokens for training and evaluation, out of one token stream.
//
// T: tokens a row; B: rows a batch; n: tokens of a split.
// Row i of a split has tokens s[iT .. iT+T) as inputs, and as targets the same shifted by one within the
// stream: the last target of row i is the first token of row i+1. Rows are whole: the n mod T tokens left at
// the end are no row (the first of them is still the last row's last target). Where the stream ends with the
// last row, that target is kNoTarget.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "text/token_file.h"

namespace mft {

// No label here: the loss leaves it out (torch's ignore_index).
inline constexpr std::int32_t kNoTarget = -100;

// A part of the tokens, cut in rows.
class Split {
 public:
  Split() = default;
  // [begin, end) of the file's tokens. The file must outlive the split. vocab_size: of the model.
  Split(const TokenFile* file, std::uint64_t begin, std::uint64_t end, std::uint32_t row_tokens,
        std::int32_t vocab_size);

  std::uint64_t tokens() const { return end_ - begin_; }
  std::uint64_t rows() const { return rows_; }
  std::uint32_t row_tokens() const { return row_tokens_; }  // T

  // tokens, targets: [T]. row < rows(). Failure data.token-out-of-range for an id that the model has no row
  // for.
  void read_row(std::uint64_t row, std::int32_t* tokens, std::int32_t* targets) const;

 private:
  const TokenFile* file_ = nullptr;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t rows_ = 0;
  std::uint32_t row_tokens_ = 0;
  std::uint32_t vocab_size_ = 0;
};

// Sequences of any lengths, one behind the other: a token sees those of its own sequence alone.
struct Batch {
  std::vector<std::int32_t> tokens;   // [N]
  std::vector<std::int32_t> targets;  // [N], kNoTarget where there is no label
  std::vector<std::uint32_t> starts;  // [S + 1] where each sequence begins, and N; {0} when there is none
  std::uint64_t labels = 0;           // targets that are not kNoTarget
};

class Dataset {
 public:
  // The last floor(n * validation_fraction) tokens are the validation split, the others train; no target of
  // the train split comes from the validation split. `validation`, if given, is the whole validation split
  // instead. Failure data.too-short: a split that should have rows has fewer than T tokens (says how many
  // there are, how many are needed). vocab_size: of the model.
  Dataset(TokenFile train, std::uint32_t row_tokens, double validation_fraction, std::int32_t vocab_size);
  Dataset(TokenFile train, TokenFile validation, std::uint32_t row_tokens, std::int32_t vocab_size);

  const Split& train() const { return train_; }
  const Split& validation() const { return validation_; }  // no rows when there is none

  // The training rows number cursor, cursor + 1, ... of an endless stream of epochs: row number k is in epoch
  // k / rows(), in the order of that epoch (shuffle_row, or as they stand). A pure function of its arguments:
  // a resume needs the cursor alone.
  void fill_train(std::uint64_t cursor, std::uint32_t rows, bool shuffle, std::uint64_t seed,
                  Batch& out) const;

  // Validation rows first .. first + rows, in the order of the text; fewer at the end (out.tokens says
  // how many, none: done).
  void fill_validation(std::uint64_t first, std::uint32_t rows, Batch& out) const;

 private:
  std::unique_ptr<TokenFile> train_file_;
  std::unique_ptr<TokenFile> validation_file_;
  Split train_;
  Split validation_;
};

// All tokens of a file, for evaluating it. Failure data.too-short when there are fewer than T.
Split whole_file(const TokenFile& file, std::uint32_t row_tokens, std::int32_t vocab_size);

// Rows first .. first + rows of a split in the order of the text, fewer at its end (out.tokens is empty behind it).
void fill_in_order(const Split& split, std::uint64_t first, std::uint32_t rows, Batch& out);

}  // namespace mft
