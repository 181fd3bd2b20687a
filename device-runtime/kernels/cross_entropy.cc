// The fused head. Rows with a target are gathered in blocks; a block's logits are made for the whole
// vocabulary if that is small enough (then nothing is computed twice), else stretch by stretch: once for the
// logsumexp, once more for the gradient. All sums have the same order either way: logsumexp by kVocabTile,
// d_hidden by k blocks of the product, dW by kGradientRows.
#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/gemm.h"
#include "kernels/math.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {
namespace {

constexpr i64 kVocabTile = 1024;
constexpr i64 kStretch = 3072;  // a multiple of kVocabTile and of kGemmBlockK
constexpr i64 kGradientRows = 128;
constexpr i64 kStretchRows = 512;            // a multiple of kGradientRows
constexpr i64 kWholeLogits = i64{32} << 20;  // bytes up to which a block has all its logits at once
static_assert(kStretch % kVocabTile == 0 && kStretch % kGemmBlockK == 0 && kStretchRows % kGradientRows == 0);

constexpr i64 round_up(i64 x) { return (x + 31) / 32 * 32; }

// How a problem is cut, and where its buffers lie in the workspace (offsets in floats).
struct Layout {
  bool whole;  // all logits of a row block at once
  i64 block_rows;
  i64 stretch;  // logits of a row at once
  i64 hidden, d_hidden, logits, state, index, gemm;
  i64 gemm_bytes;

  Layout(int threads, const CrossEntropyShape& s, bool backward) {
    whole = backward && kGradientRows * s.vocab * 4 <= kWholeLogits;
    block_rows = std::min(s.rows, whole ? kGradientRows : kStretchRows);
    stretch = whole ? s.vocab : std::min(s.vocab, kStretch);
    i64 next = 0;
    const auto take = [&next](i64 count) {
      const i64 at = next;
      next += round_up(count);
      return at;
    };
    hidden = take(block_rows * s.channels);
    d_hidden = take(backward ? block_rows * s.channels : 0);
    logits = take(block_rows * stretch);
    state = take(3 * block_rows);
    index = take(s.rows);
    gemm = next;
    std::size_t most = gemm_workspace(threads, GemmOp::kNT, block_rows, stretch, s.channels);
    if (backward) {
      most = std::max(most, gemm_workspace(threads, GemmOp::kNN, block_rows, s.channels, stretch));
      most = std::max(most, gemm_workspace(threads, GemmOp::kTN, stretch, s.channels, kGradientRows));
    }
    gemm_bytes = static_cast<i64>(most);
  }

  std::size_t bytes() const {
    return static_cast<std::size_t>(gemm) * sizeof(float) + static_cast<std::size_t>(gemm_bytes);
  }
};

struct Gradients {
  float scale;
  float* d_hidden;
  float* dW;
};

class Head {
 public:
  Head(ThreadPool& pool, const CrossEntropyShape& shape, const float* hidden, Weights W,
       const std::int32_t* targets, float* losses, const Gradients* gradients, Workspace workspace)
      : isa_(table()),
        pool_(pool),
        s_(shape),
        hidden_in_(hidden),
        W_(W.with_columns(shape.channels)),
        targets_(targets),
        losses_(losses),
        gradients_(gradients),
        layout_(pool.threads(), shape, gradients != nullptr) {
    check_that(s_.rows >= 0 && s_.channels > 0 && s_.vocab > 0, "kernels.shape",
               "cross_entropy: impossible sizes");
    check_that(s_.softcap >= 0.0f, "kernels.shape", "cross_entropy: softcap must not be negative");
    check_workspace("cross_entropy", workspace, layout_.bytes());
    float* const base = reinterpret_cast<float*>(workspace.data());
    hidden_ = base + layout_.hidden;
    d_hidden_ = base + layout_.d_hidden;
    logits_ = base + layout_.logits;
    largest_ = base + layout_.state;
    total_ = largest_ + layout_.block_rows;
    target_logit_ = total_ + layout_.block_rows;
    index_ = reinterpret_cast<std::int32_t*>(base + layout_.index);
    gemm_ = workspace.subspan(static_cast<std::size_t>(layout_.gemm) * sizeof(float));
  }

  CrossEntropyResult run() {
    CrossEntropyResult result;
    result.tokens = find_rows();
    for (i64 first = 0; first < result.tokens; first += layout_.block_rows) {
      const i64 rows = std::min(layout_.block_rows, result.tokens - first);
      const std::int32_t* const index = index_ + first;
      gather(index, rows);
      for (i64 v = 0; v < s_.vocab; v += layout_.stretch) {
        make_logits(rows, v);
        fold(index, rows, v);
      }
      for (i64 r = 0; r < rows; ++r) {
        const double loss = logsumexp(r) - static_cast<double>(target_logit_[r]);
        if (losses_ != nullptr) losses_[index[r]] = static_cast<float>(loss);
        result.loss_sum += loss;
      }
      if (gradients_ == nullptr) continue;
      for (i64 v = 0; v < s_.vocab; v += layout_.stretch) {
        if (!layout_.whole) make_logits(rows, v);
        differentiate(index, rows, v);
        multiply_back(rows, v);
      }
      scatter(index, rows);
    }
    return result;
  }

 private:
  i64 width(i64 v) const { return std::min(layout_.stretch, s_.vocab - v); }
  double logsumexp(i64 r) const {
    return static_cast<double>(largest_[r]) + math::log(static_cast<double>(total_[r]));
  }

  // Fills index_ with the rows that have a target; clears what the others have in the outputs.
  i64 find_rows() {
    i64 count = 0;
    for (i64 n = 0; n < s_.rows; ++n) {
      const std::int32_t target = targets_[n];
      if (target == kIgnoredTarget) {
        if (losses_ != nullptr) losses_[n] = 0.0f;
        if (gradients_ != nullptr) std::fill_n(gradients_->d_hidden + n * s_.channels, s_.channels, 0.0f);
        continue;
      }
      if (target < 0 || target >= s_.vocab) {
        throw Failure("kernels.target", "cross_entropy: target " + std::to_string(target) + " of row " +
                                            std::to_string(n) + " is outside a vocabulary of " +
                                            std::to_string(s_.vocab));
      }
      index_[count++] = static_cast<std::int32_t>(n);
    }
    return count;
  }

  void gather(const std::int32_t* index, i64 rows) {
    for (i64 r = 0; r < rows; ++r) {
      std::copy_n(hidden_in_ + index[r] * s_.channels, s_.channels, hidden_ + r * s_.channels);
      largest_[r] = -INFINITY;
      total_[r] = 0.0f;
    }
  }

  void scatter(const std::int32_t* index, i64 rows) {
    for (i64 r = 0; r < rows; ++r) {
      std::copy_n(d_hidden_ + r * s_.channels, s_.channels, gradients_->d_hidden + index[r] * s_.channels);
    }
  }

  void make_logits(i64 rows, i64 v) {
    gemm(pool_, GemmOp::kNT, rows, width(v), s_.channels, hidden_, s_.channels, W_.row(v), s_.channels, logits_,
         layout_.stretch, 0.0f, {}, gemm_);
    if (s_.softcap == 0.0f) return;
    pool_.parallel_for(
        rows, [&](i64 r, int) { isa_.softcap(width(v), s_.softcap, logits_ + r * layout_.stretch); });
  }

  void fold(const std::int32_t* index, i64 rows, i64 v) {
    pool_.parallel_for(rows, [&](i64 r, int) {
      const float* const row = logits_ + r * layout_.stretch;
      for (i64 i = 0; i < width(v); i += kVocabTile) {
        isa_.logsumexp(std::min(kVocabTile, width(v) - i), row + i, largest_ + r, total_ + r);
      }
      const i64 target = targets_[index[r]] - v;
      if (target >= 0 && target < width(v)) target_logit_[r] = row[target];
    });
  }

  // Logits become scale * (softmax - one-hot).
  void differentiate(const std::int32_t* index, i64 rows, i64 v) {
    pool_.parallel_for(rows, [&](i64 r, int) {
      float* const row = logits_ + r * layout_.stretch;
      isa_.softmax_gradient(width(v), row, static_cast<float>(logsumexp(r)), gradients_->scale, s_.softcap);
      const i64 target = targets_[index[r]] - v;
      if (target >= 0 && target < width(v)) row[target] -= gradients_->scale * target_slope(r);
    });
  }

  // Of the cap at the target's logit.
  float target_slope(i64 r) const {
    if (s_.softcap == 0.0f) return 1.0f;
    const float ratio = target_logit_[r] * (1.0f / s_.softcap);
    return 1.0f - ratio * ratio;
  }

  void multiply_back(i64 rows, i64 v) {
    const i64 C = s_.channels;
    gemm(pool_, GemmOp::kNN, rows, C, width(v), logits_, layout_.stretch, W_.row(v), C, d_hidden_, C,
         v == 0 ? 0.0f : 1.0f, {}, gemm_);
    if (gradients_->dW == nullptr) return;
    for (i64 r = 0; r < rows; r += kGradientRows) {
      gemm(pool_, GemmOp::kTN, width(v), C, std::min(kGradientRows, rows - r), logits_ + r * layout_.stretch,
           layout_.stretch, hidden_ + r * C, C, gradients_->dW + v * C, C, 1.0f, {}, gemm_);
    }
  }

  const Table& isa_;
  ThreadPool& pool_;
  const CrossEntropyShape& s_;
  const float* hidden_in_;
  Weights W_;
  const std::int32_t* targets_;
  float* losses_;
  const Gradients* gradients_;
  Layout layout_;
  float *hidden_, *d_hidden_, *logits_, *largest_, *total_, *target_logit_;
  std::int32_t* index_;
  Workspace gemm_;
};

}  // namespace

void softcap(ThreadPool& pool, i64 n, float cap, float* logits) {
  check_that(cap > 0.0f, "kernels.shape", "softcap: the cap must be positive");
  for_stretches(pool, n, [&, &isa = table()](i64 begin, i64 count) { isa.softcap(count, cap, logits + begin); });
}

std::size_t cross_entropy_workspace(int threads, const CrossEntropyShape& shape, bool backward) {
  return Layout(threads, shape, backward).bytes();
}

CrossEntropyResult cross_entropy_forward(ThreadPool& pool, const CrossEntropyShape& shape,
                                         const float* hidden, Weights W, const std::int32_t* targets,
                                         float* losses, Workspace workspace) {
  const profile::Timer timer(profile::Op::kHead);
  return Head(pool, shape, hidden, W, targets, losses, nullptr, workspace).run();
}

CrossEntropyResult cross_entropy_forward_backward(ThreadPool& pool, const CrossEntropyShape& shape,
                                                  const float* hidden, Weights W, const std::int32_t* targets,
                                                  float gradient_scale, float* losses, float* d_hidden,
                                                  float* dW, Workspace workspace) {
  const profile::Timer timer(profile::Op::kHead);
  const Gradients gradients{gradient_scale, d_hidden, dW};
  return Head(pool, shape, hidden, W, targets, losses, &gradients, workspace).run();
}

}  // namespace mft::kernels
