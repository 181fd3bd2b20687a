#include <sys/auxv.h>
#include <unistd.h>

#include <string>

#include "base/file.h"
#include "base/process.h"
#include "kernels/isa.h"
#include "main/commands.h"
#include "power/sensors.h"
#include "session/frames.h"

namespace mft::main {
namespace {

#if defined(__aarch64__)

// Names as in /proc/cpuinfo, bits as in the kernel's asm/hwcap.h.
void add_cpu_features(v1::DeviceFacts& facts) {
  struct Feature {
    const char* name;
    unsigned long type;
    unsigned bit;
  };
  static constexpr Feature kFeatures[] = {
      {"asimd", AT_HWCAP, 1}, {"aes", AT_HWCAP, 3},      {"sha2", AT_HWCAP, 6},     {"crc32", AT_HWCAP, 7},
      {"fphp", AT_HWCAP, 9},  {"asimdhp", AT_HWCAP, 10}, {"asimddp", AT_HWCAP, 20}, {"sve", AT_HWCAP, 22},
      {"sve2", AT_HWCAP2, 1}, {"i8mm", AT_HWCAP2, 13},   {"bf16", AT_HWCAP2, 14},
  };
  for (const Feature& feature : kFeatures) {
    if ((::getauxval(feature.type) >> feature.bit & 1) != 0) facts.add_cpu_features(feature.name);
  }
}

#else

void add_cpu_features(v1::DeviceFacts& facts) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) facts.add_cpu_features("sse4_2");
  if (__builtin_cpu_supports("avx")) facts.add_cpu_features("avx");
  if (__builtin_cpu_supports("avx2")) facts.add_cpu_features("avx2");
  if (__builtin_cpu_supports("fma")) facts.add_cpu_features("fma");
  if (__builtin_cpu_supports("avx512f")) facts.add_cpu_features("avx512f");
}

#endif

}  // namespace

int facts(const Arguments& arguments) {
  v1::DeviceFacts facts;
  facts.set_runtime_version(MFT_VERSION);
  facts.set_abi(abi_name());
  facts.set_isa(std::string(kernels::isa()));
  add_cpu_features(facts);
  facts.set_usable_cpus(usable_cpus());
  facts.set_page_size(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  facts.set_kernel(kernel_release());
  // mft's folder may not be there yet; /data is where it will be.
  const std::string disk = stat_path(arguments.root) ? arguments.root : "/data";
  *facts.mutable_reading() = power::Sensors(disk).read();
  std::string out;
  session::append_frame(out, facts.SerializeAsString());
  print(out);
  return kDone;
}

}  // namespace mft::main
