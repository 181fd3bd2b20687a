#include "text/record_encoder.h"

#include <algorithm>

#include "text/line_source.h"

namespace mft {
namespace {

// A longer text is encoded as a stream, so that the tokens that are cut off take no memory.
constexpr std::size_t kStreamedBytes = std::size_t{1} << 20;

}  // namespace

bool EncodedRecord::anything_to_learn() const {
  return !learned.empty() && std::find(learned.begin() + 1, learned.end(), true) != learned.end();
}

RecordEncoder::RecordEncoder(Tokenizer& tokenizer, std::uint64_t limit)
    : tokenizer_(tokenizer), limit_(limit) {}

void RecordEncoder::append(const std::int32_t* ids, std::size_t count, bool learned,
                           EncodedRecord& out) const {
  const auto kept = static_cast<std::size_t>(std::min<std::uint64_t>(count, limit_ - out.ids.size()));
  out.ids.insert(out.ids.end(), ids, ids + kept);
  out.learned.insert(out.learned.end(), kept, learned);
  out.all_ids += count;
}

void RecordEncoder::append_text(const Piece& piece, EncodedRecord& out) {
  if (piece.text.size() > kStreamedBytes) {
    return tokenizer_.encode_stream(
        reader_of(piece.text),
        [&](const std::int32_t* ids, std::size_t count) { append(ids, count, piece.learned, out); });
  }
  ids_.clear();
  tokenizer_.encode(piece.text, ids_);
  append(ids_.data(), ids_.size(), piece.learned, out);
}

void RecordEncoder::encode(const Record& record, EncodedRecord& out) {
  out.ids.clear();
  out.learned.clear();
  out.all_ids = 0;
  const bool empty = std::all_of(record.pieces.begin(), record.pieces.end(),
                                 [](const Piece& piece) { return piece.text.empty(); });
  if (empty && record.all_ids == 0) return;  // BOS and EOS alone say nothing
  if (record.begins) {
    const std::vector<std::int32_t>& prefix = tokenizer_.prefix();
    append(prefix.data(), prefix.size(), record.pieces.front().learned, out);
  }
  for (const Piece& piece : record.pieces) append_text(piece, out);
  if (!record.ids.empty()) {
    out.ids.assign(record.ids.begin(),
                   record.ids.begin() + static_cast<std::ptrdiff_t>(
                                            std::min<std::uint64_t>(limit_, record.ids.size())));
    out.learned.assign(record.learned.begin(),
                       record.learned.begin() + static_cast<std::ptrdiff_t>(out.ids.size()));
    out.all_ids = record.all_ids;
  }
  // Not twice, where the text ends with it already.
  const std::int32_t eos = tokenizer_.eos();
  const bool stands_there = !out.truncated() && !out.ids.empty() && out.ids.back() == eos;
  if (record.ends && eos >= 0 && !stands_there) append(&eos, 1, true, out);
}

}  // namespace mft
