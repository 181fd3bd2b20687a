#include "store/segments.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "store/layout.h"
#include "store/memory.h"
#include "store/widen.h"

namespace mft::store {

struct Segments::Resident {
  v1::Segment description;
  std::optional<MappedFile> mapped;
  Memory memory;
  const std::byte* data = nullptr;
  std::vector<TensorView> tensors;
  std::atomic<uint32_t> pins{0};

  void make_views() {
    for (const v1::Tensor& tensor : description.tensors()) {
      tensors.push_back({.name = tensor.name(),
                         .dtype = tensor.dtype(),
                         .shape = {tensor.shape().begin(), tensor.shape().end()},
                         .elements = tensor_elements(tensor),
                         .bytes = tensor.bytes(),
                         .data = data + tensor.offset()});
    }
  }
};

namespace {

constexpr uint64_t kPiece = 1 << 20;

std::string shape_text(std::span<const uint64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

Segments::Segments() = default;
Segments::~Segments() = default;

// Every tensor as f32 into memory of the resident's own, which is then laid out for that.
void Segments::copy_private(const File& source, Resident* resident) {
  const v1::Segment stored = resident->description;
  for (v1::Tensor& tensor : *resident->description.mutable_tensors()) {
    if (is_float(tensor.dtype())) {
      tensor.set_dtype(v1::DTYPE_F32);
    } else if (tensor.dtype() == v1::DTYPE_I8_BLOCK32 || tensor.dtype() == v1::DTYPE_I4_BLOCK32) {
      throw Failure("store.read-only",
                    "tensor '" + tensor.name() + "' is stored as " + v1::DType_Name(tensor.dtype()) +
                        ": its values can be read, not trained",
                    "Use LoRA, or import the model again with float weights.");
    }
  }
  lay_out(&resident->description);
  resident->memory = Memory(resident->description.bytes(), "the model's weights");
  resident->data = resident->memory.data();
  std::vector<std::byte> piece(kPiece);
  for (int i = 0; i < stored.tensors_size(); ++i) {
    const v1::Tensor& from = stored.tensors(i);
    std::byte* to = resident->memory.data() + resident->description.tensors(i).offset();
    if (from.dtype() == resident->description.tensors(i).dtype()) {
      source.read_exactly_at(to, from.bytes(), from.offset());
      continue;
    }
    for (uint64_t done = 0; done < from.bytes(); done += kPiece) {
      const uint64_t bytes = std::min(kPiece, from.bytes() - done);
      source.read_exactly_at(piece.data(), bytes, from.offset() + done);
      widen(from.dtype(), bytes / 2, piece.data(), reinterpret_cast<float*>(to + 2 * done));
    }
  }
}

std::unique_ptr<Segments> Segments::open(std::vector<SegmentFile> files, Residency residency) {
  std::unique_ptr<Segments> segments(new Segments());
  segments->residency_ = residency;
  for (SegmentFile& file : files) {
    for (const auto& other : segments->residents_) {
      if (other->description.name() == file.description.name()) {
        throw Failure("model.segment-duplicate", "two segments have the same name",
                      "Import the model again, then start a new run.");
      }
    }
    auto resident = std::make_unique<Resident>();
    resident->description = std::move(file.description);
    if (residency == Residency::kMapped) {
      resident->mapped.emplace(file.path, MappedFile::Access::kNormal);
      check_layout(resident->description, resident->mapped->size());
      resident->data = reinterpret_cast<const std::byte*>(resident->mapped->data());
    } else {
      const File source = File::open_read(file.path);
      check_layout(resident->description, source.size());
      copy_private(source, resident.get());
      source.drop_cache();  // the copy is what is used from now on
    }
    resident->make_views();
    segments->residents_.push_back(std::move(resident));
  }
  return segments;
}

std::unique_ptr<Segments> Segments::zeroed(std::span<const v1::Segment> layout) {
  std::vector<v1::Segment> f32(layout.begin(), layout.end());
  for (v1::Segment& segment : f32) {
    for (v1::Tensor& tensor : *segment.mutable_tensors()) tensor.set_dtype(v1::DTYPE_F32);
  }
  return blank(f32);
}

std::unique_ptr<Segments> Segments::blank(std::span<const v1::Segment> layout) {
  std::unique_ptr<Segments> segments(new Segments());
  segments->residency_ = Residency::kPrivate;
  for (const v1::Segment& description : layout) {
    auto resident = std::make_unique<Resident>();
    resident->description = description;
    resident->description.clear_sha256();
    lay_out(&resident->description);
    resident->memory = Memory(resident->description.bytes(), "gradients and optimizer state");
    resident->data = resident->memory.data();
    resident->make_views();
    segments->residents_.push_back(std::move(resident));
  }
  return segments;
}

size_t Segments::count() const { return residents_.size(); }
Residency Segments::residency() const { return residency_; }
const v1::Segment& Segments::description(size_t index) const { return residents_.at(index)->description; }

size_t Segments::index_of(std::string_view name) const {
  for (size_t i = 0; i < residents_.size(); ++i) {
    if (residents_[i]->description.name() == name) return i;
  }
  throw Failure("model.segment-missing", "the model has no segment '" + std::string(name) + "'",
                "Import the model again, then start a new run.");
}

uint64_t Segments::total_bytes() const {
  uint64_t total = 0;
  for (const auto& resident : residents_) total += resident->description.bytes();
  return total;
}

Pin Segments::pin(size_t index) {
  residents_.at(index)->pins.fetch_add(1, std::memory_order_relaxed);
  return Pin(this, index);
}

void Segments::prefetch(size_t index) {
  if (index >= residents_.size() || !residents_[index]->mapped) return;
  const MappedFile& file = *residents_[index]->mapped;
  // Advice: if the kernel refuses, the pages come when they are touched.
  static_cast<void>(madvise(const_cast<unsigned char*>(file.data()), file.size(), MADV_WILLNEED));
}

Pin::Pin(Pin&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), index_(other.index_) {}

Pin& Pin::operator=(Pin&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(index_, other.index_);
  return *this;
}

Pin::~Pin() {
  if (owner_ != nullptr) owner_->residents_[index_]->pins.fetch_sub(1, std::memory_order_relaxed);
}

const std::string& Pin::segment_name() const { return owner_->residents_[index_]->description.name(); }
std::span<const TensorView> Pin::tensors() const { return owner_->residents_[index_]->tensors; }

const TensorView* Pin::find(std::string_view name) const {
  for (const TensorView& tensor : tensors()) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

const TensorView& Pin::tensor(std::string_view name, std::span<const uint64_t> shape) const {
  const TensorView* tensor = find(name);
  const std::string label = "tensor '" + std::string(name) + "'";
  if (tensor == nullptr) {
    throw Failure("model.tensor-missing", label + " is missing from segment '" + segment_name() + "'",
                  "The model pack does not fit its configuration: import the model again.");
  }
  if (!std::equal(tensor->shape.begin(), tensor->shape.end(), shape.begin(), shape.end())) {
    throw Failure("model.tensor-shape",
                  label + " has shape " + shape_text(tensor->shape) + ", expected " + shape_text(shape),
                  "The model pack does not fit its configuration: import the model again.");
  }
  return *tensor;
}

const float* Pin::f32(std::string_view name, std::span<const uint64_t> shape) const {
  const TensorView& found = tensor(name, shape);
  if (found.dtype != v1::DTYPE_F32) {
    throw Failure(
        "model.dtype-unsupported",
        "tensor '" + std::string(name) + "' is stored as " + v1::DType_Name(found.dtype) + ", expected F32",
        "Import the model again with 32-bit weights.");
  }
  return reinterpret_cast<const float*>(found.data);
}

float* Pin::writable_f32(std::string_view name, std::span<const uint64_t> shape) const {
  const float* values = f32(name, shape);
  if (owner_->residency_ != Residency::kPrivate) {
    throw Failure("store.read-only",
                  "tensor '" + std::string(name) + "' is mapped read-only and cannot be trained");
  }
  return const_cast<float*>(values);  // the memory is ours and was allocated writable
}

}  // namespace mft::store
