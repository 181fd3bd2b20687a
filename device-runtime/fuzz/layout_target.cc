// A segment's description, as manifests bring it. Input: the size of its file in units of 64 KiB (2 bytes, and one
// that is added to it), then a v1::Segment.
#include <algorithm>
#include <utility>
#include <vector>

#include "fuzz/target.h"
#include "store/layout.h"

namespace mft::fuzz {
namespace {

constexpr const char* kCodes = "model.segment-size model.tensor-layout model.tensor-duplicate model.dtype-unsupported";

void require_apart(const v1::Segment& segment, std::uint64_t file_bytes) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const v1::Tensor& tensor : segment.tensors()) {
    require(tensor.offset() <= file_bytes && tensor.bytes() <= file_bytes - tensor.offset(), "outside of the file");
    ranges.emplace_back(tensor.offset(), tensor.bytes());
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    require(ranges[i - 1].first + ranges[i - 1].second <= ranges[i].first, "tensors overlap");
  }
}

void run(std::string_view bytes) {
  Input input(bytes);
  const std::uint64_t units = input.byte() | std::uint64_t{input.byte()} << 8;
  const std::uint64_t file_bytes = units * store::kSegmentAlignment + input.byte();
  v1::Segment segment;
  if (!segment.ParseFromArray(input.rest().data(), static_cast<int>(input.rest().size()))) return;
  if (accepts(kCodes, [&] { store::check_layout(segment, file_bytes); })) require_apart(segment, file_bytes);

  v1::Segment laid_out = segment;
  if (!accepts(kCodes, [&] { store::lay_out(&laid_out); })) return;
  require_apart(laid_out, laid_out.bytes());
  if (laid_out.bytes() > store::kMaxSegmentBytes) return;
  require(accepts(kCodes, [&] { store::check_layout(laid_out, laid_out.bytes()); }), "its own layout is refused");
}

const Registration kTarget("layout", run);

}  // namespace
}  // namespace mft::fuzz
