// CRC-32C (Castagnoli, polynomial 0x1EDC6F41, reflected), as in iSCSI (RFC 3720) and ext4: finds torn and
// rotten frames. Not against tampering.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mft {

// `previous` continues an earlier call: crc32c(b, crc32c(a)) is that of a followed by b.
std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t previous = 0);

}  // namespace mft
