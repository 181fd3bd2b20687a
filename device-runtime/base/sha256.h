// SHA-256 (FIPS 180-4): the name of every stored file. Uses the processor's instructions where there are
// some.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace mft {

using Sha256Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  void update(const void* data, std::size_t bytes);
  Sha256Digest finish();  // once; the object is used up

 private:
  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> block_{};
  std::size_t filled_ = 0;
  std::uint64_t total_ = 0;
};

Sha256Digest sha256(std::string_view data);

// Reads the file in pieces of 1 MiB and drops it from the page cache behind itself when drop_cache.
// `progress` gets the bytes done so far after each piece.
Sha256Digest sha256_file(const std::string& path, const std::function<void(std::uint64_t)>& progress = {},
                         bool drop_cache = false);

std::string to_hex(std::string_view bytes);
inline std::string to_hex(const Sha256Digest& d) {
  return to_hex(std::string_view(reinterpret_cast<const char*>(d.data()), d.size()));
}
// As protobuf's `bytes` hold it: 32 raw bytes.
inline std::string to_bytes(const Sha256Digest& d) {
  return std::string(reinterpret_cast<const char*>(d.data()), d.size());
}

}  // namespace mft
