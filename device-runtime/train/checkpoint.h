// Checkpoints and results: folders of segment files with a manifest, complete or not there at all.
//
// A folder is written aside as ".<name>.tmp", every file synced, then renamed, then its parent synced. A kill
// at any system call leaves the previous folder. The manifest holds each file's SHA-256, and
// "manifest.sha256" the manifest's own; everything is verified when it is read.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mft/v1/run.pb.h"
#include "store/segment_writer.h"
#include "store/segments.h"

namespace mft::train {

// One file to write: a segment's name and its tensors.
struct SegmentToWrite {
  std::string name;
  std::vector<store::NamedTensor> tensors;
};

// Writes `folder` (replacing one of that name) from the manifest's scalar fields and these segments, whose
// descriptions and file names it fills in. Returns the bytes written. Failure io.*.
std::uint64_t write_checkpoint(const std::string& folder, v1::CheckpointManifest& manifest,
                               const std::vector<SegmentToWrite>& weights,
                               const std::vector<SegmentToWrite>& optimizer);

struct LoadedCheckpoint {
  std::string folder;
  v1::CheckpointManifest manifest;
  std::vector<store::SegmentFile> weights;
  std::vector<store::SegmentFile> optimizer;
};

// Bytes verified so far, of all.
using VerifyProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Reads the manifest and verifies every file. Failure checkpoint.broken says what is wrong.
LoadedCheckpoint read_checkpoint(const std::string& folder, const std::string& run_id,
                                 const VerifyProgress& progress = {});

// Steps of the checkpoints under `checkpoints` (the folder of them all), ascending; whole or not.
std::vector<std::uint32_t> list_checkpoints(const std::string& checkpoints);
std::string checkpoint_folder(const std::string& checkpoints, std::uint32_t step);

// The newest one that is whole; `broken` is told of each newer one that is not.
std::optional<LoadedCheckpoint> newest_checkpoint(
    const std::string& checkpoints, const std::string& run_id,
    const std::function<void(std::uint32_t step, const std::string& why)>& broken,
    const VerifyProgress& progress = {});

// Removes what interrupted writes left, and all checkpoints but the newest `keep` (at least one).
void prune_checkpoints(const std::string& checkpoints, std::uint32_t keep);
// The same, all but those of these steps.
void remove_checkpoints_but(const std::string& checkpoints, const std::set<std::uint32_t>& kept);

// The manifest of a whole checkpoint, its files unread; absent when it can't be parsed. For listings.
std::optional<v1::CheckpointManifest> peek_manifest(const std::string& folder, const std::string& run_id);

}  // namespace mft::train
