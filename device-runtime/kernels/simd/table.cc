// The table of this instruction set.
#include "kernels/simd/table.h"

#include "kernels/simd/attention.h"
#include "kernels/simd/gemm_block.h"
#include "kernels/simd/lanes.h"

#define MFT_STRING2(x) #x
#define MFT_STRING(x) MFT_STRING2(x)

namespace mft::kernels::MFT_ISA {

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"  // until all are there
constexpr Table kTable{
    .name = MFT_STRING(MFT_ISA),
    .fused = HWY_TARGET != HWY_SSE4,
    .tile_rows = kTileRows,
    .tile_columns = kTileColumns,
    .pack_rows = pack_rows,
    .pack_columns = pack_columns,
    .gemm_block = gemm_block,
    .attention_scratch = attention_scratch,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .attention_backward_keys = attention_backward_keys,
    .attention_backward_queries = attention_backward_queries,
    .attention_delta = attention_delta,
    .attention_decode = attention_decode,
};

const Table& make_table();
const Table& make_table() { return kTable; }

}  // namespace mft::kernels::MFT_ISA
