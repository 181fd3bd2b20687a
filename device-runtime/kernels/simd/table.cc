// The table of this instruction set.
#include "kernels/simd/table.h"

#include "kernels/simd/attention.h"
#include "kernels/simd/gemm_block.h"
#include "kernels/simd/rows.h"

#define MFT_STRING2(x) #x
#define MFT_STRING(x) MFT_STRING2(x)

namespace mft::kernels::MFT_ISA {

constexpr Table kTable{
    .name = MFT_STRING(MFT_ISA),
    .fused = HWY_TARGET != HWY_SSE4,
    .gemm = {.tile_rows = kTileRows,
             .tile_columns = kTileColumns,
             .value_bytes = sizeof(float),
             .depth_unit = 1,
             .pack_rows = pack_rows,
             .pack_columns = pack_columns,
             .block = gemm_block},
    .gemm_bf16 = {.tile_rows = kTileRows,
                  .tile_columns = kTileColumns,
                  .value_bytes = sizeof(float),
                  .depth_unit = 1,
                  .pack_rows = pack_rows_bf16,
                  .pack_columns = pack_columns_bf16,
                  .block = gemm_block},
    .bf16_class = HWY_TARGET != HWY_SSE4 ? "bf16-fma" : "bf16-nofma",
    .layernorm_forward = layernorm_forward,
    .layernorm_backward = layernorm_backward,
    .layernorm_parameters = layernorm_parameters,
    .rmsnorm_forward = rmsnorm_forward,
    .rmsnorm_backward = rmsnorm_backward,
    .rmsnorm_parameters = rmsnorm_parameters,
    .activation_forward = activation_forward,
    .activation_backward = activation_backward,
    .gated_forward = gated_forward,
    .gated_backward = gated_backward,
    .add = add_vectors,
    .scale = scale_vector,
    .convert = convert,
    .column_sums = column_sums,
    .sum_of_squares = sum_of_squares,
    .dropout = dropout,
    .adamw = adamw,
    .rope = rope,
    .attention_scratch = attention_scratch,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .attention_backward_keys = attention_backward_keys,
    .attention_backward_queries = attention_backward_queries,
    .attention_delta = attention_delta,
    .attention_decode = attention_decode,
    .logsumexp = logsumexp,
    .softcap = softcap,
    .softmax_gradient = softmax_gradient,
};

const Table& make_table();
const Table& make_table() { return kTable; }

}  // namespace mft::kernels::MFT_ISA
