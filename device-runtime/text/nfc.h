// Unicode normalisation form C (UAX #15), as the normalizer NFC of Hugging Face's `tokenizers` does it: with
// the data of Unicode 9.0, so that younger characters stay as they are.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mft {

// Appends the normal form of as much of the front of `text` as no later text can change, all of it when
// `final`, and returns how many bytes of `text` that is. text: whole valid UTF-8 sequences. Linear but for
// the sorting of combining marks in a row.
std::size_t append_nfc(std::string_view text, bool final, std::string& out);

}  // namespace mft
