// Generated data of nfc_tables.cc (scripts/generate-normalization.ts). Used by nfc.cc alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mft::nfc_tables {

// By code point / 256: number of its block in kBlocks, of 256 properties each. A property: the combining
// class's place in the order of classes, 0 for none; kUnstable: NFC may change the code point, alone or with
// what stands before it (NFC_Quick_Check is not Yes).
inline constexpr std::uint8_t kUnstable = 0x80;
extern const std::uint8_t kBlockOf[4352];
extern const std::uint8_t kBlocks[];

// Full canonical decompositions, Hangul aside: of kDecomposeFrom[i], sorted,
// kDecomposeTo[kDecomposeAt[i] .. kDecomposeAt[i + 1]).
extern const std::size_t kDecompositions;
extern const std::uint32_t kDecomposeFrom[];
extern const std::uint16_t kDecomposeAt[];
extern const std::uint32_t kDecomposeTo[];

struct Composition {
  std::uint32_t first;
  std::uint32_t second;
  std::uint32_t composed;
};
// Primary composites, Hangul aside, sorted by first and second.
extern const std::size_t kCompositions;
extern const Composition kCompose[];

}  // namespace mft::nfc_tables
