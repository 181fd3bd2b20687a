// From a data file to a token file, on the phone, once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/sha256.h"
#include "mft/v1/run.pb.h"
#include "text/token_file.h"

namespace mft {

using TokenProgress = std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

struct TokenizeOptions {
  std::string name;  // the file's for people; empty: its path
  v1::DataFormat format = v1::DATA_FORMAT_TEXT;  // UNSPECIFIED: recognised (data_format.h)
  v1::RecordFields fields;
  std::optional<v1::ChatTemplate> chat;
  std::string chat_refusal;
  bool learn_all = false;
  std::uint64_t max_tokens = 0;  // of a record: what is beyond is cut off; 0: nothing is
  std::uint32_t id_limit = 0;    // DATA_FORMAT_IDS: ids are below it
};

// As a run's data configuration says of one of its files. vocab_size: of the model. What a row can't hold is
// cut off unless records wrap.
TokenizeOptions tokenize_options(const v1::DataConfig& data, const v1::DataFile& file,
                                 std::uint32_t vocab_size);

// Of all of these that shape the tokens: the same digest, the same tokens.
Sha256Digest digest_of(const TokenizeOptions& options);

// Tokenizes the file `text_path` with the tables at `tokenizer_path` into `out_path`, unless `out_path`
// already is that (same tokenizer, same text, same options, by hash). Streams: memory grows with the longest
// record, not with the file. `progress` is called about once a MiB of text and may throw to cancel: nothing
// is then left under out_path.
//
// A plain text is one document: the tokenizer's prefix (BOS) stands once before it and its suffix once
// behind it, as `add_special_tokens` puts them around a text, and nothing between; "<|endoftext|>" in the
// text separates documents, as its special token. A byte order mark at the start is text like any other (as
// in Hugging Face). Records: records.h, record_encoder.h; those with nothing to learn are left out.
//
// Failures: data.not-found, data.not-a-file, data.empty (also: nothing to learn in any record), data.not-utf8
// (line and byte), data.word-too-long, data.bad-record (file and line), data.format, data.chat-template,
// io.*.
TokenFile tokenize_file(const std::string& text_path, const std::string& tokenizer_path,
                        const std::string& out_path, const TokenizeOptions& options = {},
                        const TokenProgress& progress = {});

}  // namespace mft
