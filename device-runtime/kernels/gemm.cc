// Blocking, packing and sharing of the matrix product. The smaller operand is packed once, by all workers, in
// slabs; the other one is cut into panels that are taken by stealing and packed privately by the taker.
#include "kernels/gemm.h"

#include <algorithm>
#include <array>

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/simd/table.h"

namespace mft::kernels {
namespace {

constexpr i64 kSlabDepth = 10 * kGemmBlockK;     // k of a shared slab
constexpr i64 kSlabFloats = (i64{3} << 20) / 4;  // at most 3 MiB: every panel reads it again
constexpr i64 kUnit = 96;                         // a multiple of every strip width
constexpr i64 kWidestPanel = 2 * kUnit;
constexpr i64 kChunk = 2 * kUnit;                         // shared rows that stay in the second-level cache
constexpr i64 kFewRows = 4;
constexpr i64 kPanelFloats = kWidestPanel * kGemmBlockK;  // private scratch of a worker

constexpr i64 round_up(i64 x, i64 unit) { return (x + unit - 1) / unit * unit; }

// One operand, seen as `rows` rows (of A, or columns of B) by K.
struct Side {
  Weights data;
  i64 rows;
  bool k_contiguous;
  int strip;

  // Packs rows [r, r + count) and k [k, k + depth).
  void pack(const GemmKernels& kernels, i64 r, i64 count, i64 k, i64 depth, std::byte* packed) const {
    if (k_contiguous) {
      kernels.pack_rows(data.row(r), k, count, depth, strip, packed);
    } else {
      kernels.pack_columns(data.row(k), r, count, depth, strip, packed);
    }
  }

  // The lines that pack() of the same range will read.
  Ahead ahead(i64 r, i64 count, i64 k, i64 depth) const {
    Ahead a;
    const Weights from = data.row(k_contiguous ? r : k);
    const i64 columns = k_contiguous ? depth : count, rows_of = k_contiguous ? count : depth;
    const i64 begin = bytes_of(k_contiguous ? k : r), bytes = bytes_of(columns);
    a.at = static_cast<const std::byte*>(from.data) + begin;
    const auto before = static_cast<i64>(reinterpret_cast<std::uintptr_t>(a.at) % 64);
    a.at -= before;
    a.row_lines = a.in_row = (before + bytes + 63) / 64;
    a.left = a.row_lines * rows_of;
    a.jump = row_bytes(data.dtype, data.columns) - a.row_lines * 64;
    return a;
  }
  i64 bytes_of(i64 columns_of) const {
    return is_block(data.dtype) ? columns_of * block_bytes(data.dtype) / kBlockValues
                                : row_bytes(data.dtype, columns_of);
  }
};

struct Plan {
  bool share_left;  // A is the shared side
  i64 slab_depth;   // k
  i64 slab_rows;    // of the shared side
};

// How the private side is cut into tasks: in rounds of equal panels, one for each thread, wide ones first,
// because a wide one reads the slab less often, then ever narrower ones, so that nobody waits long for the
// last.
class Panels {
 public:
  // shared: rows of the other side. A few leave a packed strip no more than one use: it should not leave the
  // first-level cache before.
  Panels(i64 rows, i64 shared, int strip, int threads) : rows_(rows) {
    const i64 narrowest = shared <= kFewRows ? strip : round_up(kUnit / 4, strip);
    const i64 widest = shared <= kFewRows ? strip : kWidestPanel;
    i64 row = 0, task = 0;
    while (row < rows) {
      i64 width = threads == 1 ? widest : round_up((rows - row) / (2 * threads), strip);
      width = std::clamp(width, narrowest, widest);
      // The last round takes what is left.
      const i64 left = (rows - row + width - 1) / width;
      const bool last = width == narrowest || threads == 1 || count_ + 1 == kRounds;
      const i64 wide_rounds = (rows - row) / (2 * threads * width);
      const i64 tasks = last ? left : width == widest ? wide_rounds * threads : threads;
      rounds_[static_cast<std::size_t>(count_++)] = {task, row, width};
      task += std::clamp<i64>(tasks, 1, left);
      row += std::clamp<i64>(tasks, 1, left) * width;
    }
    tasks_ = task;
  }

  i64 count() const { return tasks_; }
  i64 begin(i64 task) const {
    if (task >= tasks_) return rows_;
    int i = count_ - 1;
    while (rounds_[static_cast<std::size_t>(i)].task > task) --i;
    const Round& round = rounds_[static_cast<std::size_t>(i)];
    return round.row + (task - round.task) * round.width;
  }

 private:
  static constexpr int kRounds = 12;
  struct Round {
    i64 task, row, width;  // of its first panel; of each
  };
  i64 rows_, tasks_ = 0;
  int count_ = 0;
  std::array<Round, kRounds> rounds_;
};

Plan make_plan(i64 M, i64 N, i64 K) {
  Plan plan{};
  plan.share_left = M <= N;
  const i64 rows = round_up(std::min(M, N), kUnit);
  const i64 blocks = std::max<i64>(1, kSlabFloats / rows / kGemmBlockK);
  plan.slab_depth = std::min({K, kSlabDepth, blocks * kGemmBlockK});
  plan.slab_rows = std::min(rows, kSlabFloats / kGemmBlockK / kUnit * kUnit);
  return plan;
}

// What slab_rows * slab_depth never exceeds; unlike them monotonic in M, N and K. In values of 4 bytes: no
// packed value is wider.
i64 slab_floats(i64 M, i64 N, i64 K) {
  return std::min(round_up(std::min(M, N), kUnit) * std::min(round_up(K, kLargestDepthUnit), kSlabDepth),
                  kSlabFloats);
}

class Product {
 public:
  Product(const GemmKernels& kernels, ThreadPool& pool, const Side& left, const Side& right, i64 K, float* C,
          i64 ldc, float beta, const Epilogue& epilogue, const Plan& plan, std::byte* scratch)
      : kernels_(kernels),
        pool_(pool),
        shared_(plan.share_left ? left : right),
        own_(plan.share_left ? right : left),
        K_(K),
        C_(C),
        ldc_(ldc),
        beta_(beta),
        epilogue_(epilogue),
        plan_(plan),
        panels_of_(own_.rows, shared_.rows, own_.strip, pool.threads()),
        slab_(scratch),
        panels_(scratch + slab_floats(left.rows, right.rows, K) * 4) {}

  void run() {
    for (i64 r = 0; r < shared_.rows; r += plan_.slab_rows) {
      const i64 rows = std::min(plan_.slab_rows, shared_.rows - r);
      for (i64 k = 0; k < K_; k += plan_.slab_depth) {
        const i64 depth = std::min(plan_.slab_depth, K_ - k);
        pack_slab(r, rows, k, depth);
        pool_.parallel_for(panels_of_.count(),
                           [&](i64 task, int worker) { multiply(task, worker, r, rows, k, depth); });
      }
    }
  }

 private:
  // The slab: for each k block, the strips of all its rows.
  std::byte* slab_at(i64 rows, i64 row, i64 block_k, i64 depth) const {
    const i64 block_depth = round_up(std::min(kGemmBlockK, depth - block_k), kernels_.depth_unit);
    return slab_ + (block_k * round_up(rows, shared_.strip) + row * block_depth) * kernels_.value_bytes;
  }

  void pack_slab(i64 r, i64 rows, i64 k, i64 depth) {
    const i64 groups = (rows + kUnit - 1) / kUnit;
    const i64 blocks = (depth + kGemmBlockK - 1) / kGemmBlockK;
    const auto pack = [&](i64 task, int) {
      const i64 row = task / blocks * kUnit, block_k = task % blocks * kGemmBlockK;
      shared_.pack(kernels_, r + row, std::min(kUnit, rows - row), k + block_k,
                   std::min(kGemmBlockK, depth - block_k), slab_at(rows, row, block_k, depth));
    };
    if (rows > kFewRows) return pool_.parallel_for(groups * blocks, pack);
    for (i64 task = 0; task < blocks; ++task) pack(task, 0);  // sooner done than shared
  }

  // A panel of the private side against the whole slab.
  void multiply(i64 task, int worker, i64 r, i64 rows, i64 k, i64 depth) const {
    const i64 own = panels_of_.begin(task), width = panels_of_.begin(task + 1) - own;
    std::byte* const panel = panels_ + worker * kPanelFloats * 4;
    for (i64 block_k = 0; block_k < depth; block_k += kGemmBlockK) {
      const i64 block_depth = std::min(kGemmBlockK, depth - block_k);
      own_.pack(kernels_, own, width, k + block_k, block_depth, panel);
      const bool first = k + block_k == 0;
      Ahead ahead = next_panel(task, k, depth, block_k + kGemmBlockK);
      for (i64 chunk = 0; chunk < rows; chunk += kChunk) {
        const i64 chunk_rows = std::min(kChunk, rows - chunk);
        const std::byte* const packed = slab_at(rows, chunk, block_k, depth);
        if (plan_.share_left) {
          block(r + chunk, chunk_rows, own, width, block_depth, packed, panel, first, ahead);
        } else {
          block(own, width, r + chunk, chunk_rows, block_depth, panel, packed, first, ahead);
        }
      }
    }
  }

  // What this worker will probably pack next: the panel's next k block, or another panel's first.
  Ahead next_panel(i64 task, i64 k, i64 depth, i64 block_k) const {
    if (block_k >= depth) {
      block_k = 0;
      task += pool_.threads();
    }
    const i64 own = panels_of_.begin(task), width = panels_of_.begin(task + 1) - own;
    if (width == 0) return {};
    return own_.ahead(own, width, k + block_k, std::min(kGemmBlockK, depth - block_k));
  }

  void block(i64 m, i64 M, i64 n, i64 N, i64 depth, const void* a, const void* b, bool first,
             Ahead& ahead) const {
    BlockEpilogue e;
    e.ahead = &ahead;
    e.alpha = epilogue_.alpha;
    e.accumulate = !first || beta_ != 0.0f;
    if (first) {
      if (epilogue_.bias != nullptr) e.bias = epilogue_.bias + n;
      if (epilogue_.residual != nullptr) e.residual = epilogue_.residual + m * epilogue_.ld_residual + n;
      e.ld_residual = epilogue_.ld_residual;
    }
    kernels_.block(M, N, depth, a, b, C_ + m * ldc_ + n, ldc_, e);
  }

  const GemmKernels& kernels_;
  ThreadPool& pool_;
  const Side &shared_, &own_;
  i64 K_;
  float* C_;
  i64 ldc_;
  float beta_;
  const Epilogue& epilogue_;
  Plan plan_;
  Panels panels_of_;
  std::byte* slab_;
  std::byte* panels_;
};

}  // namespace

std::size_t gemm_workspace(int threads, GemmOp, i64 M, i64 N, i64 K) {
  return static_cast<std::size_t>(slab_floats(M, N, K) + threads * kPanelFloats) * sizeof(float);
}

void gemm(ThreadPool& pool, GemmOp op, i64 M, i64 N, i64 K, const float* A, i64 lda, Weights B, i64 ldb,
          float* C, i64 ldc, float beta, const Epilogue& epilogue, Workspace workspace) {
  const profile::Timer timer(profile::Op::kGemm);
  profile::count_flops(2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K));
  check_that(M >= 0 && N >= 0 && K > 0 && ldc >= N, "kernels.shape",
             "gemm: a size is negative or a row distance too short");
  check_that(beta == 0.0f || beta == 1.0f, "kernels.shape", "gemm: beta is 0 or 1");
  if (M == 0 || N == 0) return;
  const GemmKernels& kernels = epilogue.compute == Compute::kBF16 ? table().gemm_bf16 : table().gemm;
  const Side left{Weights(A, DType::kF32, lda), M, op != GemmOp::kTN, kernels.tile_rows};
  const Side right{B.with_columns(ldb), N, op == GemmOp::kNT, kernels.tile_columns};
  check_that(lda >= (left.k_contiguous ? K : M) && ldb >= (right.k_contiguous ? K : N), "kernels.shape",
             "gemm: a row distance is shorter than a row");
  check_that(!is_block(B.dtype) || B.columns == 0 || B.columns == ldb, "kernels.shape",
             "gemm: a weight in blocks starts at the first column of its rows, and ldb is their length");
  check_workspace("gemm", workspace, gemm_workspace(pool.threads(), op, M, N, K));
  Product(kernels, pool, left, right, K, C, ldc, beta, epilogue, make_plan(M, N, K), workspace.data())
      .run();
}

}  // namespace mft::kernels
