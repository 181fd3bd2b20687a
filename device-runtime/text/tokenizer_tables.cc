#include "text/tokenizer_tables.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace mft {
namespace {

static_assert(std::endian::native == std::endian::little, "tables are mapped as they are");

constexpr char kMagic[] = "MFTTOKEN";
constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kFlagIgnoreMerges = 1;
constexpr std::uint32_t kFlagStripsFrontSpace = 2;
constexpr std::uint32_t kAddedSpecial = 1;
constexpr std::uint32_t kAddedNormalized = 2;
constexpr std::uint32_t kAddedLstrip = 4;
constexpr std::uint32_t kAddedRstrip = 8;
constexpr std::uint32_t kAddedSingleWord = 16;
constexpr std::uint32_t kAddedFlags = 31;
constexpr std::uint32_t kPageOfBytes = 2 * (0x110000 >> 8);
constexpr std::uint32_t kPageBytes = 4 * 256;
constexpr std::uint32_t kMaxTemplate = 16;  // tokens before or behind a text: a model uses one
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
  std::uint32_t prefix_count;
  std::uint32_t suffix_count;
  std::uint32_t page_count;
  std::uint32_t zero;
  std::uint64_t token_offsets;
  std::uint64_t token_bytes;
  std::uint64_t token_bytes_size;
  std::uint64_t byte_ids;
  std::uint64_t merges;
  std::uint64_t merge_ids;
  std::uint64_t characters;
  std::uint64_t added;
  std::uint64_t text_template;
  std::uint64_t sorted_ids;
};
static_assert(sizeof(Header) == 160);

// The character that begins at the front, or ends at the end, of a token; 0xFFFFFFFF when the token is not
// UTF-8 there (the token of a byte).
constexpr std::uint32_t kNoCharacter = 0xFFFFFFFFu;

std::uint32_t first_character(std::string_view bytes) {
  bool cut = false;
  const std::size_t length = utf8_length(bytes.front());
  if (length == 0 || length > bytes.size()) return kNoCharacter;
  if (valid_utf8_prefix(bytes.substr(0, length), &cut) != length) return kNoCharacter;
  return decode_valid(bytes.data()).value;
}

std::uint32_t last_character(std::string_view bytes) {
  std::size_t at = bytes.size() - 1;
  while (at > 0 && bytes.size() - at < 4 && (static_cast<unsigned char>(bytes[at]) & 0xC0) == 0x80) --at;
  const std::string_view last = bytes.substr(at);
  if (utf8_length(last.front()) != last.size()) return kNoCharacter;
  return first_character(last);
}

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
  require(header.pre_tokenizer >= 1 && header.pre_tokenizer <= 5, "unknown pre-tokenizer");
  require(header.normalizer <= 2, "unknown normalizer");
  require((header.flags & ~(kFlagIgnoreMerges | kFlagStripsFrontSpace)) == 0, "unknown flags");
  const bool whole = header.pre_tokenizer == static_cast<std::uint32_t>(PreTokenizerKind::kWhole);
  const bool mark = header.normalizer == static_cast<std::uint32_t>(NormalizerKind::kSpaceMark);
  require(whole == mark && mark == (header.characters != 0), "a pre-tokenizer with another's normalizer");
  require(!mark || header.flags == (header.flags & kFlagStripsFrontSpace), "flags of another kind");
  require(mark || (header.flags & kFlagStripsFrontSpace) == 0, "flags of another kind");
  require(header.zero == 0, "unknown header field");
  require(header.token_count >= 1 && header.token_count <= kMaxTokens, "token count");
  require(header.merge_slots > header.merge_count, "merge slots");
  id_bits_ = std::max(1, static_cast<int>(std::bit_width(header.token_count - 1)));
  rank_bits_ = std::max(1, static_cast<int>(std::bit_width(header.merge_count)));
  require(2 * id_bits_ + rank_bits_ <= 64, "more merges than its slots hold");
  require(header.max_probe <= kMaxProbe && header.max_probe < header.merge_slots, "merge probes");
  require(header.added_count <= header.token_count, "added token count");
  require(header.prefix_count <= kMaxTemplate && header.suffix_count <= kMaxTemplate, "template");
  require(header.page_count <= (mark ? 0x110000u >> 8 : 0), "pages of characters");

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
  merges_ = section(header.merges, 8 * std::uint64_t{header.merge_slots}, "merges");
  merge_ids_ = section(header.merge_ids, 4 * std::uint64_t{header.merge_count}, "ids of merges");
  if (mark) {
    const std::uint64_t bytes = kPageOfBytes + std::uint64_t{kPageBytes} * header.page_count;
    page_of_ = section(header.characters, bytes, "characters");
    pages_ = page_of_ + kPageOfBytes;
  }
  const unsigned char* added = section(header.added, 8 * std::uint64_t{header.added_count}, "added tokens");
  const std::uint64_t template_count = std::uint64_t{header.prefix_count} + header.suffix_count;
  const unsigned char* text_template = section(header.text_template, 4 * template_count, "template");
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
  normalizer_ = static_cast<NormalizerKind>(header.normalizer);
  strips_front_space_ = (header.flags & kFlagStripsFrontSpace) != 0;
  token_count_ = header.token_count;
  bos_ = header.bos;
  eos_ = header.eos;
  slots_ = header.merge_slots;
  max_probe_ = header.max_probe;
  check_tokens(header.token_bytes_size);
  require(bos_ == kNoToken || bos_ < token_count_, "id of the beginning of a text");
  require(eos_ == kNoToken || eos_ < token_count_, "id of the end of a text");
  check_byte_ids();
  if (mark) check_characters(header.page_count);
  check_merges(header.merge_count);
  check_added(added, header.added_count);
  read_template(text_template, header.prefix_count, header.suffix_count);
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

void TokenizerTables::check_characters(std::uint32_t page_count) const {
  for (std::uint32_t block = 0; block < 0x110000 >> 8; ++block) {
    std::uint16_t page;
    std::memcpy(&page, page_of_ + std::size_t{2} * block, 2);
    if (page == kNoPage) continue;
    require(page < page_count, "page of characters");
    for (std::uint32_t i = 0; i < 256; ++i) {
      const std::uint32_t character = block << 8 | i;
      const std::uint32_t id = character_id(character);
      if (id == kNoToken) continue;
      require(id < token_count_ && !token(id).empty(), "id of a character");
      const std::uint32_t spelled = first_character(token(id));
      const std::uint32_t wanted = character == ' ' ? kSpaceMark : character;
      const std::size_t length = utf8_length(token(id).front());
      require(spelled == wanted && token(id).size() == length, "token of a character");
    }
  }
}

void TokenizerTables::check_merges(std::uint32_t merge_count) {
  if (by_characters()) joins_.assign(std::size_t{1} << (kJoinBits - 6), 0);
  const auto join = [this](std::uint32_t left, std::uint32_t right) {
    const std::uint32_t bit = join_bit(left, right);
    joins_[bit >> 6] |= std::uint64_t{1} << (bit & 63);
  };
  std::uint32_t found = 0;
  std::vector<bool> ranks(merge_count);
  for (std::uint32_t slot = 0; slot < slots_; ++slot) {
    const std::uint64_t merge = load64(merges_ + std::size_t{8} * slot);
    if (merge == 0) continue;
    ++found;
    const std::uint64_t pair = merge >> rank_bits_;
    const std::uint64_t left_id = pair >> id_bits_;
    const std::uint64_t right_id = pair & ((std::uint64_t{1} << id_bits_) - 1);
    const std::uint32_t rank = rank_of(merge);
    require(rank < merge_count && !ranks[rank], "rank of a merge");
    ranks[rank] = true;
    const std::uint32_t id = merged(rank);
    require(left_id < token_count_ && right_id < token_count_ && id < token_count_, "id of a merge");
    const std::uint32_t home = home_of(pair);
    const std::uint32_t way = slot >= home ? slot - home : slot + slots_ - home;
    require(way <= max_probe_, "place of a merge");
    const std::string_view left = token(static_cast<std::uint32_t>(left_id));
    const std::string_view right = token(static_cast<std::uint32_t>(right_id));
    const std::string_view joined = token(id);
    require(!left.empty() && !right.empty() && joined.size() == left.size() + right.size() &&
                joined.starts_with(left) && joined.ends_with(right),
            "bytes of a merge");
    if (!by_characters()) continue;
    const std::uint32_t last = last_character(left);
    const std::uint32_t first = first_character(right);
    require(last != kNoCharacter && first != kNoCharacter, "characters of a merge");
    // Texts are asked before their spaces are marks, so both spellings are in.
    for (const std::uint32_t l : {last, last == kSpaceMark ? std::uint32_t{' '} : last})
      for (const std::uint32_t r : {first, first == kSpaceMark ? std::uint32_t{' '} : first}) join(l, r);
  }
  require(found == merge_count, "count of merges");
}

void TokenizerTables::read_template(const unsigned char* ids, std::uint32_t prefix, std::uint32_t suffix) {
  for (std::uint32_t i = 0; i < prefix + suffix; ++i) {
    const std::uint32_t id = load32(ids + std::size_t{4} * i);
    require(id < token_count_, "id in the template");
    (i < prefix ? prefix_ : suffix_).push_back(static_cast<std::int32_t>(id));
  }
}

void TokenizerTables::check_added(const unsigned char* added, std::uint32_t count) {
  special_.assign(token_count_, false);
  added_.reserve(count);
  std::string_view last;
  std::vector<bool> is_added(token_count_);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t id = load32(added + std::size_t{8} * i);
    const std::uint32_t flags = load32(added + std::size_t{8} * i + 4);
    require(id < token_count_, "id of an added token");
    require((flags & ~kAddedFlags) == 0, "flags of an added token");
    const std::string_view bytes = token(id);
    require(!bytes.empty() && bytes.size() <= kMaxTokenBytes && bytes > last, "bytes of an added token");
    last = bytes;
    const auto has = [flags](std::uint32_t flag) { return (flags & flag) != 0; };
    added_.push_back({id, has(kAddedSpecial), has(kAddedNormalized), has(kAddedLstrip), has(kAddedRstrip),
                      has(kAddedSingleWord)});
    if ((flags & kAddedSpecial) != 0) special_[id] = true;
    is_added[id] = true;
  }
  text_token_count_ = token_count_;
  while (text_token_count_ > 0 && is_added[text_token_count_ - 1]) --text_token_count_;
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
