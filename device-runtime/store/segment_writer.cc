#include "store/segment_writer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "store/layout.h"

namespace mft::store {
namespace {

constexpr uint64_t kPiece = 1 << 20;

// Writes and hashes in one pass, in pieces that stay in the cache between the two.
class HashedWriter {
 public:
  explicit HashedWriter(const std::string& path) : file_(File::create(path)) {}

  void append(const void* data, uint64_t bytes) {
    const auto* from = static_cast<const std::byte*>(data);
    for (uint64_t done = 0; done < bytes; done += kPiece) {
      const uint64_t piece = std::min(kPiece, bytes - done);
      hash_.update(from + done, piece);
      file_.write(from + done, piece);
    }
    end_ += bytes;
  }

  void pad_to(uint64_t end) {
    static constexpr std::array<std::byte, 4096> kZeros{};
    while (end_ < end) append(kZeros.data(), std::min<uint64_t>(kZeros.size(), end - end_));
  }

  std::string finish() {
    file_.sync();
    file_.close();
    return to_bytes(hash_.finish());
  }

 private:
  File file_;
  Sha256 hash_;
  uint64_t end_ = 0;
};

}  // namespace

v1::Segment write_segment(const std::string& path, const std::string& name,
                          std::span<const NamedTensor> tensors) {
  v1::Segment segment;
  segment.set_name(name);
  for (const NamedTensor& tensor : tensors) {
    v1::Tensor* out = segment.add_tensors();
    out->set_name(tensor.name);
    out->set_dtype(tensor.dtype);
    out->mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
  }
  lay_out(&segment);
  HashedWriter writer(path);
  for (size_t i = 0; i < tensors.size(); ++i) {
    writer.pad_to(segment.tensors(static_cast<int>(i)).offset());
    writer.append(tensors[i].data, segment.tensors(static_cast<int>(i)).bytes());
  }
  writer.pad_to(segment.bytes());
  segment.set_sha256(writer.finish());
  return segment;
}

void verify_segment(const SegmentFile& file) {
  {
    const File opened = File::open_read(file.path);
    check_layout(file.description, opened.size());
  }
  if (to_bytes(sha256_file(file.path)) != file.description.sha256()) {
    throw Failure("model.segment-hash",
                  "the content of segment file " + file.path + " is not what its manifest says",
                  "The file is damaged: use an older checkpoint, or push the model again.");
  }
}

}  // namespace mft::store
