# Tests of cusim's observing and timing half, each linked with the files under test alone: memory is the test's own.
if(NOT HD_HAVE_CMOCKA)  # the rest needs it
  return()
endif()
set(observe_source_dir ${PROJECT_SOURCE_DIR}/lib/cusim/src)
set(observe_sources hooks trace trace_join trace_merge trace_count trace_table request decode called lines card preset model clock timeline sample profile report)
list(TRANSFORM observe_sources PREPEND ${observe_source_dir}/)
list(TRANSFORM observe_sources APPEND .c)
add_library(cusim-observe-tested STATIC ${observe_sources} ${CMAKE_CURRENT_LIST_DIR}/observe_check.c)
target_include_directories(cusim-observe-tested PUBLIC ${observe_source_dir})
target_link_libraries(cusim-observe-tested PUBLIC hd_flags heddle::cmocka m)
foreach(library capstone libdw)
  string(TOUPPER ${library} upper)
  if(HD_HAVE_${upper})
    target_link_libraries(cusim-observe-tested PUBLIC heddle::${library})
    target_compile_definitions(cusim-observe-tested PUBLIC HD_HAVE_${upper}=1)
  endif()
endforeach()

function(observe_test name)
  add_executable(cusim-${name} ${CMAKE_CURRENT_LIST_DIR}/${name}.c ${ARGN})
  target_link_libraries(cusim-${name} PRIVATE cusim-observe-tested)
  add_test(NAME cusim-${name} COMMAND cusim-${name})
  set_tests_properties(cusim-${name} PROPERTIES TIMEOUT 60)
endfunction()

observe_test(observe_trace)
observe_test(observe_model)
observe_test(observe_clock)
observe_test(observe_profile)

# nvcc's own occupancy calculator is a header that needs no GPU: ours is held against it where it is installed.
find_path(HD_CUDA_OCCUPANCY_DIR cuda_occupancy.h HINTS /usr/local/cuda/include $ENV{CUDA_HOME}/include)
mark_as_advanced(HD_CUDA_OCCUPANCY_DIR)
if(HD_CUDA_OCCUPANCY_DIR)
  target_include_directories(cusim-observe_model SYSTEM PRIVATE ${HD_CUDA_OCCUPANCY_DIR})
  target_compile_definitions(cusim-observe_model PRIVATE HD_HAVE_CUDA_OCCUPANCY)
endif()

# Instrumented code, as simnvcc builds it for traced blocks.
if(HD_HAVE_CAPSTONE AND NOT HEDDLE_SANITIZE AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_library(cusim-observe_kernels OBJECT ${CMAKE_CURRENT_LIST_DIR}/observe_kernels.c)
  target_compile_options(cusim-observe_kernels PRIVATE -O2 -fno-tree-vectorize -fno-tree-slp-vectorize
    -ffp-contract=fast -mfma -gdwarf-4 -fsanitize=thread -fsanitize-coverage=trace-pc)
  observe_test(observe_decode $<TARGET_OBJECTS:cusim-observe_kernels>)
endif()

# Real kernels through simnvcc, profiled.
if(COMMAND cusim_add_objects AND HD_HAVE_CAPSTONE AND NOT HEDDLE_SANITIZE)
  add_executable(cusim-observe_known)
  cusim_add_objects(cusim-observe_known ${CMAKE_CURRENT_LIST_DIR}/observe_known.cu)
  set_target_properties(cusim-observe_known PROPERTIES LINKER_LANGUAGE CXX)
  add_test(NAME cusim-observe_known
           COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/observe_known.sh $<TARGET_FILE:cusim-observe_known>)
  set_tests_properties(cusim-observe_known PROPERTIES TIMEOUT 240)
endif()

# The published kernels on the cards they were measured on. The lesson's kernels are taken as the lesson built them.
if(COMMAND cusim_add_objects AND HD_HAVE_CAPSTONE AND NOT HEDDLE_SANITIZE AND TARGET lesson-12-gemm-gpu-rungs)
  add_executable(cusim-observe_validation)
  target_include_directories(cusim-observe_validation PRIVATE ${PROJECT_SOURCE_DIR}/lessons/12-gemm-gpu)
  target_link_libraries(cusim-observe_validation PRIVATE heddle)
  foreach(file naive shared tile1d tile2d vector warptile)
    set(object ${PROJECT_BINARY_DIR}/lessons/CMakeFiles/lesson-12-gemm-gpu-rungs.cusim/${file}.o)
    set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
    target_sources(cusim-observe_validation PRIVATE ${object})
  endforeach()
  cusim_add_objects(cusim-observe_validation ${CMAKE_CURRENT_LIST_DIR}/observe_validation.cu)
  add_dependencies(cusim-observe_validation lesson-12-gemm-gpu-rungs)
  set_target_properties(cusim-observe_validation PROPERTIES LINKER_LANGUAGE CXX)
  add_test(NAME cusim-observe_validation
           COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/observe_validation.sh $<TARGET_FILE:cusim-observe_validation>
                   ${PROJECT_SOURCE_DIR}/docs/cusim-model.md)
  set_tests_properties(cusim-observe_validation PROPERTIES TIMEOUT 120)
endif()
