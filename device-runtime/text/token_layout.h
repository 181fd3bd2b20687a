// The bytes of a token file, shared by who writes it and who maps it (token_file.h tells what it is for).
//
// Little-endian: the header, ids (2 or 4 bytes each), and, if it is of records, a bit a token (learned as a
// target; bit i % 8 of byte i / 8), then the number of tokens up to the end of each record (u64). Each part
// begins at a multiple of 8, after zeros.
#pragma once

#include <cstdint>

namespace mft {

inline constexpr char kTokenMagic[] = "MFTTOKS2";

struct TokenHeader {
  char magic[8];
  std::uint32_t id_bytes;
  std::uint32_t format;  // v1::DataFormat
  std::uint64_t count;   // tokens
  std::uint64_t records;
  std::uint64_t truncated;  // records whose end was cut off
  std::uint64_t skipped;    // records of the file that aren't here: nothing to learn in them
  std::uint64_t text_bytes;
  std::uint64_t reserved;
  std::uint8_t tokenizer_sha256[32];
  std::uint8_t text_sha256[32];
  std::uint8_t options_sha256[32];
  std::uint8_t reserved_bytes[32];
};
static_assert(sizeof(TokenHeader) == 192);

inline std::uint64_t padded(std::uint64_t bytes) { return (bytes + 7) / 8 * 8; }

}  // namespace mft
