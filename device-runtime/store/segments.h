// The segments of a model as the walk through the decoder sees them: pin one, take its tensors by canonical
// name, let go. Two residencies stand behind one interface: files mapped read-only (LoRA, evaluation) and
// private writable memory (Full-FT weights, gradients, Adam moments). Every number of a manifest is checked
// against the file before it is used. What this file does not do (yet): keep a residency budget, evict, write
// back. The walk already pins block by block, so that those come behind this same interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mft/v1/model.pb.h"

namespace mft {
class File;
}

namespace mft::store {

// A segment's description (from a manifest: untrusted) and the file that is said to hold it.
struct SegmentFile {
  v1::Segment description;
  std::string path;  // opened through base/files (the sysroot applies)
};

enum class Residency {
  kMapped,   // read-only pages of the file; writing is an error
  // Copied into memory of our own, BF16 and F16 as F32; writable. Failure store.read-only for blocks.
  kPrivate,
};

// A tensor of a resident segment. Valid while the Pin it came from is alive.
struct TensorView {
  std::string name;  // canonical, see proto/mft/v1/model.proto
  v1::DType dtype = v1::DTYPE_UNSPECIFIED;
  std::vector<uint64_t> shape;
  uint64_t elements = 0;
  uint64_t bytes = 0;
  const std::byte* data = nullptr;  // 64-byte aligned
};

class Segments;

// Keeps one segment resident while it is alive. Move-only.
class Pin {
 public:
  Pin() = default;
  Pin(Pin&& other) noexcept;
  Pin& operator=(Pin&& other) noexcept;
  ~Pin();

  const std::string& segment_name() const;
  std::span<const TensorView> tensors() const;
  // nullptr when the segment has no such tensor.
  const TensorView* find(std::string_view name) const;
  // A tensor of exactly this shape, of any type. Failure model.tensor-missing, model.tensor-shape.
  const TensorView& tensor(std::string_view name, std::span<const uint64_t> shape) const;
  // The f32 values of such a tensor. Failure model.dtype-unsupported for another type.
  const float* f32(std::string_view name, std::span<const uint64_t> shape) const;
  const float* f32(std::string_view name, std::initializer_list<uint64_t> shape) const {
    return f32(name, std::span(shape.begin(), shape.size()));
  }
  // The same, to write to. Failure store.read-only on a mapped segment.
  float* writable_f32(std::string_view name, std::span<const uint64_t> shape) const;
  float* writable_f32(std::string_view name, std::initializer_list<uint64_t> shape) const {
    return writable_f32(name, std::span(shape.begin(), shape.size()));
  }

 private:
  friend class Segments;
  Pin(Segments* owner, size_t index) : owner_(owner), index_(index) {}
  Segments* owner_ = nullptr;
  size_t index_ = 0;
};

class Segments {
 public:
  // Checks each description against its file (size, alignment, order, overlap, shape, duplicate names) and
  // makes it resident. Failure model.segment-size, model.segment-missing, model.tensor-layout,
  // model.tensor-duplicate, io.*. Hashes are not computed here: the device store only holds verified files;
  // see verify_segment for checkpoints.
  static std::unique_ptr<Segments> open(std::vector<SegmentFile> files, Residency residency);
  // Zeroed private memory for tensors of these names and shapes (f32): gradients, moments, fresh adapters.
  // Offsets, sizes and hashes of the descriptions are ignored and laid out anew.
  static std::unique_ptr<Segments> zeroed(std::span<const v1::Segment> layout);
  // The same for tensors of the types that the layout says.
  static std::unique_ptr<Segments> blank(std::span<const v1::Segment> layout);

  ~Segments();
  Segments(const Segments&) = delete;
  Segments& operator=(const Segments&) = delete;

  size_t count() const;
  Residency residency() const;
  const v1::Segment& description(size_t index) const;
  // Index of the segment of this name. Failure model.segment-missing.
  size_t index_of(std::string_view name) const;
  uint64_t total_bytes() const;

  Pin pin(size_t index);
  // A hint that segment index is needed soon. Never fails, never blocks for long.
  void prefetch(size_t index);

 private:
  friend class Pin;
  struct Resident;
  Segments();
  static void copy_private(const File& source, Resident* resident);
  std::vector<std::unique_ptr<Resident>> residents_;
  Residency residency_ = Residency::kMapped;
};

}  // namespace mft::store
