// Speed and memory of whole optimizer steps on a GPT-2 of random weights:
//   train_bench [lora|full] [threads] [steps] [rows] [length] [small|medium] [accumulation]
// With MFT_PROFILE=1 it samples where the calling thread is and lists the layers and kernels by their share.
#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "base/error.h"
#include "base/process.h"
#include "kernels/isa.h"
#include "models/test_model.h"
#include "train/optimizer.h"

namespace mft::train {
namespace {

constexpr int kMaxSamples = 1 << 17;
constexpr int kDepth = 24;
std::array<std::array<void*, kDepth>, kMaxSamples> samples;
std::array<int, kMaxSamples> depths;
int sampled = 0;

void on_sample(int) {
  if (sampled == kMaxSamples) return;
  depths[static_cast<size_t>(sampled)] = backtrace(samples[static_cast<size_t>(sampled)].data(), kDepth);
  ++sampled;
}

void start_profile() {
  void* warm[2];
  backtrace(warm, 2);  // loads the unwinder now, not in the handler
  struct sigaction action = {};
  action.sa_handler = on_sample;
  action.sa_flags = SA_RESTART;
  sigaction(SIGPROF, &action, nullptr);
  const itimerval every = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_PROF, &every, nullptr);
}

double cpu_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::string symbol(void* address) {
  Dl_info info = {};
  if (dladdr(address, &info) == 0 || info.dli_sname == nullptr) return "";
  int status = 0;
  char* name = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
  const std::string text = status == 0 ? name : info.dli_sname;
  std::free(name);
  return text.substr(0, text.find('('));
}

void print_profile() {
  const itimerval never = {};
  setitimer(ITIMER_PROF, &never, nullptr);
  std::map<std::string, int> kernels, layers;
  for (int i = 0; i < sampled; ++i) {
    std::string kernel = "other", layer = "other";
    for (int d = 0; d < depths[static_cast<size_t>(i)];
         ++d) {  // innermost first; the outermost kernel entry counts
      const std::string name = symbol(samples[static_cast<size_t>(i)][static_cast<size_t>(d)]);
      if (name.starts_with("mft::kernels::") && name.find("::", 14) == std::string::npos)
        kernel = name.substr(14);
      if (name.starts_with("mft::nn::") && layer == "other") layer = name.substr(9);
      if (name.starts_with("mft::train::AdamW") && layer == "other") layer = name.substr(12);
      if (name.starts_with("mft::models::Decoder") && layer == "other") layer = name.substr(13);
    }
    ++kernels[kernel];
    ++layers[layer + " / " + kernel];
  }
  for (const auto* table : {&kernels, &layers}) {
    std::vector<std::pair<int, std::string>> rows;
    for (const auto& [name, count] : *table) rows.emplace_back(count, name);
    std::sort(rows.rbegin(), rows.rend());
    std::printf("\n");
    for (const auto& [count, name] : rows)
      std::printf("%6.2f %%  %s\n", 100.0 * count / sampled, name.c_str());
  }
}

int run(int argc, char** argv) {
  const auto argument = [&](int i, const char* otherwise) {
    return std::string(argc > i ? argv[i] : otherwise);
  };
  const auto number = [&](int i, const char* otherwise) {
    return static_cast<uint32_t>(std::stoul(argument(i, otherwise)));
  };
  const bool full = argument(1, "lora") == "full";
  const uint32_t threads = number(2, "1"), steps = number(3, "4"), rows = number(4, "4"),
                 length = number(5, "128");
  const bool medium = argument(6, "small") == "medium";
  const uint32_t accumulation = number(7, "1");
  const v1::ModelConfig config =
      medium ? models::gpt2_config(50257, 1024, 16, 24, 1024) : models::gpt2_config(50257, 768, 12, 12, 1024);

  TestFolder folder;
  uint64_t seed = 0;
  const auto files = models::write_pack(folder.path(), config, [&](const v1::Tensor& tensor) {
    uint64_t count = 1;
    for (const uint64_t size : tensor.shape()) count *= size;
    return models::noise(++seed, count, 0.03f, tensor.name().ends_with("norm.weight") ? 1.0f : 0.0f);
  });
  ThreadPool pool(static_cast<int>(threads));
  models::ModelOptions options;
  options.method = full ? models::Method::kFull : models::Method::kLora;
  options.max_rows = rows;
  options.max_length = length;
  if (!full)
    options.adapters = models::lora_targets(config, {models::Module::kQkv, models::Module::kOut}, 8, 16);
  const models::MemoryPlan plan = models::plan_memory(config, options, threads);
  const auto segments =
      store::Segments::open(files, full ? store::Residency::kPrivate : store::Residency::kMapped);
  const auto model = models::Model::open(config, *segments, options, pool);
  v1::OptimizerConfig settings;
  settings.set_learning_rate(1e-4f);
  settings.set_beta1(0.9f);
  settings.set_beta2(0.999f);
  settings.set_eps(1e-8f);
  settings.set_max_grad_norm(1);
  AdamW optimizer(settings, *model, pool);

  std::vector<int32_t> tokens(rows * length), targets(rows * length);
  std::printf("%s %s, %s, %u threads, %u x %u tokens x %u\n", medium ? "medium" : "small",
              full ? "full" : "lora", std::string(kernels::isa()).c_str(), threads, rows, length,
              accumulation);
  double best = 1e9;
  for (uint32_t step = 0; step < steps; ++step) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = static_cast<int32_t>((i * 2654435761u + step * 40503u) % 50257);
      targets[i] = static_cast<int32_t>((i * 2246822519u + step * 40503u) % 50257);
    }
    if (step == 1 && std::getenv("MFT_PROFILE") != nullptr) start_profile();
    const auto start = std::chrono::steady_clock::now();
    const double cpu = cpu_seconds();
    const float scale = 1 / static_cast<float>(tokens.size() * accumulation);
    double loss = 0;
    for (uint32_t micro = 0; micro < accumulation; ++micro) {
      loss +=
          model->forward_backward({rows, length, tokens.data(), targets.data()}, scale, 0, {1, step, micro})
              .sum;
    }
    optimizer.step(step + 1, 1e-4f);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (step > 0) best = std::min(best, seconds);
    std::printf("step %u: loss %.6f, %.0f ms (%.0f of CPU), %.1f tokens/s\n", step, loss * scale,
                seconds * 1e3, (cpu_seconds() - cpu) * 1e3,
                static_cast<double>(tokens.size() * accumulation) / seconds);
  }
  if (std::getenv("MFT_PROFILE") != nullptr) print_profile();
  std::printf("best %.0f ms, %.1f tokens/s; peak RSS %.0f MiB; planned: weights %.0f, private %.0f MiB\n",
              best * 1e3, static_cast<double>(tokens.size() * accumulation) / best,
              static_cast<double>(peak_rss_bytes()) / 0x1p20, static_cast<double>(plan.weights) / 0x1p20,
              static_cast<double>(plan.private_bytes(options.method)) / 0x1p20);
  return 0;
}

}  // namespace
}  // namespace mft::train

int main(int argc, char** argv) {
  try {
    return mft::train::run(argc, argv);
  } catch (const mft::Failure& failure) {
    std::fprintf(stderr, "%s: %s\n", failure.code().c_str(), failure.what());
    return 1;
  }
}
