#include "kernels/isa.h"

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "kernels/simd/table.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace mft::kernels {

#if defined(__x86_64__)
namespace sse4 {
const Table& make_table();
}
namespace avx2 {
const Table& make_table();
}
namespace avx512 {
const Table& make_table();
}
namespace avx512_bf16 {
const GemmKernels& gemm_bf16();
}
#elif defined(__aarch64__)
namespace neon {
const Table& make_table();
}
namespace neon_bf16 {
const GemmKernels& gemm_bf16();
}
#else
#error "No kernels for this architecture"
#endif

namespace {

#if defined(__x86_64__)
// What the CPU has and the kernel saves on a context switch (Intel SDM, volume 1, 13.3 and 14.8).
struct Features {
  bool avx2 = false, avx512 = false, avx512_bf16 = false;

  Features() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0) return;
    constexpr unsigned kFma = 1u << 12, kMovbe = 1u << 22, kOsxsave = 1u << 27, kF16c = 1u << 29;
    if ((c & kFma) == 0 || (c & kMovbe) == 0 || (c & kOsxsave) == 0 || (c & kF16c) == 0) return;
    unsigned low = 0, high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return;
    constexpr unsigned kBmi1 = 1u << 3, kAvx2 = 1u << 5, kBmi2 = 1u << 8;
    unsigned e = 0, f = 0, g = 0, h = 0;
    constexpr unsigned kLzcnt = 1u << 5;
    if (__get_cpuid(0x80000001, &e, &f, &g, &h) == 0 || (g & kLzcnt) == 0) return;
    avx2 = (low & 6) == 6 && (b & kBmi1) != 0 && (b & kAvx2) != 0 && (b & kBmi2) != 0;
    // F, DQ, CD, BW, VL: what x86-64-v4 means
    constexpr unsigned kAll = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31);
    avx512 = avx2 && (low & 0xE6) == 0xE6 && (b & kAll) == kAll;
    constexpr unsigned kBf16 = 1u << 5;
    avx512_bf16 = avx512 && __get_cpuid_count(7, 1, &e, &f, &g, &h) != 0 && (e & kBf16) != 0;
  }
};
#endif

// The table of a set that has instructions for bf16 products: all else is its base's.
const Table* with_bf16(const Table& base, const char* name, const char* bf16_class, const GemmKernels& kernels) {
  static Table table;
  table = base;
  table.name = name;
  table.bf16_class = bf16_class;
  table.gemm_bf16 = kernels;
  return &table;
}

// Best last. Called once.
std::vector<const Table*> find_tables() {
#if defined(__x86_64__)
  const Features features;
  std::vector<const Table*> tables{&sse4::make_table()};
  if (features.avx2) tables.push_back(&avx2::make_table());
  if (features.avx512) tables.push_back(&avx512::make_table());
  if (features.avx512_bf16) {
    tables.push_back(with_bf16(avx512::make_table(), "avx512_bf16", "bf16-dp", avx512_bf16::gemm_bf16()));
  }
  return tables;
#else
  std::vector<const Table*> tables{&neon::make_table()};  // every arm64 CPU has it
  constexpr unsigned long kBf16 = 1ul << 14;              // HWCAP2_BF16 of Linux' asm/hwcap.h
  if ((getauxval(AT_HWCAP2) & kBf16) != 0) {
    tables.push_back(with_bf16(neon::make_table(), "neon_bf16", "bf16-mmla", neon_bf16::gemm_bf16()));
  }
  return tables;
#endif
}

const std::vector<const Table*>& tables() {
  static const std::vector<const Table*> found = find_tables();
  return found;
}

const Table* by_name(std::string_view name) {
  std::string names;
  for (const Table* table : tables()) {
    if (name == table->name) return table;
    names += names.empty() ? table->name : std::string(", ") + table->name;
  }
  throw Failure("kernels.isa", "no instruction set \"" + std::string(name) + "\" here",
                "choose one of " + names);
}

const Table* initial_table() {
  const char* wanted = std::getenv("MFT_ISA");
  return wanted != nullptr && *wanted != '\0' ? by_name(wanted) : tables().back();
}

const Table*& current() {
  static const Table* chosen = initial_table();
  return chosen;
}

}  // namespace

const Table& table() { return *current(); }

std::vector<std::string_view> available_isas() {
  std::vector<std::string_view> names;
  for (const Table* table : tables()) names.emplace_back(table->name);
  return names;
}

std::string_view isa() { return current()->name; }

void set_isa(std::string_view name) { current() = by_name(name); }

std::string_view numeric_class(Compute compute) {
  if (compute == Compute::kBF16) return current()->bf16_class;
  return current()->fused ? "f32-fma" : "f32-nofma";
}

}  // namespace mft::kernels
