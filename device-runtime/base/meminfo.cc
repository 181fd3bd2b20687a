#include "base/meminfo.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace mft {
namespace {

// The value of a line "Key:  123 kB" in bytes.
std::optional<std::uint64_t> value_of(std::string_view text, std::string_view key) {
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') continue;
    line.remove_prefix(key.size() + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    std::uint64_t kib = 0;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), kib);
    if (error != std::errc() || std::string_view(rest, line.data() + line.size()) != " kB")
      return std::nullopt;
    if (kib > (std::uint64_t{1} << 44)) return std::nullopt;  // 16 EiB: not a phone
    return kib * 1024;
  }
  return std::nullopt;
}

}  // namespace

MemInfo read_meminfo() {
  MemInfo info;
  try {
    const std::string text = read_all("/proc/meminfo", 64 << 10);
    info.total = value_of(text, "MemTotal");
    info.available = value_of(text, "MemAvailable");
  } catch (const Failure&) {  // unknown
  }
  return info;
}

}  // namespace mft
