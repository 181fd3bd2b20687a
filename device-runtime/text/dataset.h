// Training and validation rows of a run, out of its token files.
#pragma once

#include <cstdint>
#include <memory>

#include "text/split.h"
#include "text/token_file.h"

namespace mft {

// How rows are made; vocab_size: of the model. PACKING_UNSPECIFIED: PACKING_WRAP for a plain text,
// PACKING_NONE for records.
struct RowOptions {
  std::uint32_t row_tokens = 0;  // T
  std::int32_t vocab_size = 0;
  v1::Packing packing = v1::PACKING_UNSPECIFIED;
};

class Dataset {
 public:
  // Of a plain text of n tokens the last floor(n * validation_fraction) are the validation split; of n
  // records the last floor(n * validation_fraction), but at least one when the fraction is not 0. The others
  // train; no target of the train split comes from the validation split. `validation`, if given, is the whole
  // validation split instead. Failures: data.too-short: a split that should have rows has none (says how much
  // there is, how much is needed); data.bad-fraction; data.packing: a plain text in rows of records;
  // data.format: two files of different formats.
  Dataset(TokenFile train, double validation_fraction, const RowOptions& options);
  Dataset(TokenFile train, TokenFile validation, const RowOptions& options);

  const Split& train() const { return train_; }
  const Split& validation() const { return validation_; }  // no rows when there is none

  v1::DataFormat format() const { return train_file_->format(); }
  std::uint64_t truncated() const;  // records of the files whose end was cut off
  std::uint64_t skipped() const;    // records left out

  // The training rows number cursor, cursor + 1, ... of an endless stream of epochs: row number k is in epoch
  // k / rows(), in the order of that epoch (shuffle_row, or as they stand). A pure function of its arguments:
  // a resume needs the cursor alone.
  void fill_train(std::uint64_t cursor, std::uint32_t rows, bool shuffle, std::uint64_t seed,
                  Batch& out) const;

 private:
  std::unique_ptr<TokenFile> train_file_;
  std::unique_ptr<TokenFile> validation_file_;
  Split train_;
  Split validation_;
};

// All rows of a file, for evaluating it. Failures as Dataset's.
Split whole_file(const TokenFile& file, const RowOptions& options);

}  // namespace mft
