// Reads the numeric fixtures that scripts/oracle/*.py write; the format is described in
// scripts/oracle/fixture.py. Tests only: the files are ours, so a malformed one is just an error.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace mft::models {

struct FixtureTensor {
  std::vector<uint64_t> shape;
  std::vector<float> floats;  // kind f32
  std::vector<int32_t> ints;  // kind i32
  std::string text;           // kind text
};

class Fixture {
 public:
  explicit Fixture(const std::string& path) : data_(read_all(path, 64 << 20)) {
    if (std::memcmp(take(8), "MFTFIX01", 8) != 0) throw Failure("test.fixture", path + " is not a fixture");
    const uint32_t entries = number<uint32_t>();
    for (uint32_t i = 0; i < entries; ++i) {
      const uint32_t length = number<uint32_t>();
      const std::string name(take(length), length);
      read_entry(entries_[name]);
    }
  }

  const FixtureTensor& operator[](const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) throw Failure("test.fixture", "no entry '" + name + "'");
    return found->second;
  }
  const std::map<std::string, FixtureTensor>& entries() const { return entries_; }

  // The entries whose names start with prefix, without it.
  std::map<std::string, FixtureTensor> below(const std::string& prefix) const {
    std::map<std::string, FixtureTensor> found;
    for (const auto& [name, tensor] : entries_) {
      if (name.starts_with(prefix)) found[name.substr(prefix.size())] = tensor;
    }
    return found;
  }

 private:
  const char* take(uint64_t bytes) {
    if (bytes > data_.size() - at_) throw Failure("test.fixture", "fixture ends too early");
    const char* from = data_.data() + at_;
    at_ += bytes;
    return from;
  }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)), sizeof(T));
    return value;
  }
  void read_entry(FixtureTensor& tensor) {
    const uint32_t kind = number<uint32_t>();
    const uint32_t dimensions = number<uint32_t>();
    uint64_t elements = 1;
    for (uint32_t d = 0; d < dimensions; ++d) elements *= tensor.shape.emplace_back(number<uint64_t>());
    if (kind == 1) {
      tensor.floats.resize(elements);
      std::memcpy(tensor.floats.data(), take(elements * 4), elements * 4);
    } else if (kind == 2) {
      tensor.ints.resize(elements);
      std::memcpy(tensor.ints.data(), take(elements * 4), elements * 4);
    } else {
      tensor.text.assign(take(elements), elements);
    }
  }

  std::string data_;
  uint64_t at_ = 0;
  std::map<std::string, FixtureTensor> entries_;
};

}  // namespace mft::models
