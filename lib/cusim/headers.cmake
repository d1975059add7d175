# Headers of CUDA that cusim lacks. Each is an error that names the feature, so that a program which needs it stops
# at its #include and not in another toolkit's headers. They are searched after cusim's own, before the system's.
function(cusim_missing folder feature)
  foreach(header IN LISTS ARGN)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/include/${header})
      file(CONFIGURE OUTPUT ${folder}/${header} CONTENT "#error \"cusim does not support ${feature} (${header})\"\n" @ONLY)
    endif()
  endforeach()
endfunction()

# Headers that programs include out of habit: all of them come with cuda_runtime.h.
function(cusim_forward folder)
  foreach(header IN LISTS ARGN)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/include/${header})
      file(CONFIGURE OUTPUT ${folder}/${header} CONTENT "#include <cuda_runtime.h>\n" @ONLY)
    endif()
  endforeach()
endfunction()

function(cusim_std folder name header)
  file(CONFIGURE OUTPUT ${folder}/cuda/std/${name} CONTENT "#include <cusim/std.h>\n#include <${header}>\n" @ONLY)
endfunction()

# The parts of cuRAND's device functions.
function(cusim_random folder)
  foreach(name discrete discrete2 globals lognormal mrg32k3a normal normal_static philox4x32_x poisson precalc uniform)
    file(CONFIGURE OUTPUT ${folder}/curand_${name}.h CONTENT "#include <curand_kernel.h>\n" @ONLY)
  endforeach()
endfunction()

set(missing ${CUSIM_HOME}/missing)
cusim_random(${missing})
cusim_forward(${missing} builtin_types.h channel_descriptor.h common_functions.h cuda_device_runtime_api.h
  cuda_surface_types.h cuda_texture_types.h device_atomic_functions.h device_double_functions.h device_functions.h
  device_types.h driver_functions.h host_config.h host_defines.h library_types.h math_functions.h
  sm_20_atomic_functions.h sm_20_intrinsics.h sm_30_intrinsics.h sm_32_atomic_functions.h sm_32_intrinsics.h
  sm_35_atomic_functions.h sm_35_intrinsics.h sm_60_atomic_functions.h sm_61_intrinsics.h surface_functions.h
  surface_indirect_functions.h surface_types.h texture_fetch_functions.h texture_indirect_functions.h
  texture_types.h cuda_stdint.h crt/common_functions.h crt/device_double_functions.h crt/device_functions.h
  crt/func_macro.h crt/host_config.h crt/host_defines.h crt/math_functions.h crt/storage_class.h)
# cuda::std is the host's standard library.
foreach(name algorithm array bit chrono cmath complex cstddef cstdint cstdlib cstring ctime functional initializer_list
             iterator limits numeric optional ratio tuple type_traits utility variant climits cfloat cassert)
  cusim_std(${missing} ${name} ${name})
endforeach()
cusim_missing(${missing} "cuFFT" cufft.h cufftXt.h cufftw.h)
cusim_missing(${missing} "cuSPARSE" cusparse.h cusparse_v2.h)
cusim_missing(${missing} "cuSOLVER" cusolverDn.h cusolverSp.h cusolverRf.h cusolverSp_LOWLEVEL_PREVIEW.h cusolver_common.h)
cusim_missing(${missing} "NPP" npp.h nppi.h nppcore.h nppdefs.h npps.h nppversion.h)
cusim_missing(${missing} "nvJPEG" nvjpeg.h)
cusim_missing(${missing} "NVML" nvml.h)
cusim_missing(${missing} "cuDNN" cudnn.h)
cusim_missing(${missing} "CUPTI" cupti.h cupti_activity.h cupti_callbacks.h cupti_events.h cupti_metrics.h)
cusim_missing(${missing} "nvJitLink" nvJitLink.h)
cusim_missing(${missing} "cuRAND's host functions" curand.h)
cusim_missing(${missing} "cuBLAS-XT" cublasXt.h)
cusim_missing(${missing} "the old cuBLAS interface" cublas.h)
cusim_missing(${missing} "graphics interoperability" cuda_gl_interop.h cudaGL.h cuda_egl_interop.h cudaEGL.h
  cuda_vdpau_interop.h cuda_d3d11_interop.h cuda_d3d10_interop.h cuda_d3d9_interop.h)
cusim_missing(${missing} "libcu++" cuda/semaphore cuda/latch cuda/annotated_ptr cuda/std/barrier cuda/std/latch
  cuda/std/semaphore cuda/std/span cuda/std/mdspan cuda/ptx)
cusim_missing(${missing} "6- and 4-bit floating point" cuda_fp6.h cuda_fp4.h)
# Thrust is one library here, under the names of all of its headers.
foreach(name adjacent_difference advance binary_search complex copy count device_allocator device_delete device_free
             device_malloc device_new device_ptr device_reference device_vector distance equal execution_policy
             extrema fill find for_each functional gather generate host_vector inner_product logical memory merge
             mismatch optional pair partition random reduce remove replace reverse scan scatter sequence set_operations
             shuffle sort swap system_error tabulate transform transform_reduce transform_scan tuple
             uninitialized_copy uninitialized_fill unique universal_vector version zip_function
             detail/config detail/type_traits iterator/constant_iterator iterator/counting_iterator
             iterator/discard_iterator iterator/iterator_traits iterator/permutation_iterator
             iterator/reverse_iterator iterator/transform_iterator iterator/zip_iterator
             random/linear_congruential_engine random/normal_distribution random/uniform_int_distribution
             random/uniform_real_distribution system/cuda/error system/cuda/execution_policy
             system/omp/execution_policy system/cpp/execution_policy system/tbb/execution_policy)
  file(CONFIGURE OUTPUT ${missing}/thrust/${name}.h CONTENT "#include <cusim/thrust.h>\n" @ONLY)
endforeach()
foreach(name cub block/block_load block/block_radix_sort block/block_reduce block/block_scan block/block_store
             config device/device_histogram device/device_radix_sort device/device_reduce
             device/device_run_length_encode device/device_scan device/device_segmented_reduce device/device_select
             iterator/constant_input_iterator iterator/counting_input_iterator iterator/transform_input_iterator
             thread/thread_operators util_allocator util_type version warp/warp_reduce warp/warp_scan)
  file(CONFIGURE OUTPUT ${missing}/cub/${name}.cuh CONTENT "#include <cusim/cub.h>\n" @ONLY)
endforeach()
cusim_missing(${missing} "this part of CUB" cub/block/block_adjacent_difference.cuh cub/block/block_discontinuity.cuh
  cub/block/block_exchange.cuh cub/block/block_histogram.cuh cub/block/block_merge_sort.cuh
  cub/device/device_for.cuh cub/device/device_merge_sort.cuh cub/device/device_partition.cuh
  cub/device/device_segmented_radix_sort.cuh cub/warp/warp_merge_sort.cuh)
cusim_missing(${missing} "asynchronous Thrust" thrust/future.h thrust/async/copy.h thrust/async/reduce.h
  thrust/async/sort.h thrust/async/transform.h)
