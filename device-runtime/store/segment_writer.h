// Writing segments: checkpoints, results and the packs of tests. The inverse of Segments::open.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mft/v1/model.pb.h"
#include "store/segments.h"

namespace mft::store {

// A tensor in memory, to be written. f32 unless said otherwise.
struct NamedTensor {
  std::string name;
  std::vector<uint64_t> shape;
  const void* data = nullptr;
  v1::DType dtype = v1::DTYPE_F32;
};

// Writes path (a new file, synced; the caller renames and syncs the directory) with the tensors in the given
// order, each at a multiple of 64 bytes, the file padded with zeros to a multiple of 64 KiB. Returns its
// description with sha256. Failure io.* (io.disk-full), model.tensor-duplicate.
v1::Segment write_segment(const std::string& path, const std::string& name,
                          std::span<const NamedTensor> tensors);

// Hashes the file and compares with the description. Failure model.segment-size, model.segment-hash.
void verify_segment(const SegmentFile& file);

}  // namespace mft::store
