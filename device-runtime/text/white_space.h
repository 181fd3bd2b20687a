// White space as Python's str.strip takes it off: what str.isspace says of a character.
#pragma once

#include <cstdint>
#include <string_view>

namespace mft {

bool is_python_space(std::uint32_t code_point);

// `text` (valid UTF-8) without the white space at both ends.
std::string_view strip(std::string_view text);

}  // namespace mft
