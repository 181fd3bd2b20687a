// A record as tokens: what the tokenizer puts before a text, the pieces, each encoded by itself, the
// end-of-sequence token; of each token whether it is learned as a target.
#pragma once

#include <cstdint>
#include <vector>

#include "text/records.h"
#include "text/tokenizer.h"

namespace mft {

struct EncodedRecord {
  std::vector<std::int32_t> ids;  // the first `limit` of them
  std::vector<bool> learned;      // as many
  std::uint64_t all_ids = 0;      // before they were cut off

  bool truncated() const { return all_ids > ids.size(); }
  // One of its targets is learned. The first token is no target: nothing stands before it.
  bool anything_to_learn() const;
};

class RecordEncoder {
 public:
  // limit: tokens of a record that are kept. The tokenizer must outlive it.
  RecordEncoder(Tokenizer& tokenizer, std::uint64_t limit);

  // Failures of Tokenizer.encode.
  void encode(const Record& record, EncodedRecord& out);

 private:
  void append(const std::int32_t* ids, std::size_t count, bool learned, EncodedRecord& out) const;
  void append_text(const Piece& piece, EncodedRecord& out);

  Tokenizer& tokenizer_;
  std::uint64_t limit_;
  std::vector<std::int32_t> ids_;
};

}  // namespace mft
