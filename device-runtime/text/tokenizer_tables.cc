#include "text/tokenizer_tables.h"

#include <bit>
#include <utility>

#include "base/error.h"

namespace mft {
namespace {

static_assert(std::endian::native == std::endian::little, "tables are mapped as they are");

constexpr char kMagic[] = "MFTTOKEN";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kFlagIgnoreMerges = 1;
constexpr std::uint32_t kAddedSpecial = 1;
constexpr std::uint32_t kAddedNormalized = 2;
constexpr std::uint32_t kMaxProbe = 1024;       // longer ways would make encoding slow: not from our compiler
constexpr std::uint32_t kMaxTokens = 1u << 24;  // ids fit in i32, and no vocabulary is near this
constexpr std::uint32_t kMaxTokenBytes =
    1 << 16;  // of an added token: what a stream must hold back is bounded by it

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t header_bytes;
  std::uint64_t file_bytes;
  std::uint32_t pre_tokenizer;
  std::uint32_t normalizer;
  std::uint32_t flags;
  std::uint32_t token_count;
  std::uint32_t merge_count;
  std::uint32_t merge_slots;
  std::uint32_t added_count;
  std::uint32_t bos;
  std::uint32_t eos;
  std::uint32_t max_probe;
  std::uint64_t token_offsets;
  std::uint64_t token_bytes;
  std::uint64_t token_bytes_size;
  std::uint64_t byte_ids;
  std::uint64_t merges;
  std::uint64_t added;
  std::uint64_t sorted_ids;
  std::uint64_t zero;
};
static_assert(sizeof(Header) == 128);

[[noreturn]] void bad(const std::string& what) {
  throw Failure("tokenizer.bad-file", "the tokenizer tables are damaged: " + what,
                "Import the model again and push it again.");
}

void require(bool ok, const char* what) {
  if (!ok) bad(what);
}

}  // namespace

TokenizerTables::TokenizerTables(MappedFile file) : storage_(std::move(file)) {
  const auto& mapped = std::get<MappedFile>(storage_);
  open(mapped.data(), mapped.size());
}

TokenizerTables::TokenizerTables(std::string_view bytes)
    : storage_(std::vector<unsigned char>(bytes.begin(), bytes.end())) {
  const auto& copy = std::get<std::vector<unsigned char>>(storage_);
  open(copy.data(), copy.size());
}

void TokenizerTables::open(const unsigned char* data, std::size_t size) {
  Header header;
  require(size >= sizeof(header), "shorter than its header");
  std::memcpy(&header, data, sizeof(header));
  require(std::memcmp(header.magic, kMagic, 8) == 0, "not a tokenizer.bin");
  if (header.version != kVersion || header.header_bytes != sizeof(header)) {
    throw Failure("tokenizer.bad-file",
                  "the tokenizer tables have version " + std::to_string(header.version) +
                      "; this runtime reads version " + std::to_string(kVersion),
                  "Import the model again with this version of mft.");
  }
  require(header.file_bytes == size, "its size is not what its header says");
  require(header.pre_tokenizer >= 1 && header.pre_tokenizer <= 4, "unknown pre-tokenizer");
  require(header.normalizer == 0, "unknown normalizer");
  require((header.flags & ~kFlagIgnoreMerges) == 0, "unknown flags");
  require(header.zero == 0, "unknown header field");
  require(header.token_count >= 1 && header.token_count <= kMaxTokens, "token count");
  require(std::has_single_bit(header.merge_slots) && header.merge_slots > header.merge_count, "merge slots");
  require(header.max_probe <= kMaxProbe && header.max_probe < header.merge_slots, "merge probes");
  require(header.added_count <= header.token_count, "added token count");

  // The sections in their order, each inside the file and after the one before it.
  std::uint64_t end = sizeof(header);
  const auto section = [&](std::uint64_t offset, std::uint64_t bytes, const char* what) {
    require(offset >= end && offset % 8 == 0 && offset <= size && bytes <= size - offset, what);
    end = offset + bytes;
    return data + offset;
  };
  token_offsets_ =
      section(header.token_offsets, 4 * (std::uint64_t{header.token_count} + 1), "token offsets");
  token_bytes_ = section(header.token_bytes, header.token_bytes_size, "token bytes");
  std::memcpy(byte_ids_, section(header.byte_ids, sizeof(byte_ids_), "byte ids"), sizeof(byte_ids_));
  merges_ = section(header.merges, sizeof(MergeSlot) * std::uint64_t{header.merge_slots}, "merges");
  const unsigned char* added = section(header.added, 8 * std::uint64_t{header.added_count}, "added tokens");
  ignore_merges_ = (header.flags & kFlagIgnoreMerges) != 0;
  require(ignore_merges_ == (header.sorted_ids != 0), "token index");
  if (ignore_merges_) {
    const std::uint64_t bytes = header.sorted_ids <= size ? size - header.sorted_ids : 0;
    require(bytes % 4 == 0 && bytes / 4 <= header.token_count, "token index");
    sorted_ids_ = section(header.sorted_ids, bytes, "token index");
    sorted_count_ = static_cast<std::uint32_t>(bytes / 4);
  }
  require(end == size, "bytes after its end");

  pre_tokenizer_ = static_cast<PreTokenizerKind>(header.pre_tokenizer);
  token_count_ = header.token_count;
  bos_ = header.bos;
  eos_ = header.eos;
  slot_mask_ = header.merge_slots - 1;
  max_probe_ = header.max_probe;
  check_tokens(header.token_bytes_size);
  require(bos_ == kNoToken || bos_ < token_count_, "id of the beginning of a text");
  require(eos_ == kNoToken || eos_ < token_count_, "id of the end of a text");
  check_byte_ids();
  check_merges(header.merge_count);
  check_added(added, header.added_count);
  check_sorted_ids();
}

void TokenizerTables::check_tokens(std::uint64_t blob_bytes) const {
  std::uint32_t last = 0;
  require(load32(token_offsets_) == 0, "first token offset");
  for (std::uint32_t id = 1; id <= token_count_; ++id) {
    const std::uint32_t offset = load32(token_offsets_ + std::size_t{4} * id);
    require(offset >= last, "token offsets not in order");
    last = offset;
  }
  require(last == blob_bytes, "last token offset");
}

void TokenizerTables::check_byte_ids() {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::uint32_t id = byte_ids_[byte];
    if (id == kNoToken) {
      require(byte == 0xC0 || byte == 0xC1 || byte >= 0xF5, "a byte without a token");
      continue;
    }
    require(id < token_count_, "id of a byte");
    const std::string_view bytes = token(id);
    require(bytes.size() == 1 && static_cast<unsigned char>(bytes[0]) == byte, "token of a byte");
  }
}

void TokenizerTables::check_merges(std::uint32_t merge_count) const {
  std::uint32_t found = 0;
  std::vector<bool> ranks(merge_count);
  for (std::uint32_t slot = 0; slot <= slot_mask_; ++slot) {
    MergeSlot merge;
    std::memcpy(&merge, merges_ + sizeof(MergeSlot) * slot, sizeof(merge));
    if (merge.left == kNoToken) continue;
    ++found;
    require(merge.left < token_count_ && merge.right < token_count_ && merge.id < token_count_,
            "id of a merge");
    require(merge.rank < merge_count && !ranks[merge.rank], "rank of a merge");
    ranks[merge.rank] = true;
    const std::uint32_t way = (slot - hash(merge.left, merge.right)) & slot_mask_;
    require(way <= max_probe_, "place of a merge");
    const std::string_view left = token(merge.left);
    const std::string_view right = token(merge.right);
    const std::string_view joined = token(merge.id);
    require(!left.empty() && !right.empty() && joined.size() == left.size() + right.size() &&
                joined.starts_with(left) && joined.ends_with(right),
            "bytes of a merge");
  }
  require(found == merge_count, "count of merges");
}

void TokenizerTables::check_added(const unsigned char* added, std::uint32_t count) {
  special_.assign(token_count_, false);
  added_.reserve(count);
  std::string_view last;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t id = load32(added + std::size_t{8} * i);
    const std::uint32_t flags = load32(added + std::size_t{8} * i + 4);
    require(id < token_count_, "id of an added token");
    require((flags & ~(kAddedSpecial | kAddedNormalized)) == 0, "flags of an added token");
    const std::string_view bytes = token(id);
    require(!bytes.empty() && bytes.size() <= kMaxTokenBytes && bytes > last, "bytes of an added token");
    last = bytes;
    added_.push_back({id, (flags & kAddedSpecial) != 0, (flags & kAddedNormalized) != 0});
    if ((flags & kAddedSpecial) != 0) special_[id] = true;
  }
}

void TokenizerTables::check_sorted_ids() const {
  std::string_view last;
  for (std::uint32_t i = 0; i < sorted_count_; ++i) {
    const std::uint32_t id = load32(sorted_ids_ + std::size_t{4} * i);
    require(id < token_count_, "id in the token index");
    require(token(id) > last, "order of the token index");
    last = token(id);
  }
}

std::uint32_t TokenizerTables::find_token(std::string_view bytes) const {
  std::uint32_t low = 0;
  std::uint32_t high = sorted_count_;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    const std::uint32_t id = load32(sorted_ids_ + std::size_t{4} * middle);
    const int order = token(id).compare(bytes);
    if (order == 0) return id;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return kNoToken;
}

}  // namespace mft
