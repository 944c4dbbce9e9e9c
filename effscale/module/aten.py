"""Names of torch's operators: what is free, what is counted, what multiplies.

What stands nowhere is not free but unknown, as operators of other namespaces are.
Free is what is no sum of products: views, elementwise functions and products,
reductions, pooling, norms, resampling, losses. What is free by torch's own registry,
its views and the tags that it gives, is not listed here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

Standing = Literal["free", "counted", "unknown"]

#: fvcore's operators whose figures are MACs of convolutions and products.
FVCORE_MACS = ("conv", "linear", "addmm", "matmul", "bmm", "mm", "einsum")
KINDS = ("convolution", "matrix product")

#: Operators that one engine or the other has a formula for.
_COUNTED = """
    convolution conv1d conv2d conv3d conv_transpose1d conv_transpose2d
    conv_transpose3d _convolution _convolution_mode convolution_overrideable
    cudnn_convolution _slow_conv2d_forward linear addmm matmul bmm mm baddbmm
    addbmm mv addmv dot vdot linalg_vecdot einsum _scaled_mm
    _addmm_activation _int_mm _grouped_mm conv_tbc _trilinear bilinear
    affine_grid_generator cudnn_affine_grid_generator
    scaled_dot_product_attention
    _scaled_dot_product_efficient_attention _scaled_dot_product_flash_attention
    _scaled_dot_product_cudnn_attention _flash_attention_forward
    _efficient_attention_forward
"""
COUNTED = frozenset(_COUNTED.split())
#: Operators that multiply, or may, without a formula here.
_MULTIPLIES = """
    _cdist _cdist_forward _cholesky_solve_helper
    _compute_linear_combination _conv_depthwise2d _convolution_double
    _cslt_sparse_mm _cslt_sparse_mm_search _cudnn_attention _cudnn_attention_forward
    _cudnn_rnn _dyn_quant_matmul_4bit _efficient_attention _euclidean_dist _fft_c2c
    _fft_c2r _fft_r2c _flash_attention _flash_attention_forward_no_dropout_inplace
    _linalg_det _linalg_eigh _linalg_eigvals _linalg_slogdet
    _linalg_solve_ex _linalg_svd _lstm_mps _lu_with_info _mixed_dtypes_linear
    _mps_convolution _mps_convolution_transpose _native_multi_head_attention
    _nnpack_spatial_convolution _pdist _pdist_forward
    _scaled_dot_product_attention_math _scaled_dot_product_attention_math_for_mps
    _scaled_dot_product_flash_attention_for_cpu
    _scaled_dot_product_fused_attention_overrideable _scaled_grouped_mm
    _scaled_grouped_mm_v2 _scaled_mm_v2 _slow_conv2d _sparse_addmm _sparse_mm
    _sparse_mm_reduce_impl _sparse_semi_structured_addmm
    _sparse_semi_structured_apply _sparse_semi_structured_apply_dense
    _sparse_semi_structured_linear _sparse_semi_structured_mm
    _sparse_semi_structured_tile _sparse_sparse_matmul _spsolve
    _thnn_differentiable_gru_cell _thnn_differentiable_lstm_cell
    _thnn_fused_gru_cell _thnn_fused_lstm_cell _transformer_encoder_layer_fwd
    _triton_multi_head_attention _triton_scaled_dot_attention
    _weight_int4pack_mm _weight_int4pack_mm_for_cpu
    _weight_int4pack_mm_with_scales_and_zeros _weight_int8pack_mm
    _wrapped_quantized_linear_prepacked cdist chain_matmul cholesky
    cholesky_inverse cholesky_solve conv_depthwise3d corrcoef cov
    cudnn_convolution_add_relu cudnn_convolution_relu cudnn_convolution_transpose
    det fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation
    fbgemm_linear_int8_weight fbgemm_linear_int8_weight_fp32_activation fft_fft
    fft_fft2 fft_fftn fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 fft_ifftn
    fft_ihfft fft_ihfft2 fft_ihfftn fft_irfft fft_irfft2 fft_irfftn fft_rfft
    fft_rfft2 fft_rfftn geqrf gru gru_cell hspmm inner inverse istft linalg_cholesky
    linalg_cholesky_ex linalg_cond linalg_det linalg_eig linalg_eigh linalg_eigvals
    linalg_eigvalsh linalg_householder_product linalg_inv linalg_inv_ex
    linalg_ldl_factor linalg_ldl_factor_ex linalg_ldl_solve linalg_lstsq linalg_lu
    linalg_lu_factor linalg_lu_factor_ex linalg_lu_solve linalg_matmul
    linalg_matrix_exp linalg_matrix_norm linalg_matrix_power linalg_matrix_rank
    linalg_multi_dot linalg_norm linalg_pinv linalg_qr linalg_slogdet linalg_solve
    linalg_solve_ex linalg_solve_triangular linalg_svd linalg_svdvals
    linalg_tensorinv linalg_tensorsolve logdet lstm lstm_cell lstm_mps
    lu_solve matrix_exp matrix_power miopen_convolution miopen_convolution_add_relu
    miopen_convolution_relu miopen_convolution_transpose
    miopen_depthwise_convolution miopen_rnn mkldnn_convolution mkldnn_linear
    mkldnn_rnn_layer mps_convolution mps_convolution_transpose nuclear_norm orgqr
    ormqr pdist pinverse qr quantized_gru quantized_gru_cell quantized_lstm
    quantized_lstm_cell quantized_rnn_relu_cell quantized_rnn_tanh_cell rnn_relu
    rnn_relu_cell rnn_tanh rnn_tanh_cell slogdet slow_conv3d slow_conv3d_forward
    slow_conv_dilated2d slow_conv_dilated3d slow_conv_transpose2d
    slow_conv_transpose3d smm sparse_sampled_addmm sspaddmm stft svd tensordot
    thnn_conv2d triangular_solve
"""
MULTIPLIES = frozenset(_MULTIPLIES.split())
#: New tensors, random numbers, and questions that are answered without a tensor.
_CREATED = """
    _add_batch_dim _amp_foreach_non_finite_check_and_unscale _assert_async
    _assert_scalar _assert_tensor_metadata _copy_from_and_resize
    _cufft_clear_plan_cache _cufft_get_plan_cache_max_size
    _cufft_get_plan_cache_size _cufft_set_plan_cache_max_size
    _debug_has_internal_overlap _dimI _dimV _dim_arange _dirichlet_grad
    _empty_affine_quantized _empty_per_channel_affine_quantized _foobar
    _functional_assert_async _functional_assert_scalar
    _functional_sym_constrain_range_for_size _has_compatible_shallow_copy_type
    _has_same_storage_numel _is_all_true _is_any_true _is_zerotensor
    _linalg_check_errors _local_scalar_dense _make_dep_token
    _nested_compute_contiguous_strides_offsets _nested_tensor_size
    _nested_tensor_storage_offsets _nested_tensor_strides
    _new_zeros_with_same_feature_meta _nnpack_available _nnz _philox_key_fold_in
    _philox_key_split _philox_normal _philox_uniform _print _remove_batch_dim
    _resize_output _sample_dirichlet _sobol_engine_draw _sobol_engine_ff
    _sobol_engine_initialize_state _sobol_engine_scramble _sparse_bsc_tensor_unsafe
    _sparse_bsr_tensor_unsafe _sparse_compressed_tensor_unsafe
    _sparse_compressed_tensor_with_dims _sparse_coo_tensor_unsafe
    _sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors
    _sparse_csc_tensor_unsafe _sparse_csr_tensor_unsafe _standard_gamma
    _standard_gamma_grad _test_ambiguous_defaults _test_autograd_multiple_dispatch
    _test_check_tensor _test_functorch_fallback _test_optional_filled_intlist
    _test_optional_floatlist _test_optional_intlist _test_parallel_materialize
    _test_serialization_subcmul _test_string_default _test_warn_in_autograd
    _use_cudnn_ctc_loss _use_cudnn_rnn_flatten_weight _use_miopen_ctc_loss
    _validate_compressed_sparse_indices _validate_sparse_bsc_tensor_args
    _validate_sparse_bsr_tensor_args _validate_sparse_compressed_tensor_args
    _validate_sparse_coo_tensor_args _validate_sparse_csc_tensor_args
    _validate_sparse_csr_tensor_args _version arange as_strided_scatter
    bartlett_window bernoulli binomial blackman_window can_cast cauchy data
    dense_dim dim empty empty_like empty_permuted empty_quantized empty_strided
    exponential eye from_file full full_like gammainc gammaincc gammaln geometric
    get_device get_gradients hamming_window hann_window is_coalesced is_complex
    is_conj is_contiguous is_distributed is_floating_point is_inference is_leaf
    is_neg is_nonzero is_pinned is_same_size is_set_to is_signed is_vulkan_available
    item kaiser_window linspace log_normal logspace multigammaln multinomial
    new_empty new_empty_strided new_full new_ones new_zeros norm_except_dim normal
    normal_functional numel ones ones_like output_nr poisson poisson_nll_loss
    promote_types q_per_channel_axis q_per_channel_scales q_per_channel_zero_points
    q_scale q_zero_point qscheme rand rand_like randint randint_like randn
    randn_like random randperm range requires_grad resize resize_as resize_as_sparse
    result_type retain_grad retains_grad scalar_tensor size sparse_bsc_tensor
    sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor sparse_csc_tensor
    sparse_csr_tensor sparse_dim sparse_resize sparse_resize_and_clear
    storage_offset stride sum_to_size sym_constrain_range
    sym_constrain_range_for_size sym_is_contiguous sym_numel sym_size
    sym_storage_offset sym_stride take_along_dim tril_indices triu_indices uniform
    unique_dim unsafe_split_with_sizes zeros zeros_like
"""
#: Layouts, types, and where numbers stand.
_MOVED = """
    __irshift__ _batch_norm_impl_index _cast_Byte _cast_Char _cast_Double
    _cast_Float _cast_Half _cast_Int _cast_Long _cast_Short
    _choose_qparams_per_tensor _chunk_cat _coalesce _coalesced
    _convert_indices_from_coo_to_csr _convert_indices_from_csr_to_coo
    _convert_weight_to_int4pack _convert_weight_to_int4pack_for_cpu _copy_from
    _cslt_compress _cudnn_rnn_flatten_weight _dyn_quant_pack_4bit_weight
    _efficientzerotensor _embedding_bag _embedding_bag_dense
    _embedding_bag_forward_only _embedding_bag_per_sample_weights
    _embedding_bag_sparse _fake_quantize_learnable_per_channel_affine
    _fake_quantize_learnable_per_tensor_affine
    _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
    _fill_mem_eff_dropout_mask _fused_adagrad _gather_sparse _index_put_impl
    _jagged_to_padded_dense_forward _lazy_clone _make_per_channel_quantized_tensor
    _make_per_tensor_quantized_tensor _masked_scale _masked_softmax _mkldnn_reshape
    _mkldnn_transpose _nested_from_padded _nested_from_padded_and_nested_example
    _nested_from_padded_tensor _nested_get_jagged_dummy _nested_get_lengths
    _nested_get_max_seqlen _nested_get_min_seqlen _nested_get_offsets
    _nested_get_ragged_idx _nested_select _nested_sum _nested_tensor_from_mask
    _nested_tensor_from_mask_left_aligned _nested_tensor_from_tensor_list
    _nested_tensor_softmax_with_shape _pack_padded_sequence _pad_circular _pad_enum
    _pad_packed_sequence _padded_dense_to_jagged_forward _pin_memory
    _propagate_xla_data _reshape _reshape_from_tensor _rowwise_prune
    _saturate_weight_to_fp16 _sparse_csr_prod _sparse_csr_sum _sparse_log_softmax
    _sparse_mask_projection _sparse_softmax _sparse_sum _spdiags _stack _to_cpu
    _to_dense _to_sparse _to_sparse_bsc _to_sparse_bsr _to_sparse_csc _to_sparse_csr
    _to_sparse_semi_structured _unique _unique2 _unsafe_index _unsafe_index_put
    _unsafe_masked_index _unsafe_masked_index_put_accumulate _unsafe_view
    _wrapped_linear_prepack argsort argwhere atleast_1d atleast_2d atleast_3d
    batch_norm_gather_stats batch_norm_gather_stats_with_counts block_diag
    broadcast_tensors bucketize cartesian_prod cat chalf channel_shuffle
    choose_qparams_optimized col2im column_stack combinations complex concat
    concatenate constant_pad_nd copy_sparse_to_sparse cosine_embedding_loss
    dequantize diag diag_embed diagflat diagonal_scatter dstack embedding
    embedding_bag embedding_dense embedding_renorm embedding_sparse
    fake_quantize_per_channel_affine fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine fake_quantize_per_tensor_affine_cachemask
    fbgemm_linear_quantize_weight fbgemm_pack_gemm_matrix_fp16
    fbgemm_pack_quantized_matrix fft_fftfreq fft_fftshift fft_ifftshift fft_rfftfreq
    fill fill_diagonal flatten_dense_tensors flip fliplr flipud gather gradient
    hinge_embedding_loss hstack im2col index index_add index_copy index_fill
    index_put index_reduce index_select int_repr isin lift lu_unpack masked_scatter
    masked_select max_unpool2d max_unpool3d meshgrid mkldnn_reorder_conv2d_weight
    mkldnn_reorder_conv3d_weight msort nanquantile native_channel_shuffle
    nested_to_padded_tensor nonzero nonzero_numpy nonzero_static one_hot pad
    pad_sequence pixel_shuffle pixel_unshuffle polar put quantile
    quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic
    quantized_batch_norm quantized_max_pool1d quantized_max_pool2d
    quantized_max_pool3d record_stream reflection_pad1d reflection_pad2d
    reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d
    replication_pad3d roll rot90 row_stack scatter scatter_add scatter_reduce
    searchsorted select_scatter set set_data slice_scatter sort sparse_mask stack
    take tile to_dense to_mkldnn to_padded_tensor to_sparse to_sparse_bsc
    to_sparse_bsr to_sparse_csc to_sparse_csr topk tril triu type_as
    unflatten_dense_tensors unique_consecutive unique_dim_consecutive unsafe_chunk
    unsafe_split upsample_trilinear3d value_selecting_reduction vstack zero
"""
#: Windows, norms, resampling, losses.
_WINDOWS = """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _amp_update_scale
    _batch_norm_no_update _batch_norm_with_update _batch_norm_with_update_functional
    _ctc_loss _cudnn_ctc_loss _cudnn_init_dropout_state _fused_adam _fused_adamw
    _fused_dropout _fused_moving_avg_obs_fq_helper
    _fused_moving_avg_obs_fq_helper_functional _fused_rms_norm _fused_sdp_choice
    _fused_sgd _grid_sampler_2d_cpu_fallback _log_softmax _native_batch_norm_legit
    _native_batch_norm_legit_functional _native_batch_norm_legit_no_training
    _safe_softmax _softmax _transform_bias_rescale_qkv _upsample_bicubic2d_aa
    _upsample_bilinear2d_aa _upsample_lanczos2d_aa _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d _weight_norm
    _weight_norm_differentiable _weight_norm_interface adaptive_avg_pool1d
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d alpha_dropout avg_pool1d avg_pool2d
    avg_pool3d batch_norm batch_norm_elemt batch_norm_stats batch_norm_update_stats
    binary_cross_entropy binary_cross_entropy_with_logits cosine_similarity
    cross_entropy_loss ctc_loss cudnn_batch_norm
    cudnn_grid_sampler dropout feature_alpha_dropout feature_dropout
    fractional_max_pool2d fractional_max_pool3d frobenius_norm
    fused_moving_avg_obs_fake_quant grid_sampler grid_sampler_2d grid_sampler_3d
    group_norm huber_loss instance_norm kl_div l1_loss layer_norm
    log_sigmoid log_sigmoid_forward log_softmax margin_ranking_loss max_pool1d
    max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d
    max_pool3d_with_indices miopen_batch_norm miopen_ctc_loss
    mkldnn_adaptive_avg_pool2d mkldnn_max_pool2d mkldnn_max_pool3d mse_loss
    multi_margin_loss multilabel_margin_loss multilabel_margin_loss_forward
    native_batch_norm native_dropout native_group_norm native_layer_norm native_norm
    nll_loss nll_loss2d nll_loss2d_forward nll_loss_forward nll_loss_nd
    pairwise_distance renorm rms_norm smooth_l1_loss soft_margin_loss softmax
    triplet_margin_loss upsample_bicubic2d upsample_bilinear2d upsample_linear1d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d
"""
#: Element by element, a product of two included, and sums.
_ELEMENTWISE = """
    _backward
     __and__ __iand__ __ior__ __or__ _add_relu _aminmax _cummax_helper
    _cummin_helper _functional_sym_constrain_range _histogramdd_bin_edges
    _histogramdd_from_bin_cts _histogramdd_from_bin_tensors _logcumsumexp
    _prelu_kernel _segment_reduce _shape_as_tensor _to absolute addr allclose arccos
    arccosh arcsin arcsinh arctan arctan2 arctanh bincount cross cudnn_is_acceptable
    cummax cummaxmin cummin cumprod cumsum cumulative_trapezoid diff dist divide
    expit fix floor_divide ger glu glu_jvp greater greater_equal hardswish
    hash_tensor histc histogram histogramdd infinitely_differentiable_gelu isclose
    isreal kron kthvalue less less_equal linalg_cross linalg_vander logcumsumexp
    median mode multiply nanmean nanmedian ndtr negative not_equal outer powsum
    prelu psi rrelu_with_noise rrelu_with_noise_functional segment_reduce subtract
    trace trapezoid trapz vander
"""
#: Operators that are free whatever torch's registry says of them.
FREE = frozenset(f"{_CREATED} {_MOVED} {_WINDOWS} {_ELEMENTWISE}".split())
#: Those of torchvision that compare or resample.
_ELSEWHERE = frozenset(
    f"torchvision::{name}"
    for name in ("nms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool")
)
#: Those of torch's primitives that are free and no operators of aten by their names.
_OF_PRIMS = """
    bessel_i0 bessel_i0e bessel_i1 bessel_i1e bessel_j0 bessel_j1 broadcast_in_dim cbrt
    collapse collapse_view convert_element_type copy_strided copy_to device_put erf_inv
    erfcx iota maximum_value minimum_value ndtri rev shift_left shift_right_arithmetic
    spherical_bessel_j0 split_dim view_of view_of_dtype xor_sum zeta
"""
PRIMS = frozenset(_OF_PRIMS.split())
_TAGS = (torch.Tag.pointwise, torch.Tag.reduction)


@cache
def standing(name: str) -> Standing:
    """What an operator is known to be; of a name without a namespace, aten's."""
    namespace, _, own = name.rpartition("::")
    if namespace == "prims":  # of which torch makes derivatives
        return "free" if own in PRIMS else standing(own)
    if namespace not in {"", "aten"}:
        free = name in _ELSEWHERE or namespace == "profiler"
        return "free" if free else "unknown"
    names = stems(own)
    if names & FREE or any(map(_registered_free, names)):
        return "free"
    return "counted" if own.rstrip("_") in COUNTED else "unknown"


def stems(name: str) -> set[str]:
    """A name, and the names of operators that it does the same as, up to where it is.

    Those in place, on lists, into a copy, and the gradients of what is free.
    """
    stem = re.sub(r"^(_foreach|special)_(?=.)", "", name)
    stem = re.sub(r"(?<=.)(_backward.*|_copy_?)$", "", stem)
    return {name, name.rstrip("_"), stem.rstrip("_")}


@cache
def _registered_free(name: str) -> bool:
    """Whether torch's registry says that it is a view, elementwise, or a reduction."""
    packet: Any = getattr(torch.ops.aten, name, None)
    if not name or not hasattr(packet, "overloads"):
        return False
    each = [getattr(packet, overload) for overload in packet.overloads()]
    return any(tag in op.tags for op in each for tag in _TAGS) or any(
        argument.alias_info and not argument.alias_info.is_write
        for op in each
        for argument in op._schema.arguments  # noqa: SLF001 - there is no public way
    )


def unknown(names: Iterable[str]) -> list[str]:
    """Those that are not known to be free."""
    return [name for name in names if standing(name) != "free"]


def kind(operator: str) -> str:
    """The one of `KINDS` that an operator which multiplies is of."""
    return KINDS[0] if "conv" in operator else KINDS[1]


def plain(operator: str) -> str:
    """An operator's name without aten's namespace: `aten::_softmax` → `_softmax`."""
    return operator.removeprefix("aten::")
